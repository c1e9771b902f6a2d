"""The scale on which a change is judged: counts by square root, ratios by arcsine, positive values by logarithm.

On its scale a value's sampling noise hardly depends on the value (Anscombe 1948): 0.5 for the root of a Poisson count,
0.5 / sqrt(n) for the arcsine of the root of a share of n, the relative error, at most 1, for a logarithm. A scale is
one code a series; every function is vectorised over series. A value that is not finite is unknown: NaN in, NaN out.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int8]

SCALES: Final = {"identity": 0, "sqrt": 1, "asin": 2, "log": 3}
TINY: Final = 1e-12  # the logarithm's smallest argument


def forward(scale: Codes, value: Floats) -> Floats:
    """Values on their scale.

    >>> codes = np.array([SCALES["sqrt"], SCALES["log"]], dtype=np.int8)
    >>> forward(codes, np.array([9.0, 1.0])).tolist()
    [3.0, 0.0]
    """
    out = np.where(np.isfinite(value), value, np.nan)
    rows = scale == 1
    out[rows] = np.sqrt(np.maximum(out[rows], 0.0))
    rows = scale == 2
    out[rows] = np.arcsin(np.sqrt(np.clip(out[rows], 0.0, 1.0)))
    rows = scale == 3
    out[rows] = np.log(np.maximum(out[rows], TINY))
    return out


def inverse(scale: Codes, level: Floats) -> Floats:
    """Levels back in the values' own unit; what lies outside a scale's range is clipped to it."""
    out = level.copy()
    rows = scale == 1
    out[rows] = np.square(np.maximum(level[rows], 0.0))
    rows = scale == 2
    out[rows] = np.square(np.sin(np.clip(level[rows], 0.0, np.pi / 2)))
    rows = scale == 3
    out[rows] = np.exp(np.clip(level[rows], -700.0, 700.0))
    return out


def noise(scale: Codes, value: Floats, rows: Floats, error: Floats, floor: Floats, exposure: Floats) -> Floats:
    """Standard error of `forward(value)` from sampling alone.

    `rows` is the evidence of ratios, `error` the standard error in the value's unit, `floor` what noise alone gives (a
    0.999 quantile, hence a third of it; identity scale only), `exposure` the units of time that a rate was counted
    over, 1 for a count.
    """
    out = np.where(scale == 0, np.hypot(error, floor / 3.0), error)
    counts = scale == 1
    out[counts] = 0.5 / np.sqrt(exposure[counts])
    shares = scale == 2
    out[shares] = _arcsine_noise(value[shares], np.maximum(rows[shares], 1.0), error[shares])
    logs = scale == 3
    out[logs] /= np.maximum(np.maximum(np.abs(value[logs]), out[logs]), TINY)  # of a value of 0 it is not infinite
    return np.where(np.isfinite(out), out, 0.0)


def least(scale: Codes, center: Floats, smallest: Floats) -> Floats:
    """A standard deviation that no series goes below: 1 % of its level, half a point of a share.

    `smallest` is the change of one unit that means nothing, for the identity scale. A constant history has a MAD of 0,
    and without this any change of it would be infinitely many sigmas.
    """
    out = 0.01 * np.abs(center)
    out[scale == 0] += smallest[scale == 0]
    out[scale >= 2] = np.where(scale[scale >= 2] == 2, 0.005, 0.01)
    return out + TINY


def _arcsine_noise(share: Floats, rows: Floats, error: Floats) -> Floats:
    """0.5 / sqrt(n), or more where the value declares a larger error (an AUC is no plain share of its rows)."""
    smoothed = np.clip((np.nan_to_num(share) * rows + 1.0) / (rows + 2.0), 1e-9, 1.0 - 1e-9)
    noise: Floats = np.maximum(0.5 / np.sqrt(rows), error / (2.0 * np.sqrt(smoothed * (1.0 - smoothed))))
    return noise

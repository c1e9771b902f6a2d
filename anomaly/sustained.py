"""A change too small for one window that goes on for several: the mean of the last six scores.

`u = sum(clip(z, -4, 4)) / (sqrt(6) r)`, r^2 the series' own mean square of that sum over sqrt(6), so that noise which
remembers is allowed for. Clipping keeps two heavy-tailed values from looking like a change: it takes four of six. A
change of five standard deviations over six windows gives u of about 10 (Page 1954, in blocks: bounded in memory).

Cost: 36 bytes a series.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from streamgauge.anomaly.columns import Arrays, Column, empty, pack, pick, unpack
from streamgauge.anomaly.reference import Bools, Floats, Rows

WINDOWS: Final = 6
CLIP: Final = 4.0  # sigmas that one window counts at most
MEMORY: Final = 1000.0  # windows that the mean square remembers, about
PRIOR: Final = 50  # windows that the expected mean square of 1 is worth
CAP: Final = 3.0
_COLUMNS: Final = {
    "ring": Column("<f4", (WINDOWS,)), "at": Column("|i1"), "square": Column("<f8", fill=1.0),
    "seen": Column("<i4"),
}  # fmt: skip


class Sustained:
    """The last six scores of `series` series."""

    def __init__(self, series: int = 0) -> None:
        self._arrays: Arrays = empty(_COLUMNS, series)

    def score(self, z: Floats) -> Floats:
        """Sigmas of the last six scores together, this one included; NaN for the unknown or with fewer than six."""
        arrays = self._arrays
        u = self._mean(z) / np.sqrt(arrays["square"])
        return np.where((arrays["seen"] >= WINDOWS) & np.isfinite(z), u, np.nan)

    def learn(self, z: Floats, keep: Bools) -> None:
        """Remember a score; its part of the mean square only where `keep`."""
        arrays = self._arrays
        known = np.isfinite(z)
        square = np.minimum(np.square(self._mean(z)), CAP**2 * arrays["square"])
        gain = 1.0 / np.minimum(arrays["seen"] + PRIOR, MEMORY)
        taken = known & keep & (arrays["seen"] >= WINDOWS)
        arrays["square"] = np.where(taken, arrays["square"] + gain * (square - arrays["square"]), arrays["square"])
        rows = np.flatnonzero(known)
        place = arrays["at"][rows]
        arrays["ring"][rows, place] = np.clip(z[rows], -CLIP, CLIP)
        arrays["at"][rows] = (place + 1) % WINDOWS
        arrays["seen"] = np.minimum(arrays["seen"] + known, 1_000_000).astype("<i4")

    def forget(self, rows: Rows) -> None:
        """What these series did last is no part of what comes."""
        self._arrays["ring"][rows] = 0.0

    def reindex(self, index: Rows) -> None:
        """Keep the series `index`, in that order; -1 is a new one."""
        self._arrays = pick(_COLUMNS, self._arrays, index)

    def snapshot(self) -> bytes:
        """All state, exactly."""
        return pack(self._arrays)

    @classmethod
    def restore(cls, data: bytes) -> Sustained:
        """What `snapshot` was taken of."""
        sustained = cls()
        sustained._arrays = unpack(data)
        return sustained

    def _mean(self, z: Floats) -> Floats:
        """The sum over the square root of six, in the ring's order: the same in any company."""
        arrays = self._arrays
        ring = arrays["ring"].astype(np.float64)
        ring[np.arange(len(ring)), arrays["at"]] = np.clip(np.nan_to_num(z), -CLIP, CLIP)
        total = ring[:, 0].copy()
        for column in range(1, WINDOWS):
            total += ring[:, column]
        mean: Floats = total / np.sqrt(WINDOWS)
        return mean

"""Which detector a series gets, with what parameters: by what is declared, by its rhythm, by a trial on its past."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

import numpy as np

from streamgauge.anomaly.backtest import separation
from streamgauge.anomaly.detectors import DETECTORS
from streamgauge.anomaly.reference import Floats, Moment

LEAST: Final = 10  # values before anything is said of a series
DAYS: Final = 3  # of history before time of day is told apart
RHYTHM: Final = 0.3  # share of the variance that time of day must explain
SMOOTH: Final = 0.2  # below this a series wanders: its steps say more than its level
BETTER: Final = 1.2  # how much further a fault must stand out before a trial overrules the rule


class Features(NamedTuple):
    """What is known of one series before its detector is chosen."""

    limit: float | None = None  # a declared fact
    days: int = 0  # local days with a value
    slots: int = 1  # parts of the day that they fall into
    rhythm: float = 0.0  # share of the variance explained by time of day, 0..1
    roughness: float = 1.0  # variance of the steps over twice the variance: 1 for white noise, 0 for a slow walk
    scale: float = 0.0  # robust standard deviation


class Choice(NamedTuple):
    """A detector's name in `DETECTORS` and its parameters."""

    name: str
    parameters: dict[str, float]


def describe(levels: Floats, moments: Sequence[Moment], limit: float | None = None, slots: int = 1) -> Features:
    """Features of one series' history, `levels` of shape [windows].

    `slots` are the parts of a day that may come; a history that misses some does not say that there are fewer.
    """
    known = np.isfinite(levels)
    values = levels[known]
    at = [moment for moment, is_known in zip(moments, known.tolist(), strict=True) if is_known]
    slots = max(slots, max((moment.slot for moment in moments), default=0) + 1)
    if len(values) < LEAST:
        return Features(limit, slots=slots)
    slot = np.array([moment.slot for moment in at])
    center = float(np.median(values))
    scale = 1.4826 * float(np.median(np.abs(values - center)))
    variance = float(np.var(values)) if np.ptp(values) else 0.0  # of a constant 0.1 rounding makes more
    residual = values.copy()
    for one in np.unique(slot).tolist():
        residual[slot == one] -= np.median(values[slot == one])
    rhythm = max(0.0, 1.0 - float(np.var(residual)) / variance) if variance > 0.0 else 0.0
    roughness = float(np.var(np.diff(values))) / (2.0 * variance) if variance > 0.0 else 1.0
    days = len({moment.day for moment in at})
    return Features(limit, days, slots, rhythm, roughness, scale)


def select(features: Features, trials: Mapping[str, float] | None = None) -> Choice:
    """The detector by rule, unless a trial on the series' own past shows a clearly better one.

    >>> select(Features(days=20, slots=24, rhythm=0.8)).name
    'seasonal_robust'
    >>> select(Features(days=20, slots=24, rhythm=0.8), {"seasonal_robust": 1.0, "diff": 2.0}).name
    'diff'
    """
    name = _by_rule(features)
    if trials and name != "limit":
        best = max(sorted(trials), key=lambda one: trials[one])
        name = best if trials[best] > BETTER * trials.get(name, 0.0) else name
    return Choice(name, _parameters(name, features))


def choose(levels: Floats, moments: Sequence[Moment], limit: float | None = None, slots: int = 1) -> Choice:
    """Rule and trial together, from one series' history."""
    features = describe(levels, moments, limit, slots)
    if features.scale == 0.0:  # too short, or mostly constant: a planted fault would be none
        return select(features)
    trials = {}
    for name in ("seasonal_robust", "robust_ewma", "diff"):
        make = partial(DETECTORS[name], **_parameters(name, features))
        trials[name] = float(separation(make, levels[:, None], moments)[0])
    return select(features, trials)


def _by_rule(features: Features) -> str:
    if features.limit is not None:
        return "limit"
    if features.days >= DAYS and features.slots > 1 and features.rhythm >= RHYTHM:
        return "seasonal_robust"
    return "diff" if features.roughness < SMOOTH else "robust_ewma"


def _parameters(name: str, features: Features) -> dict[str, float]:
    if name == "limit":
        return {"limit": features.limit or 0.0, "error": max(features.scale, 1e-9)}
    least = {"least": max(0.05 * features.scale, 1e-9)}
    return {**least, "slots": features.slots} if name == "seasonal_robust" else least

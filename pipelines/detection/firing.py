"""Which series of one window fire, and why: a fact, an unusual window, six off together, days that decay; pure."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streamgauge.anomaly.detectors.limit import exceeds
from streamgauge.anomaly.reference import Bools, Floats
from streamgauge.pipelines.detection.closed import Closed
from streamgauge.pipelines.detection.judging import Judged
from streamgauge.pipelines.detection.normal import Normal
from streamgauge.pipelines.detection.traits import Traits, is_bad


class Firing(NamedTuple):
    """What fires in one window; every array has shape [n]."""

    hot: Bools  # it fires, for whatever reason
    fact: Bools  # beyond a declared limit
    decays: Bools  # its days go one way
    drifts: Floats  # sigmas of that, NaN for all else


def fire(normal: Normal, closed: Closed, judged: Judged, own: Traits, expected: Bools) -> Firing:
    """What fires in a window; of what people have called `expected` only facts do."""
    fact = exceeds(closed.value, closed.error, own.limit) & own.watched
    unusual = _unusual(normal, judged, own, judged.threshold) | _together(normal, judged, own)
    hot = fact | (unusual & ~expected & ~normal.goes_on(judged))
    of_source = np.flatnonzero(own.owner >= 0)
    # Its source speaks for it, also where people have said that this is no alarm.
    spoken = _unusual(normal, judged, own, judged.threshold / np.maximum(own.multiplier, 1.0))
    hot[of_source] &= ~spoken[own.owner[of_source]]
    drifts = _drifts(normal, judged, own)
    decays = np.isfinite(drifts) & ~expected
    return Firing(hot | decays, fact, decays, drifts)


def _unusual(normal: Normal, judged: Judged, own: Traits, threshold: Floats) -> Bools:
    z = np.nan_to_num(judged.z)
    bad = np.where(own.direction == 0, np.abs(z), own.direction * z)
    return own.watched & judged.may_page & normal.is_news(judged, bad, threshold)


def _together(normal: Normal, judged: Judged, own: Traits) -> Bools:
    """Series of which six windows in a row are off together."""
    return own.watched & judged.may_page & is_bad(normal.together(judged, own), own)


def _drifts(normal: Normal, judged: Judged, own: Traits) -> Floats:
    """Sigmas of the series whose level goes the same bad way day after day, once a day; NaN for all else."""
    drifts = normal.drifts(judged)
    return np.where(own.watched & judged.may_page & is_bad(drifts, own), drifts, np.nan)

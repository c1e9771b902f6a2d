"""One window against what is normal: by its slot alone, then by whatever else explains it; pure."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from streamgauge.anomaly import scales, young
from streamgauge.anomaly.detectors.seasonal_robust import deviation, sigmas
from streamgauge.anomaly.explanations import Explained, Explanations
from streamgauge.anomaly.reference import Bools, Expected, Floats, Moment, Reference
from streamgauge.pipelines.config.calendar import elsewhere
from streamgauge.pipelines.config.schema import Detection, WindowSpec
from streamgauge.pipelines.detection.closed import Closed
from streamgauge.pipelines.detection.traits import Traits

HOLIDAY: Final = 2.0  # how much wider the band of counts is on a holiday


class Judged(NamedTuple):
    """What was normal for one window's series and how far they are from it; every array has shape [n]."""

    at: Moment
    level: Floats  # the value on its scale
    expected: Expected
    z: Floats  # signed sigmas, NaN unknown
    reference: Floats  # in the value's unit, like `low` and `high`; NaN while there is none
    low: Floats
    high: Floats
    threshold: Floats
    may_page: Bools  # enough is known of it
    age: Floats  # seconds of history, NaN for none
    width: Floats  # times wider than the full band, because the series is young
    s: Floats  # standard deviation by the slot
    floor: Floats  # what no standard deviation goes below: sampling noise and what means nothing
    explained: Explained | None = None  # None for a revision, which is judged by the slot alone


def judge(
    closed: Closed, own: Traits, at: Moment, expected: Expected, age: Floats, spec: WindowSpec, detection: Detection
) -> Judged:
    """A window by its slot alone; `age` as in `Judged`."""
    expected = expected._replace(center=np.where(own.referenced, expected.center, np.nan))
    level = scales.forward(own.scale, closed.value)
    exposure = np.where(own.per > 0.0, closed.length / np.maximum(own.per, 1.0), 1.0)
    noise = scales.noise(own.scale, closed.value, closed.rows, closed.error, closed.floor, exposure)
    least = scales.least(own.scale, expected.center, own.least)
    s = deviation(expected, noise, least)
    if at.holiday:
        s = np.where(own.classed, HOLIDAY * s, s)
    once = np.where(own.consecutive > 1, detection.threshold_twice, detection.threshold)
    widening = young.widening(age, expected.entries, young.least(spec.length, spec.slide), detection.warm_up)
    width = np.minimum(widening, young.WIDEST)
    judged = Judged(
        at, level, expected, sigmas(level, expected, s), reference=level, low=level, high=level,
        threshold=once * own.multiplier * width, may_page=np.isfinite(widening), age=age, width=width,
        s=s, floor=np.hypot(noise, np.nan_to_num(least)),
    )
    return _banded(judged, own, expected.center, s)


def explain(judged: Judged, own: Traits, spec: WindowSpec, reference: Reference, learnt: Explanations) -> Judged:
    """The same window as its best explanation has it, and the band of that."""
    at, shifted = judged.at, None
    if at.shift:
        beside = elsewhere(at, spec, at.shift)
        shifted = reference.elsewhere(beside, own.classed) + learnt.shifted_cell(beside.cell, judged.s)
    found = learnt.explain(judged.level, judged.expected, judged.s, judged.floor, at, shifted)
    return _banded(judged._replace(z=found.z, explained=found), own, found.center, found.s)


def _banded(judged: Judged, own: Traits, center: Floats, s: Floats) -> Judged:
    return judged._replace(
        reference=scales.inverse(own.scale, center),
        low=scales.inverse(own.scale, center - judged.threshold * s),
        high=scales.inverse(own.scale, center + judged.threshold * s),
    )

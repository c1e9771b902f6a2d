"""Whether the labels come and what they say; on the label clock, so a late label counts when it came."""

from __future__ import annotations

import math
from typing import Final, cast

import numpy as np

from streamgauge.pipelines.config.localtime import day_and_hour
from streamgauge.pipelines.metrics import Values, View
from streamgauge.pipelines.statistics.measures import MOST_INVALID, NOTHING, UNKNOWN, proportion, rate, single
from streamgauge.pipelines.stream.memory import Rates, Silence

USUAL: Final = 0.8  # of the usual coverage; below it what is known of a cohort is no fair sample of it


def label_rate(view: View) -> Values:
    """Positives / labelled rows; the evidence is the positives, or as many as the usual rate leads to expect.

    Evidence that can vanish is none: without the expected ones, no clicks at all would be unknown. The error is that of
    the evidence: a change is judged by what a healthy window would show.
    """
    if not view.stat("label", "labels").entities or view.config.labels.scale == "number":
        return NOTHING
    invalid, labels = view.total("label", "invalid_labels"), view.total("label", "labels")
    if invalid > MOST_INVALID * (invalid + labels):
        return UNKNOWN
    stands_for = view.total("label", "label_weight") or labels
    return _rate(view, "label_rate", view.total("label", "positives"), stands_for)


def label_rate_of_cohort(view: View) -> Values:
    """Positives / labelled samples of those that became H old, with the same evidence; unknown where few are labelled.

    What came within the window is of many times: where clicks come at once and negatives by time-out, their share
    follows the traffic. Of a cohort it does not.
    """
    if not view.stat("label", "cohort_labelled").entities or view.config.labels.scale == "number":
        return NOTHING
    if not is_covered(view):
        return UNKNOWN
    labelled = view.total("label", "cohort_weight") or view.total("label", "cohort_labelled")
    return _rate(view, "label_rate@H", view.total("label", "cohort_positives"), labelled)


def is_covered(view: View) -> bool:
    """Whether about as many samples of the cohort are labelled as usual: else they are no fair sample of it."""
    usual = cast("Rates | None", view.memory("label_coverage@H", ""))
    rows, labelled = view.total("label", "cohort_rows"), view.total("label", "cohort_labelled")
    return usual is None or labelled >= USUAL * usual.rate * rows


def _rate(view: View, memory: str, positives: float, labels: float) -> Values:
    usual = cast("Rates | None", view.memory(memory, ""))
    evidence = max(positives, usual.evidence(labels) if usual is not None else 0.0)
    found = proportion(positives, labels, rows=evidence)
    return found._replace(error=found.value / math.sqrt(max(evidence, 1.0))) if positives else found


def invalid_labels(view: View) -> Values:
    """Labels that are none by the job's declaration / labels that came."""
    if not view.stat("label", "labels").entities and not view.stat("label", "invalid_labels").entities:
        return NOTHING
    invalid = view.total("label", "invalid_labels")
    return proportion(invalid, invalid + view.total("label", "labels"))


def label_arrivals(view: View) -> Values:
    """Labels that arrived / window length."""
    if not view.stat("label", "labels").entities:
        return NOTHING
    return rate(view.total("label", "labels"), view.length)


def label_overdue(view: View) -> Values:
    """Of the samples whose due time and margin passed, the share that was still without a label."""
    return _share(view, "overdue", "due")


def label_expired(view: View) -> Values:
    """Samples dropped at the label timeout / samples that left the join."""
    return _share(view, "expired", "settled")


def label_coverage(view: View) -> Values:
    """Of the samples that became H old, the share that is labelled then: the join rate."""
    return _share(view, "cohort_labelled", "cohort_rows")


def label_flip_rate(view: View) -> Values:
    """Labels that changed / labels that came: new ones, and those that changed, which may be older than the window."""
    if not view.stat("label", "labels").entities and not view.stat("label", "flips").entities:
        return NOTHING
    flips = view.total("label", "flips")
    labels = view.total("label", "flip_labels") or view.total("label", "labels")  # joined across workers: sampled ones
    return proportion(flips, flips + labels)


def label_silence(view: View) -> Values:
    """Seconds from the last label to the window's end; the floor is the longest normal silence at this hour."""
    silence = cast("Silence | None", view.memory("label", ""))
    last = last_label(view)
    if silence is not None:
        last = float(np.fmax(last, silence.last))
    if math.isnan(last):
        return NOTHING
    _, hour = day_and_hour(view.start, view.config.timezone)
    normal = view.config.labels.silence or (silence.normal(hour) if silence is not None else 0.0)
    floor = max(normal, view.config.pane) if normal else 0.0
    return single(max(view.end - last, 0.0), 1.0, floor=floor)


def last_label(view: View) -> float:
    """Time of the newest label in the window, NaN without one."""
    stat = view.stat("label", "last_label")
    times = stat.high[stat.count > 0.0]
    return float(times.max()) if len(times) else math.nan


def _share(view: View, part: str, whole: str) -> Values:
    if not view.stat("label", whole).entities:
        return NOTHING
    return proportion(view.total("label", part), view.total("label", whole))

"""A metric that was known for days and becomes unknown is told, once, and is over when it is known again."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from streamgauge.anomaly.types import Anomaly, SeriesKey
from streamgauge.pipelines.detection.watch import Watch
from tests.pipelines.windows import SPEC, closed, config, key, metric

NAN = float("nan")
PER_DAY = 8
DAYS = 7
AUC, OTHER, AT_WORKER = key("", metric="auc"), key("", metric="volume"), key("", "w1", metric="auc")
USUAL = {AUC: 0.7, OTHER: 0.5, AT_WORKER: 0.7}
METRICS = {"auc": metric("auc", transform="identity"), "volume": metric("volume", pages=False)}


def play(values: Iterable[dict[SeriesKey, float]], watch: Watch | None = None, first: int = 0) -> list[Anomaly]:
    """Windows of these values through one watch; what it said."""
    watch = watch or Watch(config(), SPEC)
    told = []
    for index, window in enumerate(values, first):
        now = closed(window, METRICS, index)
        judged = watch.judge(now)
        told += watch.anomalies_of(now, judged, now.end)
        watch.learn(now, judged, np.zeros(len(now.keys), bool))
    return told


def usual(days: int = DAYS) -> list[dict[SeriesKey, float]]:
    return [USUAL] * (PER_DAY * days)


def without(*keys: SeriesKey, windows: int) -> list[dict[SeriesKey, float]]:
    return [{**USUAL, **dict.fromkeys(keys, NAN)}] * windows


def test_a_metric_that_becomes_unknown_is_told_after_three_windows_and_once():
    (told,) = play([*usual(), *without(AUC, windows=8)])
    assert (told.metric, told.worker, told.severity) == ("auc", "", "ticket")
    assert told.text == "unknown, though known for days: auc"
    assert told.time == (PER_DAY * DAYS + 3) * SPEC.slide


def test_two_windows_without_it_are_no_news():
    assert play([*usual(), *without(AUC, windows=2), *usual(1)]) == []


def test_it_is_over_when_it_is_known_again():
    told = play([*usual(), *without(AUC, windows=4), *usual(1)])
    assert [(one.end is not None, one.text) for one in told] == [
        (False, "unknown, though known for days: auc"), (True, "auc is known again"),
    ]
    assert told[0].fingerprint == told[1].fingerprint


def test_a_series_that_leaves_ends_the_episode():
    told = play([*usual(), *without(AUC, windows=4), {OTHER: 0.5}])
    assert told[-1].text == "auc is no longer measured"


def test_what_is_usually_unknown_at_this_hour_is_no_news():
    nights = [{AUC: NAN if index % PER_DAY < 4 else 0.7, OTHER: 0.5} for index in range(PER_DAY * (DAYS + 2))]
    assert play(nights) == []


def test_too_few_rows_to_tell_are_no_news_of_their_own():
    windows = enumerate(without(AUC, windows=8), PER_DAY * DAYS)
    few = [closed(window, METRICS, index, rows=6.0) for index, window in windows]
    watch = Watch(config(), SPEC)
    play(usual(), watch)
    told = []
    for now in few:
        judged = watch.judge(now)
        told += watch.anomalies_of(now, judged, now.end)
        watch.learn(now, judged, np.zeros(len(now.keys), bool))
    assert told == []


def test_a_job_of_which_nothing_is_measured_is_told_by_that_alone():
    assert play([*usual(), *without(AUC, OTHER, AT_WORKER, windows=8)]) == []


def test_what_only_a_worker_lost_is_not_told_of_the_job():
    assert play([*usual(), *without(AT_WORKER, windows=8)]) == []


def test_what_was_known_for_two_days_is_no_news():
    assert play([*usual(2), *without(AUC, windows=6)]) == []


def test_a_restart_in_between_changes_nothing():
    values = [*usual(), *without(AUC, windows=5), *usual(1)]
    for cut in range(PER_DAY * DAYS, PER_DAY * DAYS + 7):
        before, after = Watch(config(), SPEC), Watch(config(), SPEC)
        told = play(values[:cut], before)
        after.restore(before.snapshot())
        assert told + play(values[cut:], after, cut) == play(values)

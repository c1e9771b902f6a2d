"""Claims about episodes: when they begin, where they are, when they are over, and what is learnt meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
import numpy as np
import pytest

from streamgauge.anomaly.types import Anomaly, SeriesKey
from streamgauge.pipelines.config.schema import Detection, Feature, Holiday, JobConfig, WindowSpec
from streamgauge.pipelines.detection.closed import Columns
from streamgauge.pipelines.detection.sources import extend, find
from streamgauge.pipelines.detection.watch import Watch
from streamgauge.pipelines.metrics import Metric
from tests.pipelines.windows import QUICK, SPEC, closed, config, key, metric, shares

DAY = 8  # windows of three hours
CALM = 10 * DAY
ODD = 0.6


def step(watch: Watch, window: Columns, frozen: bool = False) -> list[Anomaly]:
    judged = watch.judge(window)
    found = watch.anomalies_of(window, judged, window.end)
    watch.learn(window, judged, np.full(len(window.keys), frozen))
    return found


def calm(settings: JobConfig, one: Metric, keys: Iterable[SeriesKey], windows: int = CALM) -> Watch:
    """A watch that has seen healthy windows of these series, and said nothing."""
    watch, generator, names = Watch(settings, SPEC), np.random.default_rng(1), sorted(keys)
    for index in range(windows):
        values = dict(zip(names, shares(generator, 0.05, len(names)), strict=True))
        assert step(watch, closed(values, one, index)) == []
    return watch


def begun(found: Iterable[Anomaly]) -> list[SeriesKey]:
    return [anomaly.key for anomaly in begun_of(found)]


def begun_of(found: Iterable[Anomaly]) -> list[Anomaly]:
    return [anomaly for anomaly in found if anomaly.end is None]


def test_a_break_fires_once_and_is_over_when_normal_again() -> None:
    watch, one = calm(config(), metric(), [key()]), metric()
    found = [step(watch, closed({key(): value}, one, CALM + n)) for n, value in enumerate([1.0, 1.0, 0.05, 0.05])]
    assert [len(anomalies) for anomalies in found] == [1, 0, 1, 0]
    first, last = found[0][0], found[2][0]
    assert (first.start, first.end, first.time) == (CALM * SPEC.slide, None, (CALM + 1) * SPEC.slide)
    assert (last.start, last.end) == (first.start, (CALM + 2) * SPEC.slide)
    assert first.fingerprint == last.fingerprint
    assert first.text.startswith("missing_rate of feature:a is 100 %, expected ")


def test_an_episode_that_lasts_is_said_again_every_five_days_and_is_over_once() -> None:
    one = metric(limit=0.5)  # what has no limit becomes normal before that
    watch = calm(config(), one, [key()])
    found = [step(watch, closed({key(): 1.0}, one, CALM + n)) for n in range(16 * DAY)]
    said = [(n, anomalies[0]) for n, anomalies in enumerate(found) if anomalies]
    assert [n for n, _ in said] == [0, 5 * DAY - 1, 10 * DAY - 1, 15 * DAY - 1]
    assert {(anomaly.fingerprint, anomaly.start, anomaly.end) for _, anomaly in said} == {
        (said[0][1].fingerprint, CALM * SPEC.slide, None)
    }
    (over,) = step(watch, closed({key(): 0.05}, one, CALM + 16 * DAY))
    assert over.end == (CALM + 16 * DAY) * SPEC.slide


def test_a_natural_metric_must_fire_twice_in_a_row_nights_between_them_apart() -> None:
    twice = metric(consecutive=2)
    watch = calm(config(), twice, [key()])
    found = [step(watch, closed({key(): v}, twice, CALM + n)) for n, v in enumerate([1.0, np.nan, np.nan, 1.0])]
    assert [len(anomalies) for anomalies in found] == [0, 0, 0, 1]
    assert found[3][0].start == CALM * SPEC.slide


def test_of_sliding_windows_those_in_a_row_do_not_overlap() -> None:
    twice, long = metric(consecutive=2), WindowSpec(name="24h", kind="long", length=4 * SPEC.slide, slide=SPEC.slide)
    watch, generator = Watch(config(windows=(SPEC, long)), long), np.random.default_rng(1)
    for index in range(CALM):
        assert step(watch, closed({key(): shares(generator, 0.05, 1)[0]}, twice, index, window=long)) == []
    found = [step(watch, closed({key(): 1.0}, twice, CALM + n, window=long)) for n in range(6)]
    assert [len(anomalies) for anomalies in found] == [0, 0, 0, 0, 1, 0]


def test_what_was_expected_neither_fires_nor_teaches_until_its_time_and_the_next_does() -> None:
    one = metric()
    watch, end = calm(config(), one, [key()]), CALM * SPEC.slide
    watch.excuse([key(), key("feature:unknown")], end + 2 * SPEC.slide)
    plain = calm(config(), one, [key()])
    again = Watch(config(), SPEC)
    again.restore(watch.snapshot())
    for tested in (watch, again):
        assert [step(tested, closed({key(): 1.0}, one, CALM + n)) for n in range(2)] == [[], []]
        assert begun(step(tested, closed({key(): 1.0}, one, CALM + 2))) == [key()]
    assert len(step(plain, closed({key(): 1.0}, one, CALM))) == 1
    assert watch.snapshot() == again.snapshot()


SETTLED = 300  # windows, of which the last hundred say how rare one is


@pytest.fixture(scope="module")
def settled() -> bytes:
    """The state of a watch that knows how rare a score of its series is."""
    return calm(config(), metric(), [key()], windows=SETTLED).snapshot()


def restored(state: bytes) -> Watch:
    watch = Watch(config(), SPEC)
    watch.restore(state)
    return watch


def odd_windows(watch: Watch, value: float, count: int, said: Callable[[Anomaly], None]) -> list[int]:
    """How many pages each of so many odd windows gave, a day and a bit apart, and what is `said` after each."""
    one, generator, pages, index = metric(), np.random.default_rng(2), list[int](), SETTLED
    for _ in range(count):
        found = begun_of(step(watch, closed({key(): value}, one, index)))
        pages.append(len(found))
        for anomaly in found:
            said(anomaly)
        for usual in shares(generator, 0.05, DAY + 2):
            index += 1
            step(watch, closed({key(): usual}, one, index))
        index += 1
    return pages


def test_a_rationed_page_must_be_rarer_and_a_restart_does_not_forget_it(settled: bytes) -> None:
    rationed = restored(settled)
    rationed.ration(3.0)
    pages = [odd_windows(watch, ODD, 3, lambda found: None) for watch in (
        restored(settled), restored(rationed.snapshot())
    )]  # fmt: skip
    assert pages == [[1, 1, 1], [1, 0, 0]]


def test_what_on_call_calls_a_true_alarm_becomes_no_habit_however_often_it_comes(settled: bytes) -> None:
    watch = restored(settled)
    assert odd_windows(watch, ODD, 5, lambda found: watch.reject([key()], found.start)) == [1] * 5
    assert odd_windows(restored(settled), ODD, 5, lambda found: None) == [1, 1, 1, 0, 0]


def test_a_true_alarm_at_the_same_time_of_the_day_does_not_become_part_of_the_cycle() -> None:
    one, watches = metric(), [calm(config(), metric(), [key()]) for _ in range(2)]
    pages: list[list[int]] = [[], []]
    for day in range(4):
        for watch, told in zip(watches, pages, strict=True):
            index = CALM + day * DAY
            found = begun_of(step(watch, closed({key(): 1.0}, one, index)))
            told.append(len(found))
            if watch is watches[0] and found:
                watch.reject([key()], found[0].start)
            for n in range(1, DAY):
                step(watch, closed({key(): 0.05}, one, index + n))
    assert pages == [[1, 1, 1, 1], [1, 1, 0, 0]]


def test_a_true_alarm_that_is_called_something_else_leaves_no_trace_and_both_survive_a_restart(settled: bytes) -> None:
    watches = [restored(settled) for _ in range(2)]

    def back_and_forth(found: Anomaly) -> None:
        watches[0].reject([key()], found.start)
        watches[0].restore(watches[0].snapshot())
        watches[0].reject([key()], found.start, is_taught=True)

    odd_windows(watches[0], ODD, 5, back_and_forth)
    odd_windows(watches[1], ODD, 5, lambda found: None)
    assert watches[0].snapshot() == watches[1].snapshot()


def test_what_is_accepted_is_normal_in_the_next_window_and_over() -> None:
    one = metric()
    watch = calm(config(), one, [key(), key("feature:b")])
    values = {key(): 0.6, key("feature:b"): 0.05}
    assert begun(step(watch, closed(values, one, CALM))) == [key()]
    watch.accept([key(), key("feature:b"), key("feature:unknown")])
    assert [(found.key, found.end) for found in step(watch, closed(values, one, CALM + 1))] == [
        (key(), (CALM + 1) * SPEC.slide)
    ]
    assert begun(step(watch, closed({**values, key("feature:b"): 0.6}, one, CALM + 2))) == [key("feature:b")]


def test_one_window_of_a_natural_metric_is_no_news() -> None:
    twice = metric(consecutive=2)
    watch = calm(config(), twice, [key()])
    assert not any(step(watch, closed({key(): v}, twice, CALM + n)) for n, v in enumerate([1.0, 0.05, 1.0, 0.05]))


def test_nothing_learnt_pages_before_thirty_windows() -> None:
    one = metric()
    watch = calm(config(detection=Detection()), one, [key()], windows=29)
    assert step(watch, closed({key(): 1.0}, one, 29)) == []


def test_a_young_series_pages_on_a_wider_band_and_says_so() -> None:
    one, settings = metric(), config(detection=Detection())
    watch = calm(settings, one, [key()], windows=4 * DAY)
    change = closed({key(): 0.6}, one, 4 * DAY)  # 12 sigmas
    assert step(watch, change) == []
    (found,) = step(watch, closed({key(): 1.0}, one, 4 * DAY + 1))
    assert found.text.endswith("sigmas); young: 4 days of history")
    grown = config(detection=Detection(warm_up=4 * 86400.0 - SPEC.slide))
    assert begun(step(calm(grown, one, [key()], windows=4 * DAY), change)) == [key()]


def test_what_a_young_series_pages_for_teaches_nothing() -> None:
    one = metric()
    watch = calm(config(detection=Detection()), one, [key()], windows=4 * DAY)
    for n in range(30):
        step(watch, closed({key(): 1.0}, one, 4 * DAY + n))
    assert list(watch.open.episodes) == [key()]


def test_a_declared_limit_fires_from_the_first_window() -> None:
    limited = metric("duplicate_rate", limit=0.05, reference="none")
    watch, name = Watch(config(), SPEC), key("", metric="duplicate_rate")
    found = step(watch, closed({name: 0.5}, limited, 0, error=0.03))
    assert [(anomaly.kind, anomaly.score) for anomaly in found] == [("fact", 1e9)]
    assert found[0].text == "duplicate_rate is 50 %, above its limit of 5 %"
    assert step(watch, closed({name: 0.0}, limited, 1))[0].end is not None


def test_a_limit_within_three_errors_is_not_exceeded() -> None:
    limited = metric("duplicate_rate", limit=0.05, reference="none")
    assert step(Watch(config(), SPEC), closed({key(metric="duplicate_rate"): 0.13}, limited, 0, error=0.03)) == []


@pytest.mark.parametrize(
    ("settings", "one"),
    [
        (config(unpaged=("missing_rate",)), metric()),
        (config(features=(Feature(name="a", kind="id", optional=True),)), metric()),
        (config(), metric(pages=False)),
        (config(), metric(direction="down")),
        (config(), metric(reference="none")),
    ],
    ids=["unpaged", "optional", "shown only", "good direction", "no reference"],
)
def test_what_must_not_page_does_not(settings: JobConfig, one: Metric) -> None:
    watch = calm(settings, one, [key()])
    assert step(watch, closed({key(): 1.0}, one, CALM)) == []


def test_what_all_workers_have_is_told_of_the_job() -> None:
    one, places = metric(), [key(worker=worker) for worker in ("a", "b", "c")]
    watch = calm(config(), one, places)
    found = step(watch, closed(dict.fromkeys(places, 0.9), one, CALM))
    assert begun(found) == [*places, key()]
    assert found[-1].text.endswith("at 3 workers: a, b, c")
    over = step(watch, closed(dict.fromkeys(places, 0.05), one, CALM + 1))
    assert {anomaly.key for anomaly in over if anomaly.end} == {*places, key()}


def test_what_two_of_four_have_is_told_of_the_job_when_one_of_the_others_leaves() -> None:
    workers, one = [key(worker=name) for name in "uvwx"], metric()
    watch = calm(config(), one, workers)
    values = dict(zip(workers, [1.0, 1.0, 0.05, 0.05], strict=True))
    assert begun(step(watch, closed(values, one, CALM))) == workers[:2]
    del values[workers[3]]
    (told,) = [found for found in step(watch, closed(values, one, CALM + 1)) if found.end is None]
    assert (told.key, told.start) == (key(worker=""), CALM * SPEC.slide)
    assert told.text.startswith("missing_rate of feature:a is 100 %") and told.text.endswith("at 2 workers: u, v")


def test_what_one_worker_of_three_has_is_not_told_of_the_job() -> None:
    one, places = metric(), [key(worker=worker) for worker in ("", "a", "b", "c")]
    watch = calm(config(), one, places)
    values = {places[0]: 0.37, places[1]: 1.0, places[2]: 0.05, places[3]: 0.05}
    assert begun(step(watch, closed(values, one, CALM))) == [places[1]]


COLUMNS = tuple(Feature(name=name, kind="numeric", source="weather") for name in ("dew", "rain", "wind"))


def with_source(values: Mapping[SeriesKey, float], index: int) -> Any:
    window = closed(values, metric(), index)
    return extend(window, find(window.keys, COLUMNS))


def test_a_source_that_vanishes_is_one_anomaly_not_one_a_column() -> None:
    names, generator, watch = [key(f"feature:{c.name}") for c in COLUMNS], np.random.default_rng(2), None
    watch = Watch(config(features=COLUMNS), SPEC)
    for index in range(CALM):
        assert step(watch, with_source(dict(zip(names, shares(generator, 0.02, 3), strict=True)), index)) == []
    found = [step(watch, with_source(dict.fromkeys(names, 1.0), CALM + n)) for n in (0, 1, 2)]
    assert [begun(anomalies) for anomalies in found] == [[], [key("source:weather")], []]


@pytest.mark.parametrize("is_accepted", [False, True])
def test_columns_stay_silent_where_their_source_is_no_alarm_or_the_new_normal(is_accepted: bool) -> None:
    names, generator = [key(f"feature:{c.name}") for c in COLUMNS], np.random.default_rng(2)
    watch, gone = Watch(config(features=COLUMNS), SPEC), dict.fromkeys(names, 1.0)
    for index in range(CALM):
        step(watch, with_source(dict(zip(names, shares(generator, 0.02, 3), strict=True)), index))
    if is_accepted:
        step(watch, with_source(gone, CALM))
        watch.accept([key("source:weather")])
    else:
        watch.adjust({key("source:weather"): 1e6})
    assert [step(watch, with_source(gone, CALM + n)) for n in (1, 2, 3)] == [[], [], []]


def test_one_column_of_a_source_speaks_for_itself() -> None:
    names, generator = [key(f"feature:{c.name}") for c in COLUMNS], np.random.default_rng(2)
    watch = Watch(config(features=COLUMNS), SPEC)
    for index in range(CALM):
        step(watch, with_source(dict(zip(names, shares(generator, 0.02, 3), strict=True)), index))
    assert begun(step(watch, with_source({names[0]: 1.0, names[1]: 0.02, names[2]: 0.02}, CALM))) == [names[0]]


def test_an_anomaly_is_not_learnt() -> None:
    one = metric()
    watch = calm(config(), one, [key()])
    before = watch.judge(closed({key(): 0.05}, one, CALM)).reference[0]
    for n in range(5 * DAY):
        step(watch, closed({key(): 0.9}, one, CALM + n))
    after = watch.judge(closed({key(): 0.05}, one, CALM + 5 * DAY))
    assert after.reference[0] == pytest.approx(before, abs=0.01)


def test_a_change_that_lasts_a_quarter_of_the_history_is_the_new_normal() -> None:
    one = metric()
    watch = calm(config(), one, [key()])
    found = [step(watch, closed({key(): 0.6}, one, CALM + n)) for n in range(9 * DAY)]
    ends = [anomaly.end for anomalies in found for anomaly in anomalies if anomaly.end is not None]
    assert len(ends) == 1
    assert ends[0] - CALM * SPEC.slide == pytest.approx(7 * 86400.0, abs=2 * SPEC.slide)
    assert begun(step(watch, closed({key(): 0.05}, one, CALM + 9 * DAY))) == [key()]  # going back is news again


def test_a_window_frozen_by_a_low_score_is_not_learnt() -> None:
    one = metric()
    frozen, open_ = calm(config(), one, [key()]), calm(config(), one, [key()])
    for n in range(3 * DAY):
        step(frozen, closed({key(): 0.11}, one, CALM + n), frozen=True)
        step(open_, closed({key(): 0.11}, one, CALM + n))
    window = closed({key(): 0.05}, one, CALM + 3 * DAY)
    assert frozen.judge(window).reference[0] < open_.judge(window).reference[0]


def test_an_episode_is_over_when_its_series_leaves() -> None:
    one, other = metric(), key("feature:b")
    watch = calm(config(), one, [key(), other])
    step(watch, closed({key(): 1.0, other: 0.05}, one, CALM))
    found = step(watch, closed({other: 0.05}, one, CALM + 1))
    assert [(anomaly.key, anomaly.end) for anomaly in found] == [(key(), (CALM + 1) * SPEC.slide)]


def test_an_unknown_value_neither_fires_nor_ends_an_episode_until_forgotten() -> None:
    one = metric()
    watch = calm(config(), one, [key()])
    step(watch, closed({key(): 1.0}, one, CALM))
    found = [step(watch, closed({key(): np.nan}, one, CALM + n)) for n in range(1, 3 * DAY)]
    assert [n for n, anomalies in enumerate(found, 1) if anomalies] == [2 * DAY]


def test_a_revision_raises_teaches_and_resolves_nothing() -> None:
    one = metric()
    watch = calm(config(), one, [key()])
    before = watch.snapshot()
    judged = watch.judge(closed({key(): 1.0}, one, CALM - 2, revision=1))
    assert judged.z[0] > 8.0
    assert watch.snapshot() == before


def test_a_holiday_widens_the_band_of_counts_only() -> None:
    date = "1970-01-11"  # day 10 of the windows' numbering
    counts = metric("volume", unit="rows/s", transform="sqrt", reference="class")
    names = {key("", metric="volume"): counts, key(): metric()}
    metrics = {"volume": counts, "missing_rate": metric()}
    plain, holiday = (Watch(config(holidays=days), SPEC) for days in ((), (Holiday(date=date),)))
    generator = np.random.default_rng(3)
    for index in range(CALM):
        values = {key(): shares(generator, 0.05, 1)[0], key("", metric="volume"): 1.0 + 0.01 * generator.normal()}
        for watch in (plain, holiday):
            step(watch, closed(values, metrics, index))
    values = dict.fromkeys(names, 0.5)
    wide, narrow = holiday.judge(closed(values, metrics, CALM)), plain.judge(closed(values, metrics, CALM))
    assert wide.high[0] - wide.low[0] > 1.9 * (narrow.high[0] - narrow.low[0])  # volume: entity "" sorts first
    assert wide.high[1] == narrow.high[1]


def test_feedback_multiplies_the_threshold_of_its_series_only() -> None:
    one, other = metric(), key("feature:b")
    watch = calm(config(), one, [key(), other])
    watch.adjust({key(): 2.5})
    judged = watch.judge(closed({key(): 0.3, other: 0.3}, one, CALM))
    assert judged.threshold.tolist() == [20.0, 8.0]


def test_restore_continues_the_episode() -> None:
    one = metric()
    watch = calm(config(), one, [key()])
    step(watch, closed({key(): 1.0}, one, CALM))
    other = Watch(config(), SPEC)
    other.restore(watch.snapshot())
    for n in range(1, 3 * DAY):
        window = closed({key(): 1.0 if n < 9 else 0.05}, one, CALM + n)
        assert step(watch, window) == step(other, window)
    assert watch.snapshot() == other.snapshot()


def month(weekday: Callable[[int], float], windows: int) -> Iterable[Columns]:
    """Healthy windows: Poisson volumes with a rhythm of day and week, binomial rates, at three workers and the job."""
    generator = np.random.default_rng(11)
    rhythm = [0.0, 1.0, 40.0, 60.0, 55.0, 65.0, 60.0, 20.0]
    counts = metric("volume", unit="rows/s", transform="sqrt", reference="class", minimum=0.0)
    metrics = {"volume": counts, "missing_rate": metric(), "label_rate": metric("label_rate", consecutive=2)}
    for index in range(windows):
        rows = generator.poisson(rhythm[index % DAY] * weekday(index // DAY % 7), 3).astype(float)
        columns: dict[SeriesKey, tuple[float, float]] = {}
        for worker, n in (*zip("abc", rows.tolist(), strict=True), ("", float(rows.sum()))):
            columns[key("", worker, metric="volume")] = (n / SPEC.length, n)
            for entity, name, share in (("feature:a", "missing_rate", 0.003), ("", "label_rate", 0.2)):
                value = generator.binomial(int(n), share) / n if n >= 10 else np.nan
                columns[key(entity, worker, metric=name)] = (value, n)
        window = closed({name: value for name, (value, _) in columns.items()}, metrics, index)
        yield window._replace(rows=np.array([columns[name][1] for name in window.keys]))


def test_nothing_happens_in_two_months_and_nobody_is_paged() -> None:
    watch = Watch(config(detection=msgspec.structs.replace(QUICK, warm_up=14 * 86400.0)), SPEC)
    weekday = [1.0, 1.0, 1.0, 1.0, 1.0, 0.7, 0.85]
    assert [anomaly for window in month(lambda day: weekday[day], 60 * DAY) for anomaly in step(watch, window)] == []

"""What is wrong by itself, and declared limits: told from the first windows on, once, and over only when it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest

from streamgauge.anomaly.types import Anomaly
from streamgauge.pipelines.config.schema import Feature, JobConfig, Limit, WindowSpec
from streamgauge.pipelines.metrics import Report
from streamgauge.pipelines.stream.stage2 import Stage2
from streamgauge.pipelines.wire.outputs import encode
from streamgauge.tracer.summaries import Buckets, Counts, Moments
from tests.pipelines.reports import partial, presence, report, totals

MINUTE = 60.0
ROWS = 600.0
SPEC = (WindowSpec(name="1m", kind="short", length=MINUTE, slide=MINUTE),)
SETTINGS = JobConfig(
    name="ctr", pane=10.0, windows=SPEC,
    features=(Feature(name="x", kind="numeric"), Feature(name="flaky", kind="numeric", optional=True)),
)  # fmt: skip


class Said(msgspec.Struct, kw_only=True):
    """What one worker sends in a minute."""

    rows: float = ROWS
    missing: float = 6.0
    flaky: float = 0.0
    labels: float = 500.0
    positives: float = 50.0
    due: float = 400.0
    overdue: float = 4.0
    predicted: tuple[float, ...] = (0.05, 0.1, 0.2)
    steps: float = 10.0
    state: str = "live"
    restarts: int = 0


def minute(index: int, **workers: Said) -> Report:
    start = index * MINUTE
    partials, presences = [], []
    for name, said in workers.items():
        points = {
            **totals("sample", rows=said.rows), **totals("train", steps=said.steps),
            **totals("label", labels=said.labels, positives=said.positives, due=said.due, overdue=said.overdue),
        }  # fmt: skip
        predictions = np.tile(said.predicted, int(said.rows) // len(said.predicted) + 1)[: int(said.rows)]
        summaries: list[tuple[Any, str, str, str]] = [
            (Counts(rows=int(said.rows), missing=int(said.missing)), "sample", "profile", "feature:x"),
            (Counts(rows=int(said.rows), missing=int(said.flaky)), "sample", "profile", "feature:flaky"),
            (Buckets.of(predictions), "sample", "prediction", ""),
            (Moments.of(predictions), "sample", "prediction", ""),
        ]
        partials.append(partial(name, points, summaries if said.rows else []))
        presences.append(presence(name, state=said.state, interval=10.0, restarts=said.restarts))
    return report(*partials, window=0, start=start, end=start + MINUTE, presences=presences)


def told(stage: Stage2, *reports: Report) -> list[Anomaly]:
    return [out for one in reports for out in stage.on_report(one) if isinstance(out, Anomaly) and out.kind == "fact"]


def words(found: Sequence[Anomaly]) -> list[tuple[str, str, str, bool]]:
    return [(one.worker, one.entity, one.metric, one.end is None) for one in found]


@pytest.mark.parametrize(
    ("broken", "entity", "metric"),
    [
        (Said(missing=ROWS), "feature:x", "missing_rate"),
        (Said(overdue=400.0), "", "label_overdue"),
        (Said(predicted=(0.5,)), "", "prediction_mean"),
        (Said(predicted=(0.5, 1.5)), "", "prediction_mean"),
        (Said(rows=0.0, labels=0.0, positives=0.0, due=0.0, overdue=0.0, steps=0.0), "", "volume"),
        (Said(labels=5000.0, positives=0.0), "", "label_rate"),
        (Said(labels=500.0, positives=500.0), "", "label_rate"),
    ],
)
def test_what_is_wrong_by_itself_is_told_once_and_over_when_it_is(broken: Said, entity: str, metric: str) -> None:
    stage, sound = Stage2(SETTINGS), Said()
    assert told(stage, *(minute(i, a=sound, b=sound) for i in range(4))) == []
    assert words(told(stage, *(minute(i, a=broken, b=broken) for i in range(4, 8)))) == [("", entity, metric, True)]
    assert words(told(stage, *(minute(i, a=sound, b=sound) for i in range(8, 12)))) == [("", entity, metric, False)]


def test_it_is_told_in_the_very_first_window() -> None:
    (found,) = told(Stage2(SETTINGS), minute(0, a=Said(missing=ROWS), b=Said(missing=ROWS)))
    assert found.severity == "page"
    assert found.text == "null or absent in all of 1,200 rows"


def test_what_one_worker_has_is_told_of_that_worker() -> None:
    found = told(Stage2(SETTINGS), minute(0, a=Said(missing=ROWS), b=Said()))
    assert words(found) == [("a", "feature:x", "missing_rate", True)]


def test_what_spreads_to_the_whole_job_is_told_of_it_and_ends_nothing_that_still_holds() -> None:
    stage, broken = Stage2(SETTINGS), Said(missing=ROWS)
    first = told(stage, minute(0, a=broken, b=Said()), minute(1, a=broken, b=broken), minute(2, a=broken, b=broken))
    assert words(first) == [("a", "feature:x", "missing_rate", True), ("", "feature:x", "missing_rate", True)]
    last = told(stage, minute(3, a=broken, b=Said(missing=0.0)), minute(4, a=Said(), b=Said()))
    assert words(last) == [("a", "feature:x", "missing_rate", False), ("", "feature:x", "missing_rate", False)]


def test_half_of_it_gone_is_not_over() -> None:
    stage, sound = Stage2(SETTINGS), Said()
    told(stage, minute(0, a=Said(missing=ROWS), b=Said(missing=ROWS)))
    assert told(stage, minute(1, a=Said(missing=ROWS), b=sound)) == []
    assert words(told(stage, minute(2, a=sound, b=sound))) == [("", "feature:x", "missing_rate", False)]


def test_an_optional_feature_and_an_unpaged_metric_state_nothing() -> None:
    assert told(Stage2(SETTINGS), minute(0, a=Said(flaky=ROWS), b=Said(flaky=ROWS))) == []
    quiet = msgspec.structs.replace(SETTINGS, unpaged=("missing_rate",))
    assert told(Stage2(quiet), minute(0, a=Said(missing=ROWS), b=Said(missing=ROWS))) == []


def test_no_rows_are_no_news_where_few_are_usual_or_nobody_lives() -> None:
    nothing = Said(rows=0.0, missing=0.0, labels=0.0, positives=0.0, due=0.0, overdue=0.0, steps=0.0)
    for usual in (5.0, 13.0):  # none of 13 is 7 sigmas of a count: no change at 8, so no fact
        few = Said(rows=usual, missing=0.0)
        assert told(Stage2(SETTINGS), *(minute(i, a=few) for i in range(5)), minute(5, a=nothing)) == []
    more = Said(rows=20.0, missing=0.0)
    found = told(Stage2(SETTINGS), *(minute(i, a=more) for i in range(5)), minute(5, a=nothing))
    assert words(found) == [("a", "", "volume", True)]
    stage, gone = Stage2(SETTINGS), msgspec.structs.replace(nothing, state="missing")
    assert told(stage, *(minute(i, a=Said()) for i in range(5)), minute(5, a=gone)) == []


def test_a_model_that_has_not_trained_yet_may_predict_one_value() -> None:
    cold = Said(predicted=(0.5,), steps=0.0)
    assert told(Stage2(SETTINGS), *(minute(i, a=cold, b=cold) for i in range(5))) == []


def test_a_model_that_is_cold_after_a_restart_may_too() -> None:
    stage, cold = Stage2(SETTINGS), Said(predicted=(0.5,), steps=0.0)
    reborn = Said(predicted=(0.5,), steps=0.0, restarts=1)
    assert told(stage, *(minute(i, a=Said(), b=Said()) for i in range(4))) == []
    assert told(stage, minute(4, a=Said(), b=reborn), *(minute(i, a=Said(), b=cold) for i in range(5, 8))) == []


def test_few_labels_of_one_class_are_chance() -> None:
    stage, rare = Stage2(SETTINGS), Said(labels=500.0, positives=2.0)
    assert told(stage, *(minute(i, a=rare) for i in range(5))) == []
    assert told(stage, *(minute(i, a=Said(labels=500.0, positives=0.0)) for i in range(5, 9))) == []
    found = told(stage, *(minute(i, a=Said(labels=500.0, positives=0.0)) for i in range(9, 20)))
    assert words(found) == [("a", "", "label_rate", True)]
    assert found[0].text == "the last 5,000 labels are all negative"


def test_a_limit_is_told_after_its_time_and_over_when_the_value_is_back_inside() -> None:
    limit = Limit(metric="missing_rate", entity="feature:x", above=0.2, lasting=120.0, severity="ticket")
    stage = Stage2(msgspec.structs.replace(SETTINGS, limits=(limit,)))
    high, sound = Said(missing=200.0), Said()
    assert told(stage, minute(0, a=high, b=high), minute(1, a=sound, b=sound)) == []
    (found,) = told(stage, *(minute(i, a=high, b=high) for i in range(2, 6)))
    assert (found.worker, found.severity, found.start, found.time) == ("", "ticket", 120.0, 240.0)
    assert found.text == "missing_rate of feature:x is 33.3 %, above its limit of 20 % for 120 s"
    (over,) = told(stage, *(minute(i, a=sound, b=sound) for i in range(6, 9)))
    assert (over.end, over.start) == (360.0, 120.0)


def test_two_limits_of_one_series_are_one_episode_that_grows_louder() -> None:
    limits = (
        Limit(metric="missing_rate", entity="feature:*", above=0.1, severity="ticket"),
        Limit(metric="missing_rate", entity="feature:*", above=0.3, severity="page"),
    )
    stage = Stage2(msgspec.structs.replace(SETTINGS, limits=limits))
    found = told(stage, *(minute(i, a=Said(missing=m), b=Said(missing=m)) for i, m in enumerate([120.0, 300.0, 120.0])))
    assert [(one.severity, one.start, one.end) for one in found] == [("ticket", 0.0, None), ("page", 0.0, None)]
    (over,) = told(stage, minute(3, a=Said(), b=Said()))
    assert over.end == 180.0


def test_a_limit_below_and_of_each_worker() -> None:
    limit = Limit(metric="volume", worker="*", below=5.0)
    stage = Stage2(msgspec.structs.replace(SETTINGS, limits=(limit,)))
    found = told(stage, minute(0, a=Said(), b=Said()), minute(1, a=Said(rows=120.0), b=Said()))
    assert words(found) == [("a", "", "volume", True)]
    assert "below its limit of 5 rows/s" in found[0].text


def test_a_value_near_its_limit_by_noise_alone_is_no_fact() -> None:
    limit = Limit(metric="missing_rate", entity="feature:x", above=0.01)
    stage = Stage2(msgspec.structs.replace(SETTINGS, limits=(limit,)))
    assert told(stage, *(minute(i, a=Said(missing=8.0), b=Said(missing=8.0)) for i in range(5))) == []


@pytest.mark.parametrize("cut", [1, 3, 6, 9])
def test_a_restored_stage_goes_on_with_the_same_bytes(cut: int) -> None:
    limit = Limit(metric="missing_rate", entity="feature:x", above=0.2, lasting=180.0)
    settings = msgspec.structs.replace(SETTINGS, limits=(limit,))
    said = [Said(), Said(missing=ROWS), Said(missing=200.0), Said(labels=9_000.0, positives=0.0), Said(overdue=400.0)]
    log = [minute(i, a=said[i % 5], b=said[(i * i) % 5]) for i in range(14)]
    whole, again = Stage2(settings), Stage2(settings)
    for one in log[:cut]:
        whole.on_report(one)
    again.restore(whole.snapshot())
    for one in log[cut:]:
        assert [encode(o) for o in again.on_report(one)] == [encode(o) for o in whole.on_report(one)]
    assert again.snapshot() == whole.snapshot()

"""Claims about the second stage with the real evaluator and the real metrics: order, outputs, restores, revisions."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from streamgauge.anomaly.types import Anomaly, Score
from streamgauge.pipelines.config.schema import HOUR, Detection, JobConfig
from streamgauge.pipelines.metrics import Report
from streamgauge.pipelines.stream import columns
from streamgauge.pipelines.stream.stage2 import Stage2
from streamgauge.pipelines.wire.outputs import Change, DeadLetter, PointColumns, decode, encode
from streamgauge.tracer.records import Feedback, Setting
from streamgauge.tracer.summaries import Counts
from tests.pipelines.reports import LONG, SHORT, WALL, WINDOWS, config, partial, presence, report, totals

DAY = 8
SETTINGS = config(detection=Detection(warm_up=5 * 86400.0))


def window(index: int, seed: int, rows: float | None = None, spec: int = SHORT, revision: int = 0) -> Report:
    """One window of one worker: rows with a rhythm, labels, one feature with few missing values."""
    generator = np.random.default_rng([seed, index, spec])
    length, slide = WINDOWS[spec].length, WINDOWS[spec].slide
    count = float(generator.poisson([5, 5, 40, 60, 60, 60, 50, 20][index % DAY])) if rows is None else rows
    missing = float(generator.binomial(int(count), 0.05))
    points = {
        **totals("sample", rows=count), **totals("label", labels=count, positives=count // 4),
        **totals("train", rows=count), **totals("wall", rows_seen=count, rows_trained=count),
    }
    summaries = [(Counts(rows=int(count), missing=int(missing)), "sample", "profile", "feature:x")]
    return report(
        partial("a", points, summaries), window=spec, start=index * slide, end=index * slide + length,
        revision=revision, presences=[presence("a", seen=index * slide + length, watermark=index * slide + length)],
    )


def run(stage: Stage2, *reports: Report) -> list[msgspec.Struct]:
    return [output for one in reports for output in stage.on_report(one)]


def kinds(outputs: list[Any], kind: type[Any]) -> list[Any]:
    return [output for output in outputs if isinstance(output, kind)]


def log(windows: int, seed: int = 1) -> list[Report]:
    """Walls, shorts and longs in the order in which they close."""
    found = []
    for index in range(windows):
        found += [window(3 * index + n, seed, spec=WALL) for n in range(3)]
        found.append(window(index, seed))
        if index >= DAY:
            found.append(window(index - DAY, seed, spec=LONG))
    return found


def test_each_close_gives_points_and_each_short_close_the_scores() -> None:
    outputs = run(Stage2(SETTINGS), *log(10))
    points = kinds(outputs, PointColumns)
    assert [one.window for one in points[:4]] == ["wall", "wall", "wall", "short"]
    assert len(kinds(outputs, Score)) >= 10 * 3
    assert {score.domain for score in kinds(outputs, Score)} >= {"sample", "system", "overall"}
    for one in outputs:
        assert encode(decode(encode(one))) == encode(one)


def test_a_window_of_many_series_comes_in_records_that_brokers_take(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = kinds(run(Stage2(SETTINGS), *log(4)), PointColumns)
    monkeypatch.setattr(columns, "MOST", 300)
    parts = kinds(run(Stage2(SETTINGS), *log(4)), PointColumns)
    assert all(len(encode(one)) < 500 for one in parts)
    assert len(parts) > 2 * len(whole)
    for one in whole:
        same = [part for part in parts if (part.window, part.start) == (one.window, one.start)]
        assert [point for part in same for point in part.points()] == one.points()
        known = sum(point.value is not None for point in one.points())
        assert {part.whole for part in same} == {None if len(same) == 1 else (len(one.points()), known)}


def test_points_carry_reference_and_band_once_there_is_history() -> None:
    outputs = run(Stage2(SETTINGS), *log(12 * DAY))
    last = {(p.worker, p.metric): p for p in kinds(outputs, PointColumns)[-2].points()}
    volume = last["", "volume"]
    assert volume.low < volume.reference < volume.high
    assert volume.low <= volume.value <= volume.high


def test_healthy_weeks_raise_nothing_and_a_stop_is_found_in_its_window() -> None:
    stage, healthy = Stage2(SETTINGS), 15 * DAY + 3
    assert kinds(run(stage, *log(healthy)), Anomaly) == []
    stopped = run(stage, window(healthy, 1, rows=0.0))
    found = kinds(stopped, Anomaly)
    assert ("a", "volume") in {(anomaly.worker, anomaly.metric) for anomaly in found}
    assert all(anomaly.time == (healthy + 1) * 3 * HOUR for anomaly in found)
    scores = {score.domain: score for score in kinds(stopped, Score)}
    assert scores["sample"].value < 60.0
    assert sum(part.micropoints for part in scores["sample"].parts) == 100_000_000 - scores["sample"].micropoints


@pytest.mark.parametrize("cut", [1, 30, 7 * DAY])
def test_a_restored_stage_goes_on_with_the_same_bytes(cut: int) -> None:
    reports = log(9 * DAY)
    whole = Stage2(SETTINGS)
    run(whole, *reports[:cut])
    restored = Stage2(SETTINGS)
    restored.restore(whole.snapshot())
    assert restored.snapshot() == whole.snapshot()
    for one in reports[cut:]:
        again, once = restored.on_report(one), whole.on_report(one)
        assert [encode(output) for output in again] == [encode(output) for output in once]
    assert restored.snapshot() == whole.snapshot()


def test_a_later_window_changes_no_earlier_answer() -> None:
    reports = log(6 * DAY)
    whole, prefix = Stage2(SETTINGS), Stage2(SETTINGS)
    outputs = [whole.on_report(one) for one in reports]
    assert [prefix.on_report(one) for one in reports[:100]] == outputs[:100]


def test_a_revision_replaces_points_and_scores_and_is_not_learnt() -> None:
    stage = Stage2(SETTINGS)
    run(stage, *log(9 * DAY))
    before = stage.snapshot()
    outputs = run(stage, window(9 * DAY - 1, 1, rows=0.0, revision=1))
    assert {output.revision for output in kinds(outputs, PointColumns) + kinds(outputs, Score)} == {1}
    assert kinds(outputs, Anomaly) == []
    assert stage.snapshot() == before


def test_a_setting_counts_from_the_first_window_after_it_is_effective() -> None:
    stage, healthy = Stage2(SETTINGS), 12 * DAY
    run(stage, *log(healthy))
    plain = Stage2(SETTINGS)
    plain.restore(stage.snapshot())
    body = msgspec.json.encode({"threshold": 20.0, "threshold_twice": 20.0})
    effective = (healthy + 1) * 3 * HOUR
    stage.on_setting(Setting(job="ctr", name="detection", revision=1, effective=effective, body=body))
    first, second = window(healthy, 1), window(healthy + 1, 1)
    np.testing.assert_array_equal(band(stage.on_report(first)), band(plain.on_report(first)))
    wide, narrow = band(stage.on_report(second)), band(plain.on_report(second))
    assert (wide >= narrow)[~np.isnan(narrow)].all()
    assert (wide > narrow).any()


def band(outputs: list[Any]) -> np.ndarray:
    return np.asarray(kinds(outputs, PointColumns)[0].column("high"))


def test_feedback_is_shown() -> None:
    said = Feedback(job="ctr", notification="n1", verdict="false_alarm", comment="planned", time=5.0)
    assert Stage2(SETTINGS).on_feedback(said) == [
        Change(job="ctr", name="feedback", time=5.0, text="n1: false_alarm (planned)")
    ]


def test_a_state_brings_the_configuration_that_it_was_taken_with() -> None:
    other = JobConfig(name="ctr", windows=WINDOWS[:1])
    restored = Stage2(other)
    restored.restore(Stage2(SETTINGS).snapshot())
    assert restored.config == SETTINGS


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("thresholds", b"[1,2"), ("thresholds", b"[]"), ("thresholds", b"\xff"), ("new_trend", b"{}"),
        ("expected", b"7"), ("true_alarm", b"[]"), ("detection", b'{"threshhold": 7.0}'),
        ("detection", b'{"threshold": "high"}'),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_read_is_a_dead_letter_and_windows_go_on_closing(name: str, body: bytes) -> None:
    stage, untouched = Stage2(SETTINGS), Stage2(SETTINGS)
    told: Any = stage.on_setting(Setting(job="j", name=name, revision=1, effective=0.0, body=body))
    assert [type(one) for one in told] == [DeadLetter]
    assert told[0].reason == "setting"
    assert f"{name} revision 1" in told[0].text
    assert [encode(one) for one in run(stage, *log(3))] == [encode(one) for one in run(untouched, *log(3))]

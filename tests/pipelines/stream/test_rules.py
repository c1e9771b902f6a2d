"""The rules of the stream, one story each."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec import json

from streamgauge.anomaly.types import Anomaly
from streamgauge.pipelines.config.schema import JobConfig, WindowSpec
from streamgauge.pipelines.metrics import Partial, Presence, Report
from streamgauge.pipelines.wire.outputs import Change, Counters, DeadLetter, Output
from streamgauge.tracer import summaries
from streamgauge.tracer.codec import encode
from streamgauge.tracer.records import Event, Feedback, Name, Open, Record, Setting, Tick
from tests.pipelines.stream.logs import NAMES, PANE, T0, batch, operator, records, reports, tick

SHORT = WindowSpec(name="short", kind="short", length=30, slide=30)
LONG = WindowSpec(name="long", kind="long", length=60, slide=30)
WALL = WindowSpec(name="wall", kind="wall", length=30, slide=30)


class Story:
    """An operator and all that it has said."""

    def __init__(self, *windows: WindowSpec, **fields: object) -> None:
        settled = {"name": "j", "windows": windows or (SHORT,), "pane": PANE, "tick": PANE, "max_hold": 90.0}
        self.operator = operator(JobConfig(**(settled | fields)))  # type: ignore[arg-type]
        self.sent: list[Output] = []
        self.sequences: dict[str, int] = {}

    def say(self, *messages: bytes) -> list[Output]:
        """Feed messages; what they caused."""
        sent = self.operator.on_records(messages)
        self.sent += sent
        return sent

    def send(self, worker: str, at: float, *values: float, index: int = 0, **fields: object) -> list[Output]:
        """A worker's next record, of the pane `at` seconds after the start; its watermark is the end of that pane."""
        self.sequences[worker] = self.sequences.get(worker, 0) + 1
        points = [(index, value) for value in values]
        if "watermark" in fields:
            fields["watermark"] = T0 + float(fields["watermark"])  # type: ignore[arg-type]
        return self.say(batch(worker, self.sequences[worker], T0 + at, points, **fields))  # type: ignore[arg-type]

    def tick(self, at: float) -> list[Output]:
        return self.say(tick(T0 + at))

    def put(self, record: Record) -> list[Output]:
        return self.say(encode(record))

    def live(self, until: float, *workers: str, since: float = 0.0) -> None:
        """All workers send one point of 1.0 a pane, and time passes."""
        for k in range(int(since // PANE), int(until // PANE)):
            for worker in workers:
                self.send(worker, k * PANE, 1.0)
            self.tick((k + 1) * PANE)

    def windows(self, spec: int = 0, revision: int | None = 0) -> dict[float, Report]:
        """Reports by end, seconds after the start."""
        found = [r for r in reports(self.sent) if r.window == spec and revision in (None, r.revision)]
        return {report.end - T0: report for report in found}

    def total(self, end: float, spec: int = 0, worker: str = "a", revision: int = 0) -> float | None:
        """A worker's total of the first name in a window, None where it has no share."""
        report = self.windows(spec, revision)[end]
        return next((total_of(partial) for partial in report.partials if partial.worker == worker), None)

    def facts(self, metric: str) -> list[tuple[str, float, float | None]]:
        """(worker, start, end) of what was said of a fact."""
        found = [item for item in records(self.sent, Anomaly) if item.metric == metric]
        return [(item.worker, item.start - T0, None if item.end is None else item.end - T0) for item in found]

    def is_live(self) -> bool:
        return self.operator.is_live

    def counts(self) -> dict[str, int]:
        return dict(records(self.sent, Counters)[-1].counts)


def total_of(partial: Partial) -> float:
    return float(partial.table()[1][2].sum())


def present(report: Report) -> dict[str, Presence]:
    return {presence.worker: presence for presence in report.presences}


def test_windows_close_when_all_members_have_passed_them_empty_ones_too() -> None:
    story = Story()
    story.live(30, "a", "b")
    story.send("a", 30, 5.0)
    story.tick(40)
    assert list(story.windows()) == [30.0]
    story.send("a", 90, 7.0)
    assert list(story.windows()) == [30.0], "b holds it"
    story.send("b", 90, watermark=95.0)
    assert [(end, story.total(end)) for end in story.windows()] == [(30.0, 3.0), (60.0, 5.0), (90.0, None)]


def test_windows_close_in_order_of_end_and_length() -> None:
    story = Story(LONG, SHORT)
    story.send("a", 0, 1.0)
    story.send("a", 90, 1.0)
    assert [(r.end - T0, r.window) for r in reports(story.sent)] == [
        (30, 1), (30, 0), (60, 1), (60, 0), (90, 1), (90, 0),
    ]  # fmt: skip


def test_allowed_lateness_keeps_windows_open_and_a_later_point_is_counted_not_applied() -> None:
    story = Story(allowed_lateness=20.0)
    story.send("a", 0, 1.0)
    story.send("a", 30, 1.0, watermark=45.0)
    story.send("a", 20, 10.0, watermark=45.0)
    assert list(story.windows()) == []
    story.send("a", 40, 1.0, watermark=50.0)
    assert story.total(30.0) == 11.0
    story.send("a", 20, 100.0)
    story.send("a", 80, 1.0, watermark=95.0)
    assert story.total(60.0) == 2.0
    assert story.counts()["late"] == 1


def test_a_point_is_late_by_its_own_workers_watermark_though_the_window_is_open_for_others() -> None:
    story = Story()
    story.tick(0)
    story.send("b", 0, 1.0)
    story.send("a", 30, 1.0)  # has passed 30
    story.send("a", 10, 100.0)  # late, though b holds the window
    story.send("b", 10, 10.0)  # in time
    story.send("b", 30, 1.0)
    assert story.total(30.0, worker="b") == 11.0
    assert story.total(30.0, worker="a") is None
    story.send("a", 60)
    story.send("b", 60)
    assert story.counts()["late"] == 1


def test_a_late_point_still_counts_in_a_longer_window_that_is_open() -> None:
    story = Story(SHORT, LONG)
    story.send("a", 0, 1.0)
    story.send("a", 30, 1.0)
    story.send("a", 20, 10.0)
    story.send("a", 60, 1.0)
    assert (story.total(30.0), story.total(60.0), story.total(60.0, spec=1)) == (1.0, 1.0, 12.0)
    assert story.counts()["late"] == 1


def test_a_member_behind_the_clock_is_a_fact_and_holds_nobody_until_it_has_caught_up() -> None:
    story = Story()
    story.live(30, "a", "b")
    for k in range(3, 15):
        story.send("a", k * PANE, 1.0)
        story.send("b", k * PANE, watermark=30.0)
        story.tick((k + 1) * PANE)
    assert story.facts("behind") == [("b", 30.0, None)]
    assert max(story.windows()) == 150.0
    assert present(story.windows()[150.0])["b"].state == "behind"
    story.send("b", 150, watermark=140.0)
    story.send("a", 180, 1.0)
    assert max(story.windows()) == 180.0, "b is near, but has not passed what closed without it"
    story.tick(190)
    story.send("b", 190, 1.0)
    story.send("a", 210, 1.0)
    assert max(story.windows()) == 180.0, "b holds again"
    assert story.facts("behind")[1:] == [("b", 30.0, 200.0)]


def test_a_silent_member_stops_holding_after_three_intervals_and_is_missing_after_the_restart_grace() -> None:
    story = Story(max_hold=2000.0)
    story.live(30, "a", "b")
    story.live(50, "a", since=30)
    assert max(story.windows()) == 30.0
    story.send("a", 50, 1.0)
    assert max(story.windows()) == 60.0  # b was heard at 20: silent at 50
    story.tick(60)
    assert present(story.windows()[60.0])["b"].state == "missing"
    story.live(610, "a", since=60)
    assert story.facts("missing") == []
    story.live(620, "a", since=610)
    assert story.facts("missing") == [("b", 20.0, None)]
    story.send("b", 620, 1.0)
    assert story.facts("missing")[1:] == [("b", 20.0, 620.0)]


def test_how_long_a_restart_may_take_is_declared() -> None:
    story = Story(max_hold=2000.0, missing_after=60.0)
    story.live(30, "a", "b")
    story.live(80, "a", since=30)
    assert story.facts("missing") == [("b", 20.0, None)]


def test_who_said_goodbye_or_was_scaled_away_is_not_missing() -> None:
    story = Story(workers=1, max_hold=2000.0)
    story.live(30, "a", "b", "c")
    story.send("b", 30, final=True)
    story.live(900, "a", since=30)
    assert max(story.windows()) == 900.0
    assert story.facts("missing") == []


def test_a_member_that_joins_late_holds_only_open_windows() -> None:
    story = Story()
    story.live(90, "a")
    story.send("c", 80, 1.0, watermark=80.0)
    story.send("a", 90, 1.0)
    story.send("a", 120, 1.0)
    assert max(story.windows()) == 90.0
    story.send("c", 120, 1.0)
    assert max(story.windows()) == 120.0
    assert story.total(90.0, worker="c", revision=1) == 1.0


def test_what_a_returner_sends_revises_the_last_three_closed_windows_with_the_next_close() -> None:
    story = Story(max_hold=60.0)
    story.live(30, "a", "b")
    for k in range(3, 21):
        story.send("a", k * PANE, 1.0)
        story.send("b", k * PANE, watermark=30.0)
        story.tick((k + 1) * PANE)
    story.send("b", 60, 7.0, watermark=30.0)
    story.send("b", 120, 5.0, watermark=130.0)
    story.send("b", 150, 6.0, watermark=160.0)
    assert story.windows(revision=1) == {}
    story.send("b", 210, 1.0)
    story.send("a", 230, 1.0, watermark=240.0)
    assert story.windows(revision=1) == {}
    story.send("b", 240, 1.0)
    revised = story.windows(revision=1)
    assert {end: story.total(end, worker="b", revision=1) for end in revised} == {150.0: 5.0, 180.0: 6.0}
    assert story.total(180.0, worker="a", revision=1) == 3.0
    assert story.counts()["late"] == 1
    for at in range(220, 251, 10):
        story.tick(at)
    story.live(330, "a", "b", since=250)
    assert len(story.windows(revision=1)) == 2
    assert story.windows(revision=2) == {}


def test_an_unknown_incarnation_supersedes_and_old_ones_are_dropped_and_counted() -> None:
    story = Story()
    story.send("a", 0, 1.0, incarnation="m")
    story.sequences["a"] = 0
    story.send("a", 0, 2.0, incarnation="b")
    story.say(batch("a", 2, T0, [(0, 100.0)], incarnation="m"))
    story.say(batch("a", 1, T0, [(0, 100.0)], incarnation="b"))
    story.send("a", 30, 1.0, incarnation="b")
    assert story.total(30.0) == 3.0
    assert (story.counts()["superseded"], story.counts()["duplicate"]) == (1, 1)
    assert present(story.windows()[30.0])["a"].restarts == 1


def test_a_jump_in_the_sequence_is_loss() -> None:
    story = Story()
    story.send("a", 0, 1.0)
    story.sequences["a"] += 3
    story.send("a", 30, 1.0)
    assert story.counts()["lost"] == 3
    assert present(story.windows()[30.0])["a"].lost == 3


def test_times_beyond_the_clock_are_clamped_and_counted_and_nothing_before_the_first_tick() -> None:
    story = Story(max_ahead=30.0)
    story.send("b", 0)
    story.tick(0)
    story.send("a", 500, 1.0, interval=1000.0)
    assert story.facts("clock") == [("a", 0.0, None)]
    story.live(60, "b")
    assert list(story.windows()) == [], "a has passed nothing that the clock has not"
    story.live(70, "a", since=60)
    assert max(story.windows()) == 60.0
    assert story.counts()["clamped"] == 1
    early = Story(max_ahead=30.0)
    early.send("a", 0, 1.0)
    early.send("a", 500, 1.0)
    assert max(early.windows()) == 510.0


def test_what_piled_up_while_the_host_was_away_keeps_its_time() -> None:
    away, steady = (Story(SHORT, WALL, max_ahead=30.0) for _ in range(2))
    for story in (away, steady):
        story.live(60, "a", "b")
        for k in range(6, 60):
            for worker in ("a", "b"):
                story.send(worker, k * PANE, float(k))
            if story is steady:
                story.tick((k + 1) * PANE)
        story.tick(610)
    assert away.counts()["clamped"] == 0
    assert sorted(away.windows()) == [30.0 * k for k in range(1, 21)] == sorted(steady.windows())
    for spec in (0, 1):
        found, expected = (
            {end: [partial.columns for partial in report.partials] for end, report in story.windows(spec).items()}
            for story in (away, steady)
        )
        assert found == expected
    seen = {presence.seen - T0 for presence in away.windows()[600.0].presences}
    assert seen == {590.0}


def test_a_worker_that_leaps_while_the_host_is_away_is_clamped() -> None:
    story = Story(max_ahead=30.0)
    story.live(60, "a", "b")
    for k in range(6, 20):
        story.send("a", k * PANE, 1.0)
    story.send("b", 500, 1.0)
    story.send("b", 510, 1.0)
    assert max(story.windows()) <= 90.0, "b holds what is beyond the clamped watermark"
    story.tick(600)
    assert story.counts()["clamped"] == 2


def test_wall_windows_close_by_the_clock_and_wait_for_no_worker() -> None:
    story = Story(SHORT, WALL)
    wall = next(i for i, name in enumerate(NAMES) if name.clock == "wall")
    for k in range(3):
        story.send("a", k * PANE, 1.0, index=wall, watermark=0.0)
        story.tick((k + 1) * PANE)
    assert list(story.windows(spec=1)) == [30.0]
    assert story.total(30.0, spec=1) == 3.0
    assert story.windows(spec=0) == {}
    story.send("a", 20, 1.0, index=wall)
    story.tick(60)
    assert story.counts()["late"] == 1


def test_a_host_that_ticks_finer_than_panes_gives_wall_windows_one_pane_more() -> None:
    story = Story(WALL, tick=1.0)
    wall = next(i for i, name in enumerate(NAMES) if name.clock == "wall")
    story.tick(0)
    story.send("a", 20, 1.0, index=wall)
    story.tick(31)
    story.send("a", 20, 1.0, index=wall)
    story.tick(40)
    assert story.total(30.0) == 2.0


def test_a_coarse_tick_is_stamped_with_its_deadlines() -> None:
    fine, coarse = Story(max_hold=60.0), Story(max_hold=60.0)
    for story in (fine, coarse):
        story.live(30, "a", "b")
    for k in range(4, 100):
        fine.tick(k * PANE)
    coarse.tick(990)
    assert [o.value for o in coarse.sent] == [o.value for o in fine.sent]
    assert max(r.clock for r in reports(coarse.sent)) <= T0 + 990


def test_a_long_run_of_empty_windows_is_one_gap() -> None:
    story = Story(SHORT, WALL)
    story.send("a", 0, 1.0, interval=1e7)
    story.tick(30 * 5000 - 1)
    story.tick(30 * 5000)  # a day beyond all that is known, so it takes two
    gaps = [report for report in reports(story.sent) if report.gap]
    assert {report.window for report in gaps} == {0, 1}
    assert len(reports(story.sent)) < 50
    assert [change.name for change in records(story.sent, Change)].count("gap") == 2
    covered = sum(max(1, report.gap) for report in reports(story.sent) if report.window == 1)
    assert covered == 5000


def test_a_job_without_members_ends_after_an_hour_shrinks_and_begins_again_with_the_next_record() -> None:
    story = Story(SHORT, LONG)
    story.tick(0)
    story.live(600, *"abcdefgh")
    full = len(story.operator.snapshot())
    for worker in "abcdefgh":
        story.send(worker, 600, final=True)
    story.tick(610)
    assert story.is_live()
    story.tick(600 + 3599)
    assert story.is_live()
    story.tick(600 + 3600)
    assert not story.is_live()
    assert len(story.operator.snapshot()) < full / 4
    assert [change.name for change in records(story.sent, Change)] == ["begin", "end"]
    story.send("a", 60_000, 1.0, incarnation="z")
    assert story.is_live()
    story.send("a", 60_030, 1.0, incarnation="z")
    assert [change.name for change in records(story.sent, Change)] == ["begin", "end", "begin"]
    assert max(story.windows()) == 60_030.0


def test_a_limit_on_series_is_visible_and_what_it_turned_away_is_counted() -> None:
    story = Story(max_series=3)
    names = [Name("train", f"n{i}", "") for i in range(100)]
    story.say(batch("a", 1, T0, [(i, 1.0) for i in range(100)], names=names))
    story.sequences["a"] = 1
    story.send("a", 30, 1.0)
    partial = story.windows()[30.0].partials[0]
    assert [name[1] for name in partial.names] == ["n0", "n1", "n2", "overflow"]
    assert story.counts()["overflow"] == 98  # 97, and the record that closed the window


def test_series_unseen_for_a_day_leave_and_make_room() -> None:
    story = Story(WindowSpec(name="s", kind="short", length=3600, slide=3600), pane=3600.0, tick=3600.0, max_series=2,
                  max_hold=1e6, max_ahead=1e6)  # fmt: skip
    hour = 3600.0
    for k in range(80):
        name = [Name("train", f"n{k // 40}", ""), Name("train", "always", "")]
        start = (T0 // hour + k) * hour
        story.say(batch("a", k + 1, start, [(0, 1.0), (1, 1.0)], names=name, pane_length=hour, interval=hour,
                        watermark=start + hour))  # fmt: skip
        story.say(tick(start + hour))
    seen = [{name[1] for partial in report.partials for name in partial.names} for report in story.windows().values()]
    assert seen == [{"n0", "always"}] * 40 + [{"overflow", "always"}] * 25 + [{"n1", "always"}] * 15


def test_non_finite_values_are_counted_apart_and_are_a_fact_at_once() -> None:
    story = Story()
    story.tick(0)
    story.send("a", 0, 1.0)
    story.send("a", 10, float("nan"), 2.0, hard=(("nonfinite", "loss", 1.0),))
    assert story.facts("nonfinite") == [("a", 10.0, None)]
    story.send("a", 20, 1.0, hard=(("nonfinite", "loss", 1.0),))
    for at in (30, 40, 50):
        assert len(story.facts("nonfinite")) == 1
        story.send("a", at, 1.0)
    assert story.facts("nonfinite")[1:] == [("a", 10.0, 30.0)]
    columns = story.windows()[30.0].partials[0].table()[1]
    assert columns[:3, 0].tolist() == [3.0, 3.0, 4.0]
    assert columns[5, 0] == 1.0


def test_a_fact_in_a_late_record_is_told_and_the_same_one_never_twice() -> None:
    story = Story()
    story.send("a", 90, 1.0)
    story.send("a", 0, 1.0, hard=(("nonfinite", "loss", 1.0),))
    assert story.facts("nonfinite") == [("a", 0.0, None)]
    for at in (100, 110, 120, 130):
        story.send("a", at, 1.0)
    story.send("a", 0, 1.0, hard=(("nonfinite", "loss", 1.0),))
    assert len(story.facts("nonfinite")) == 2


def test_a_new_incarnation_ends_the_facts_of_the_old_one() -> None:
    story = Story()
    story.send("a", 0, 1.0, hard=(("nonfinite", "loss", 1.0), ("nonfinite", "tensor:x", 1.0)))
    story.sequences["a"] = 0
    story.send("a", 20, 1.0, incarnation="b")
    assert story.facts("nonfinite")[2:] == [("a", 0.0, 20.0), ("a", 0.0, 20.0)]


def test_workers_fold_by_name_and_panes_oldest_first() -> None:
    story = Story(LONG)
    for worker in ("b", "a"):
        story.send(worker, 0, 0.0, watermark=0.0)
    for at, value in ((20, 1.0), (0, 1e16), (10, -1e16)):
        story.send("a", at, value, watermark=0.0)
    story.send("b", 90, 1.0)
    story.send("a", 90, 1.0)
    report = story.windows()[30.0]
    assert [partial.worker for partial in report.partials] == ["a", "b"]
    assert story.total(30.0) == 1.0


def test_bad_records_become_dead_letters_with_their_reason_and_change_nothing() -> None:
    story = Story()
    story.send("a", 0, 1.0)
    before = story.operator.snapshot()
    good = batch("a", 2, T0, [(0, 1.0)])
    bad = {
        "truncated": good[:-3], "type": b"\x93\x01\x01\x05", "version": good[:3] + b"\x09" + good[4:],
        "job": encode(Tick(job="k", time=0.0)), "checksum": tick(0).replace(b"j", b"k"),
        "names": batch("a", 2, T0, [(50, 1.0)]), "pane": batch("a", 2, T0, [(0, 1.0)], pane_length=20.0),
        "shard": batch("a", 2, T0, shards=2),
    }  # fmt: skip
    for reason, data in bad.items():
        letters = records(story.say(data), DeadLetter)
        assert [(letter.reason, letter.data) for letter in letters] == [(reason, data)]
    assert len(story.operator.snapshot()) - len(before) < 40 * len(bad)
    story.send("a", 30, 1.0)
    assert story.counts()["dead"] == len(bad)
    assert story.total(30.0) == 1.0


def test_events_settings_and_feedback_take_their_place_once() -> None:
    story = Story()
    said = [
        Event(job="j", name="pushed", time=T0, text="v1"),
        Setting(job="j", name="thresholds", revision=1, effective=T0, body=b"{}"),
        Feedback(job="j", notification="n", verdict="expected"),
    ]
    for record in (*said, *said):
        story.say(encode(record))  # type: ignore[arg-type]
    story.put(Setting(job="j", name="thresholds", revision=0, effective=T0, body=b"{}"))
    assert [change.name for change in records(story.sent, Change)] == ["pushed", "setting"]


def test_the_logs_configuration_holds_and_a_new_shape_ends_the_run_which_begins_again_with_it() -> None:
    story = Story()
    wanted = JobConfig(name="j", pane=PANE, windows=(LONG,), tick=PANE)
    story.put(Setting(job="j", name="config", revision=1, effective=0.0, body=json.encode(wanted)))
    assert story.operator.config == wanted
    story.send("a", 0, 1.0)
    changed = JobConfig(name="j", pane=PANE, windows=(SHORT,), tick=PANE)
    story.put(Setting(job="j", name="config", revision=2, effective=0.0, body=json.encode(changed)))
    assert (story.operator.config, story.operator.is_live) == (changed, False)
    assert [change.name for change in records(story.sent, Change)][-3:] == ["begin", "end", "setting"]
    story.send("a", 1, 1.0)
    story.send("a", 4, 1.0)
    assert story.operator.is_live
    assert list(story.windows())[-1] == 30.0
    story.put(Setting(job="j", name="config", revision=3, effective=0.0, body=b"nonsense"))
    assert records(story.sent, DeadLetter)[0].reason == "setting"
    assert story.operator.config == changed


def test_an_open_shard_without_workers_closes_windows_by_the_clock_and_opening_twice_is_harmless() -> None:
    once, twice = Story(), Story()
    for story, times in ((once, 1), (twice, 3)):
        for _ in range(times):
            story.put(Open(job="j", start=T0))
        for k in range(1, 10):
            story.tick(k * PANE)
    assert [o.value for o in once.sent] == [o.value for o in twice.sent]
    assert list(once.windows()) == [30.0, 60.0, 90.0]


@pytest.mark.parametrize("value", [1e308, 5e-324, -1e308])
def test_huge_and_denormal_values_are_values(value: float) -> None:
    story = Story()
    story.send("a", 0, value, value)
    story.send("a", 30, 1.0)
    columns = story.windows()[30.0].partials[0].table()[1]
    assert columns[[0, 3, 4, 5], 0].tolist() == [2.0, value, value, 0.0]


def test_long_names_are_bounded_in_bytes_and_what_found_no_room_is_counted() -> None:
    story = Story(max_series=10)  # 2,000 bytes of names
    names = [Name("train", f"n{i}-{'x' * 500}", "") for i in range(8)]
    story.say(batch("a", 1, T0, [(i, 1.0) for i in range(8)], names=names))
    story.sequences["a"] = 1
    story.send("a", 30, 1.0)
    kept = [name[1] for name in story.windows()[30.0].partials[0].names]
    assert [name[:2] for name in kept] == ["n0", "n1", "n2", "ov"]
    assert story.counts()["overflow"] == 5
    again = operator(story.operator.config)
    again.restore(story.operator.snapshot())
    assert again._job.name_bytes == story.operator._job.name_bytes > 1500


def test_pictures_of_new_series_are_bounded_by_worker_and_counted() -> None:
    story = Story(max_series=3)
    drawn = [summaries.encode(summaries.Histogram.of(np.ones(1)), "train", "delay", f"e{i}") for i in range(5)]
    story.say(batch("a", 1, T0, [], sketches=tuple(drawn)))
    story.say(batch("a", 2, T0, [], sketches=tuple(drawn[2:4])))
    story.sequences["a"] = 2
    story.send("a", 30, 1.0)
    assert [one[3] for one in story.windows()[30.0].partials[0].sketches] == ["e0", "e1", "e2"]
    assert story.counts()["overflow"] == 3

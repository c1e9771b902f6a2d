"""The soak in its short form, and that its accounts would tell of what is missing."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("confluent_kafka", reason="needs confluent-kafka: pip install 'streamgauge[kafka]'")

from streamgauge.tracer.codec import identity_of
from tests.soak import accounts, faults
from tests.soak.accounts import Recorded, Sample
from tests.soak.soak import Asked, log, soak

COUNTS = {"records": 5, "duplicate": 1, "superseded": 0, "lost": 0}
FOUND = Recorded(
    Path(), {("u", "i"): Counter({1: 1, 2: 2, 3: 1}), ("u", "j"): Counter({1: 1, 2: 1})}, {identity_of(b"x")}
)


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(400)
def test_run_or_a_broker_of_three_killed_under_load_lose_nothing_and_the_store_is_that_of_an_uninterrupted_run(
    kafka_jars: None, tmp_path: Path
) -> None:
    struck = ("kill run", "poison", "kill broker", "fill disk")
    result = soak(Asked(seconds=26.0, speed=2.0, brokers=3, every=6.0, held=3.0, only=struck), tmp_path, log)
    assert result.problems == []
    assert [fault["fault"] for fault in result.faults] == list(struck)
    assert result.starts == 2 and result.incarnations == 3
    assert result.records > 300 and result.stored["dead"] == 20
    assert {"point", "score", "profile", "counters"} <= set(result.stored)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_changes_of_mind_connections_and_a_flipped_bit_under_load_lose_nothing_either(tmp_path: Path) -> None:
    struck = ("change configuration", "slow headers", "flip bit", "exhaust descriptors", "drip webhook", "leap clock")
    result = soak(Asked(seconds=24.5, speed=2.0, brokers=0, every=4.0, held=1.0, only=struck), tmp_path, log)
    assert result.problems == []
    assert [fault["fault"] for fault in result.faults] == list(struck)
    assert result.starts == 1


def test_records_that_are_missing_or_counted_wrongly_are_told(tmp_path: Path) -> None:
    notes = tmp_path / "u.sent"
    notes.write_text("i 2\ni 3\nj 2\nj")  # the last line was cut by a kill

    def told(found: Recorded = FOUND, counts: dict[str, int] = COUNTS, dead: int = 1, poison: bytes = b"x") -> str:
        return "; ".join(accounts.losses(found, {"u": notes}, counts, {"truncated": dead} if dead else {}, [poison]))

    assert told() == ""
    assert "pipeline counts 7" in told(counts=COUNTS | {"records": 6})
    assert "counts 3 lost" in told(counts=COUNTS | {"lost": 3})
    assert "1 unreadable records, 0 dead letters" in told(dead=0)
    assert "1 poisoned records sent" in told(poison=b"y")
    gap = FOUND._replace(sequences={**FOUND.sequences, ("u", "j"): Counter({1: 1, 3: 1})})
    assert "u/j: gaps in the log: [2] of 3" in told(gap)
    notes.write_text("i 5\n")
    assert told() == "u/i: sent and not on the log: [4, 5] of 5"


def test_stores_that_differ_are_told_line_by_line() -> None:
    assert accounts.differences(b"a\nb\nb\n", b"a\nb\nb\n") == []
    assert accounts.differences(b"a\nb\nb\n", b"a\nb\nc\n") == [
        "2 lines differ of 3", "only the run's: b", "only the replay's: c",
    ]  # fmt: skip


def test_memory_is_judged_by_the_longest_life_once_it_is_warm() -> None:
    warming = [Sample(float(s), 1, 100.0 + s) for s in range(150)]
    growing = [Sample(float(s), 2, 100.0 + 4.0 * min(s - 150, 220) + s / 60.0) for s in range(150, 600)]
    assert accounts.slope([*warming, *growing]) == pytest.approx(1.0)
    assert accounts.slope(warming) is None


def test_a_step_of_memory_where_much_had_waited_is_no_growth() -> None:
    stepping = [Sample(float(s), 1, 183.0 + 134.0 * (s > 700)) for s in range(900)]
    assert accounts.slope(stepping) == pytest.approx(0.0)


def test_disk_is_judged_from_the_second_quarter_to_the_last() -> None:
    flat = [Sample(float(s), 1, 100.0, 5.0 + s % 7 + 20.0 * (s < 60)) for s in range(600)]
    assert accounts.disk_growth(flat) == 0.0
    assert accounts.disk_growth([one._replace(disk=one.time / 60.0) for one in flat]) == pytest.approx(5.0, abs=0.1)
    assert accounts.disk_growth(flat[:300]) is None


def test_a_seed_gives_the_same_faults_and_each_comes_before_any_comes_again() -> None:
    one, other = (faults.drawn(list(faults.FAULTS), random.Random(7)) for _ in range(2))
    first = [next(one) for _ in range(3 * len(faults.FAULTS))]
    assert first == [next(other) for _ in first]
    assert Counter(first) == dict.fromkeys(faults.FAULTS, 3)

"""The queue on disk: first in, first out, through crashes, within its bound."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamgauge.pipelines.adapters.influx.spill import Spill
from streamgauge.pipelines.ports import StoreBusy

BOUND = 1_000_000


def drained(spill: Spill, limit: int = 3) -> list[str]:
    lines: list[str] = []
    while (taken := spill.peek(limit, 10**6)).lines:
        lines += taken.lines
        spill.done(taken)
    return lines


@settings(max_examples=60)
@given(st.data())
def test_lines_come_out_in_order_through_restarts_and_only_unfinished_ones_come_again(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder, number, out = tmp_path_factory.mktemp("spill"), 0, list[str]()
    spill = Spill(folder, BOUND, segment_bytes=40)
    waiting: list[str] = []
    for action in data.draw(st.lists(st.sampled_from(["append", "take", "lose", "crash", "close"]), max_size=30)):
        if action == "append":
            lines = [f"line {number + i} é" for i in range(data.draw(st.integers(1, 4)))]
            number += len(lines)
            spill.append(lines)
            waiting += lines
        elif action in ("take", "lose"):
            taken = spill.peek(data.draw(st.integers(1, 5)), 10**6)
            assert taken.lines == waiting[: len(taken.lines)]
            assert bool(taken.lines) == bool(waiting)
            if action == "take":
                spill.done(taken)
                out += taken.lines
                waiting = waiting[len(taken.lines) :]
        else:
            if action == "close":
                spill.close()
            spill = Spill(folder, BOUND, segment_bytes=40)
        assert spill.waiting == len(waiting)
        assert spill.size == sum(len(f"{line}\n".encode()) for line in waiting)
    assert out + drained(spill) == [f"line {i} é" for i in range(number)]
    assert len(list(folder.glob("*.lines"))) <= 1


def test_a_line_that_a_crash_cut_is_dropped_for_it_was_never_promised(tmp_path: Path) -> None:
    spill = Spill(tmp_path, BOUND)
    spill.append(["one", "two"])
    with next(tmp_path.glob("*.lines")).open("ab") as file:
        file.write(b"thr")
    again = Spill(tmp_path, BOUND)
    again.append(["three"])
    assert drained(again) == ["one", "two", "three"]


@pytest.mark.parametrize("damage", ["", "x", "1 2 3", "9 -"])
def test_a_lost_position_repeats_and_loses_nothing(tmp_path: Path, damage: str) -> None:
    spill = Spill(tmp_path, BOUND)
    spill.append(["one", "two"])
    spill.done(spill.peek(1, 10**6))
    (tmp_path / "position").write_text(damage)
    assert drained(Spill(tmp_path, BOUND)) == ["one", "two"]


def test_more_than_the_bound_is_refused_whole_and_room_comes_back(tmp_path: Path) -> None:
    spill = Spill(tmp_path, 20)
    spill.append(["0123456789"])
    with pytest.raises(StoreBusy, match="holds 11 bytes for a store that does not take them"):
        spill.append(["a" * 5, "b" * 5])
    assert spill.waiting == 1
    assert drained(spill) == ["0123456789"]
    spill.append(["a" * 5, "b" * 5])
    assert drained(spill) == ["aaaaa", "bbbbb"]


def test_a_full_disk_keeps_the_queue_as_it_was(tmp_path: Path) -> None:
    spill = Spill(tmp_path, BOUND)
    spill.append(["a" * 100])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # a write beyond is cut short, then fails
    try:
        with pytest.raises(StoreBusy, match="File too large; free disk space"):
            spill.append(["b" * 500, "c" * 500])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    spill.append(["d"])
    assert drained(spill) == ["a" * 100, "d"]


def test_a_batch_is_bounded_in_lines_and_bytes(tmp_path: Path) -> None:
    spill = Spill(tmp_path, BOUND)
    spill.append(["x" * 99] * 20)
    assert len(spill.peek(5, 10**6).lines) == 5
    assert len(spill.peek(100, 250).lines) == 3

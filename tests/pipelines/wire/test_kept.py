"""State in rows: only what changed is written, a kill at any statement leaves one whole commit, damage is named."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.pipelines.engines.keeping import committed_state
from streamgauge.pipelines.engines.keyed import KeyedConsumer, Route
from streamgauge.pipelines.wire import kept
from streamgauge.pipelines.wire.frames import StateDamagedError, fault_of, framed, unframed
from streamgauge.pipelines.wire.rows import Rows, name_of, parts_of
from streamgauge.tracer.local.log import LocalLog
from tests.forks import fork
from tests.pipelines.stream.logs import config_of, operator, script


@given(st.lists(st.text()))
def test_the_parts_of_a_name_may_be_any_text(parts: list[str]) -> None:
    assert parts_of(name_of(*parts)) == (parts or [""])


@given(st.binary(max_size=2000), st.data())
def test_a_flipped_bit_of_a_frame_is_told(value: bytes, data: st.DataObject) -> None:
    frame = bytearray(framed(value))
    assert unframed(bytes(frame), "x") == value
    place = data.draw(st.integers(0, 8 * len(frame) - 1))
    frame[place // 8] ^= 1 << place % 8
    assert fault_of(bytes(frame))


def test_a_row_is_known_by_its_objects_and_not_by_equal_ones() -> None:
    one, equal = [1], [1]
    first = Rows()
    first.put("a", lambda: b"a", one)
    second = Rows(first.stamps)
    second.put("a", lambda: b"b", equal)
    assert second.changed == {"a": b"b"}


def test_rows_that_are_put_no_more_are_gone() -> None:
    first = Rows()
    first.put_value("a", b"1")
    first.put_value("b", b"2")
    second = Rows(first.stamps)
    second.put_value("b", b"2")
    assert (second.changed, second.gone()) == ({}, ["a"])


def test_one_pane_writes_what_changed_and_not_the_rest() -> None:
    """A state of 30 workers, then one record of one of them: its rows, and the head of the job."""
    random = Random(5)
    plan = script(random, config_of(random), panes=12)
    log = plan.log(random)
    current = operator(plan.config)
    current.on_records(log[:-2])
    before = kept.change(current, kept.NOTHING)
    current.on_records(log[-2:-1])
    after = kept.change(current, before.kept)
    assert 0 < len(after.rows) < len(before.rows) / 4


def committed(folder: Path, upto: int) -> KeyedConsumer:
    """A consumer over a log in a folder that has taken `upto` of its messages, and committed."""
    random = Random(11)
    config = config_of(random)
    consumer = KeyedConsumer(
        LocalLog(folder / "log.db"), "engine", "traces", lambda message: Route(message.key),
        lambda key: operator(config), every=1e9, batch=1,
    )  # fmt: skip
    if not consumer.bus.end("traces"):
        log = script(random, config, panes=20).log(random)
        consumer.bus.send([("traces", "j", data) for data in log])
    while consumer.done < upto:
        consumer.step()
    return consumer


def test_a_kill_at_any_statement_of_a_commit_leaves_one_commit_or_the_other_whole(tmp_path: Path) -> None:
    """Between rows, between the rows and the manifest, behind the offsets: never a mixture."""
    first = committed(tmp_path, 60)
    first.commit()
    steady = committed(tmp_path, 90)
    expected = {60: first.states["j"].snapshot(), 90: steady.states["j"].snapshot()}
    first.bus.close()
    steady.bus.close()
    found, statement = [], 0
    while not found or found[-1] == 60:
        child = fork()
        if not child:
            _commit_and_die(tmp_path, statement)
        os.waitpid(child, 0)
        statement += 1
        after = committed(tmp_path, 0)
        found.append(after.done)
        assert after.states["j"].snapshot() == expected[after.done]
        after.bus.close()
    assert len(found) > 12 and found[-1] == 90


def _commit_and_die(folder: Path, statement: int) -> None:
    """In a child: killed as SQLite begins the statement with this number. It never comes back into the test."""
    left = statement

    def killed(_: str) -> None:
        nonlocal left
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

    try:
        consumer = committed(folder, 90)
        with consumer.bus._file.used() as connection:  # type: ignore[attr-defined]
            connection.set_trace_callback(killed)
        consumer.commit()
        os._exit(0)
    finally:
        os._exit(1)


@pytest.mark.parametrize("fault", ["flipped", "lost", "old"])
def test_a_row_that_is_not_what_was_committed_is_refused_with_its_name(fault: str, tmp_path: Path) -> None:
    consumer = committed(tmp_path, 60)
    consumer.commit()
    rows = dict(consumer.bus.rows("engine", "j"))
    place = ("j", max(rows, key=lambda name: len(rows[name])))
    for _ in range(9):
        consumer.step()
    consumer.commit()
    new = dict(consumer.bus.rows("engine", "j"))
    broken = bytearray(new.get(place[1], rows[place[1]]))
    broken[-1] ^= 1
    old = next(name for name in rows if name in new and new[name] != rows[name])
    changed = {"flipped": {place: bytes(broken)}, "lost": {("j", "job"): None}, "old": {("j", old): rows[old]}}
    consumer.bus.commit("engine", {}, rows=changed[fault])  # type: ignore[arg-type]
    with pytest.raises(StateDamagedError, match="streamgauge verify"):
        committed(tmp_path, 0)


def test_a_state_of_one_row_is_read_by_those_who_ask(tmp_path: Path) -> None:
    class Counter:
        taken = 0

        def on_records(self, records: list[bytes]) -> list[object]:
            self.taken += len(records)
            return []

        def snapshot(self) -> bytes:
            return b"%d" % self.taken

        def restore(self, data: bytes) -> None:
            self.taken = int(data)

    log = LocalLog(tmp_path / "log.db")
    log.send([("alerts", "j", b"")] * 3)
    made = {"make": lambda key: Counter()}
    consumer = KeyedConsumer(log, "counter", "alerts", lambda message: Route("j"), **made)  # type: ignore[arg-type]
    assert committed_state(log, "counter", "j") is None
    consumer.step()
    consumer.commit()
    assert committed_state(log, "counter", "j") == b"3"

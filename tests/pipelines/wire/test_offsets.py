"""Several logs of one topic are read in turn, each from its own offset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from streamgauge.pipelines.wire.offsets import Offsets, after
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.transport import MemoryLog, Message


class Parted(MemoryLog):
    """A log in memory whose topics have several partitions, each a topic of `MemoryLog`."""

    count = 3

    def logs(self, topic: str) -> Sequence[str]:
        return tuple(f"{topic}/{number}" for number in range(self.count))

    def bounds(self, topic: str) -> Mapping[str, tuple[int, int]]:
        return {log: (0, self.end(log)) for log in self.logs(topic)}


def values(found: dict[str, list[Message]]) -> dict[str, list[bytes]]:
    return {log: [message.value for message in messages] for log, messages in found.items()}


def test_a_backlog_in_one_log_holds_up_no_other() -> None:
    bus = Parted()
    bus.send([("traces/0", "a", b"%d" % number) for number in range(100)])
    bus.send([("traces/1", "b", b"b"), ("traces/2", "c", b"c")])
    reading, seen = Offsets(bus, ("traces",), {}), set[str]()
    for _ in range(3):
        found = reading.next(10)
        reading.advance(found)
        seen |= set(found)
    assert seen == {"traces/0", "traces/1", "traces/2"}


def test_every_log_goes_on_from_its_own_offset_until_nothing_is_behind() -> None:
    bus = Parted()
    bus.send([("traces/0", "a", b"0"), ("traces/0", "a", b"1"), ("traces/2", "c", b"2")])
    reading = Offsets(bus, ("traces",), {"traces/0": 1})
    assert reading.lag(bus) == 2
    found = reading.next(10)
    assert values(found) == {"traces/2": [b"2"], "traces/0": [b"1"]}
    assert after(found) == {"traces/2": 1, "traces/0": 2}
    assert values(reading.next(10)) == values(found), "only `advance` moves"
    reading.advance(found)
    assert reading.next(10) == {}
    assert reading.lag(bus) == 0


def test_a_log_that_a_topic_grew_is_read_from_its_beginning() -> None:
    bus = Parted()
    reading = Offsets(bus, ("scores", "alerts"), {"scores/0": 5})
    bus.count = 4
    bus.send([("alerts/3", "a", b"new")])
    assert values(reading.next(10)) == {"alerts/3": [b"new"]}


def test_what_retention_took_is_no_lag(tmp_path: Path) -> None:
    log = LocalLog(tmp_path / "log.db")
    log.send([("scores", "a", b"%d" % number) for number in range(10)])
    log.trim("scores", 7)
    assert [Offsets(log, ("scores",), {"scores": at}).lag(log) for at in (0, 6, 8, 10)] == [3, 3, 2, 0]
    log.trim("scores", 10)
    assert Offsets(log, ("scores",), {}).lag(log) == 0
    log.close()

"""The reader on a real broker: its consumer goes back to an earlier record, or is slower than the brokers are."""

from __future__ import annotations

import time
from collections import defaultdict
from pathlib import Path

import pytest

from streamgauge.pipelines.adapters.kafka import reader
from streamgauge.pipelines.wire.offsets import Offsets
from tests.pipelines.adapters.kafka import world
from tests.servers.kafka import KafkaServers

pytestmark = pytest.mark.real


def test_a_log_of_which_too_much_waits_is_read_again_from_an_earlier_record(
    kafka: KafkaServers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_FULL", 100_000)  # bytes: it stops reading ahead soon
    values = [b"%d" % number + bytes(5_000) for number in range(200)]
    with world.bus(world.topics(kafka), tmp_path) as bus:
        bus.send([("traces", "a", value) for value in values])
        (log,) = [log for log, (_, end) in bus.bounds("traces").items() if end]
        for rewind in (0, 1, 0, 150, 3):
            while bus.wait(0.3):
                pass  # until nothing more comes: it is paused, or has it all
            found: list[bytes] = []
            while rewind + len(found) < len(values):
                found += [message.value for message in bus.read(log, rewind + len(found), 10)]
                if len(found) > 30:
                    break
            assert found == values[rewind : rewind + len(found)]


def test_a_slow_consumer_reads_on_without_a_pause_of_its_client(kafka: KafkaServers, tmp_path: Path) -> None:
    """A paused log stands still for a second when it goes on: most of the time that it takes to catch up."""
    sent = {key: [b"%d" % number + bytes(100_000) for number in range(count)] for key, count in (("a", 300), ("b", 3))}
    with world.bus(world.topics(kafka, partitions=12), tmp_path) as bus:
        for key, values in sent.items():
            bus.send([("traces", key, value) for value in values])
        reading, found = Offsets(bus, ("traces",), {}), defaultdict[str, list[bytes]](list)
        while reading.lag(bus):
            batches = reading.next(10)
            for message in (message for batch in batches.values() for message in batch):
                found[message.key].append(message.value)
            reading.advance(batches)
            assert not any(view.is_paused for view in bus._reader._views.values())
            time.sleep(0.002)
    assert found == sent


def test_a_log_that_nobody_reads_any_more_does_not_fill_the_memory_of_one_who_waits_for_another(
    kafka: KafkaServers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_FULL", 1_000_000)
    values = [b"%d" % number + bytes(100_000) for number in range(600)]
    with world.bus(world.topics(kafka, partitions=12), tmp_path) as bus:
        bus.send([("traces", "a", value) for value in values])
        (flood,) = [log for log, (_, end) in bus.bounds("traces").items() if end]
        (first,) = bus.read(flood, 0, 1)
        for number in range(5):
            bus.send([("traces", "b", b"%d" % number)])
            (other,) = [log for log, (_, end) in bus.bounds("traces").items() if end and log != flood]
            assert [message.value for message in bus.read(other, number, 10)] == [b"%d" % number]
            assert sum(view.size for view in bus._reader._views.values()) < 25_000_000
        found = [first]
        while len(found) < len(values):
            found += bus.read(flood, len(found), 50)
    assert [message.value for message in found] == values

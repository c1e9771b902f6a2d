"""The reader on a real broker when its consumer goes back to an earlier record, however much it has read ahead."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.adapters import kafka_reader
from tests.pipelines.adapters import kafka_world
from tests.servers.kafka import KafkaServers

pytestmark = pytest.mark.real


def test_a_log_of_which_too_much_waits_is_read_again_from_an_earlier_record(
    kafka: KafkaServers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_reader, "_FULL", 100_000)  # bytes: it stops reading ahead soon
    values = [b"%d" % number + bytes(5_000) for number in range(200)]
    with kafka_world.bus(kafka_world.topics(kafka), tmp_path) as bus:
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

"""Brokers that are down at the start, go away, come back, and one of three that dies: nothing lost, nothing twice."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest

from streamgauge.tracer import codec
from streamgauge.tracer.kafka.transport import KafkaTransport
from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import LogError, Message
from tests.places import ROOT
from tests.servers.kafka import KafkaServers
from tests.tracer.kafka.client_double import sees, sends
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.real


def fault_of(call: Callable[[], object]) -> LogError:
    with pytest.raises(LogError) as caught:
        call()
    return caught.value


class Outage(NamedTuple):
    """What transports and a tracer said before, during and after one outage."""

    sent_early: list[bytes]
    sent_late: list[bytes]
    faults: list[LogError]  # of sends, and of a stranger's first look
    seen: list[dict[str, bytes]]  # on the control topic: before, during, after
    was_flushed: bool  # the tracer, during
    counters: dict[str, int]  # its, after
    found: list[Message]


@pytest.fixture(scope="module")
def outage(kafka_jars: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outage]:
    broker = KafkaServers(tmp_path_factory.mktemp("outage"))
    try:
        broker.create("traces", "tensors")
        broker.create("control", "status", "catalogue", cleanup_policy="compact")
        yield lived_through(broker)
    finally:
        broker.stop()


def lived_through(broker: KafkaServers) -> Outage:
    early = [("traces", "once", f"early {i}".encode()) for i in range(10)]
    late = [("traces", "once", f"late {i}".encode()) for i in range(50)]
    transport = KafkaTransport(broker.bootstrap, patience=0.5)
    until(partial(sends, transport, [*early, ("control", "a", b"1")]))
    until(lambda: sees(transport, {"a": b"1"}))
    seen = [dict(transport.latest("control"))]
    broker.kill()
    faults = [fault_of(lambda: transport.send(late)) for _ in range(2)]
    faults.append(fault_of(lambda: KafkaTransport(broker.bootstrap, patience=0.3).latest("control")))
    seen.append(dict(transport.latest("control")))
    tracer = Tracer("born", "w", KafkaTransport(broker.bootstrap, patience=0.5), pane=0.2)
    for _ in range(20):
        tracer.step(loss=0.5, features={"age": np.arange(4.0)}, rows=4)
        time.sleep(0.05)
    was_flushed = tracer.flush(timeout=0.5)
    broker.start()
    until(partial(sends, transport, late))
    until(partial(sends, transport, [("control", "a", b"2")]))
    until(lambda: sees(transport, {"a": b"2"}))
    seen.append(dict(transport.latest("control")))
    until(lambda: tracer.flush(timeout=5.0))
    tracer.close(timeout=PATIENCE_S)
    found = KafkaTransport(broker.bootstrap, patience=PATIENCE_S).read("traces", 0, 10_000)
    return Outage(
        [value for _, _, value in early], [value for _, _, value in late], faults, seen, was_flushed,
        tracer.counters, found,
    )  # fmt: skip


def test_what_is_sent_while_the_broker_is_down_waits_and_says_why(outage: Outage) -> None:
    for fault in outage.faults[:2]:
        assert fault.retryable
        assert "has not acknowledged 50 of 50 messages in 0.5 s" in str(fault) and "they wait" in str(fault)


def test_what_was_sent_while_the_broker_was_down_is_there_once_when_it_is_back(outage: Outage) -> None:
    found = [message.value for message in outage.found if message.key == "once"]
    assert found == outage.sent_early + outage.sent_late


def test_what_a_compacted_topic_said_last_holds_while_the_broker_is_down(outage: Outage) -> None:
    assert outage.seen == [{"a": b"1"}, {"a": b"1"}, {"a": b"2"}]


def test_a_first_look_at_a_dead_broker_says_that_waiting_can_help(outage: Outage) -> None:
    assert outage.faults[2].retryable and "Kafka at 127.0.0.1" in str(outage.faults[2])


def test_a_tracer_that_starts_without_a_broker_loses_nothing(outage: Outage) -> None:
    assert not outage.was_flushed
    batches = [codec.decode(message.value) for message in outage.found if message.key == "born"]
    assert [batch.sequence for batch in batches] == list(range(1, len(batches) + 1))
    assert len(batches) >= 5 and batches[-1].final
    assert [name for name, count in outage.counters.items() if name.startswith("dropped") and count] == []


def test_a_job_ends_though_its_broker_never_answers() -> None:
    code = (
        "from streamgauge.tracer.kafka.transport import KafkaTransport; from streamgauge.tracer.tracer import Tracer\n"
        "tracer = Tracer('j', 'w', KafkaTransport('127.0.0.1:1'))\n"
        "for _ in range(100): tracer.step(loss=1.0, rows=1)\n"
        "assert tracer.counters['captured'] >= 0 and tracer.counters['sent'] == 0\n"
        "print('done')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert "Traceback" not in done.stderr


def test_the_death_of_a_leader_in_mid_stream_loses_and_repeats_nothing(kafka3: KafkaServers) -> None:
    kafka3.create("traces", partitions=3, copies=3)
    transport = KafkaTransport(kafka3.bootstrap, patience=1.0)
    batches = [[("traces", f"k{j}", f"{i}".encode()) for j in range(6)] for i in range(200)]
    half = threading.Event()

    def work() -> None:
        for number, batch in enumerate(batches):
            if number == 60:
                half.set()
            until(partial(sends, transport, batch))

    sender = threading.Thread(target=work)
    sender.start()
    assert half.wait(PATIENCE_S)
    kafka3.kill(0)  # leads one of the three partitions
    sender.join(4 * PATIENCE_S)
    assert not sender.is_alive()
    reader = KafkaTransport(kafka3.bootstrap, patience=PATIENCE_S)
    found = list(itertools.chain(*(reader.read(f"traces/{i}", 0, 10_000) for i in range(3))))
    for j in range(6):
        assert [int(message.value) for message in found if message.key == f"k{j}"] == list(range(200))
    for one in (transport, reader):
        one.close()

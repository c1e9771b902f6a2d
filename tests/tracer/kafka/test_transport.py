"""The tracer's transport on a real Apache Kafka: order, partitions, compaction, sizes, forks, faults of use."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator

import numpy as np
import pytest
from confluent_kafka import Producer

from streamgauge.tracer import arrays, codec, control
from streamgauge.tracer.faults import Faults
from streamgauge.tracer.kafka import follow
from streamgauge.tracer.kafka.settings import SettingsError
from streamgauge.tracer.kafka.transport import KafkaTransport
from streamgauge.tracer.selection import Select
from streamgauge.tracer.sender import Priority, Sender
from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import LogError, Message
from tests.forks import fork
from tests.places import ROOT
from tests.servers.kafka import KafkaServers
from tests.tracer.kafka.client_double import sees, sends
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.real
# org.apache.kafka.common.utils.UtilsTest.testMurmur2: what Java's client hashes keys to
JAVA_MURMUR2 = {
    "21": -973932308,
    "foobar": -790332482,
    "a-little-bit-long-string": -985981536,
    "a-little-bit-longer-string": -1486304829,
    "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    "abc": 479470107,
}


@pytest.fixture
def prefix() -> str:
    return f"{uuid.uuid4().hex[:8]}."


@pytest.fixture
def transport(kafka: KafkaServers, prefix: str) -> Iterator[KafkaTransport]:
    made = KafkaTransport(kafka.bootstrap, prefix=prefix, patience=PATIENCE_S)
    yield made
    made.close()


def everything(transport: KafkaTransport, topic: str, partitions: int) -> list[Message]:
    return [message for number in range(partitions) for message in transport.read(f"{topic}/{number}", 0, 100_000)]


def test_each_keys_messages_lie_in_the_order_sent(kafka: KafkaServers, transport: KafkaTransport, prefix: str) -> None:
    kafka.create(f"{prefix}traces", partitions=3)
    for start in range(0, 900, 300):
        transport.send([("traces", f"job-{i % 7}", str(i).encode()) for i in range(start, start + 300)])
    found = everything(transport, "traces", 3)
    assert len(found) == 900
    for key in {message.key for message in found}:
        numbers = [int(message.value) for message in found if message.key == key]
        assert numbers == sorted(numbers)
        assert len({message.partition for message in found if message.key == key}) == 1


def test_a_key_lies_in_the_partition_where_javas_client_puts_it(
    kafka: KafkaServers, transport: KafkaTransport, prefix: str
) -> None:
    kafka.create(f"{prefix}traces", partitions=12)
    transport.send([("traces", key, b"1") for key in JAVA_MURMUR2])
    found = {message.key: message.partition for message in everything(transport, "traces", 12)}
    assert found == {key: (number & 0x7FFFFFFF) % 12 for key, number in JAVA_MURMUR2.items()}


def test_a_slice_begins_at_its_offset_and_has_its_limit(
    kafka: KafkaServers, transport: KafkaTransport, prefix: str
) -> None:
    kafka.create(f"{prefix}tensors")
    transport.send([("tensors", "k", str(i).encode()) for i in range(10)])
    assert [int(message.value) for message in transport.read("tensors", 3, 4)] == [3, 4, 5, 6]
    assert [int(message.value) for message in transport.read("tensors/0", 8, 100)] == [8, 9]
    assert transport.read("tensors", 10, 5) == []


def test_a_topic_of_several_partitions_is_read_one_at_a_time(
    kafka: KafkaServers, transport: KafkaTransport, prefix: str
) -> None:
    kafka.create(f"{prefix}traces", partitions=2)
    with pytest.raises(LogError, match="has 2 partitions; read one of traces/0 to traces/1"):
        transport.read("traces", 0, 1)


def test_the_latest_values_are_right_through_holes_and_tombstones(
    kafka: KafkaServers, transport: KafkaTransport, prefix: str
) -> None:
    quick = {"segment_ms": "100", "min_cleanable_dirty_ratio": "0.01", "delete_retention_ms": "0"}
    kafka.create(f"{prefix}control", partitions=2, cleanup_policy="compact", **quick)
    transport.send([("control", f"k{i % 20}", str(i).encode()) for i in range(2000)])
    transport.send([("control", f"k{i}", b"") for i in range(0, 20, 2)])
    expected = {f"k{i}": str(1980 + i).encode() for i in range(1, 20, 2)}
    assert dict(transport.latest("control")) == expected

    def has_holes() -> bool:  # the cleaner only takes what lies before the newest segment
        transport.send([("control", f"last-{i}", b"x") for i in range(8)])
        return len(everything(transport, "control", 2)) < 500

    until(has_holes)
    fresh = KafkaTransport(kafka.bootstrap, prefix=prefix, patience=PATIENCE_S)
    assert dict(fresh.latest("control")) == expected | {f"last-{i}": b"x" for i in range(8)}
    assert fresh.latest("control") == transport.latest("control")
    fresh.close()


def test_the_latest_values_follow_what_others_write(
    kafka: KafkaServers, transport: KafkaTransport, prefix: str
) -> None:
    kafka.create(f"{prefix}control", cleanup_policy="compact")
    assert transport.latest("control") == {}
    other = KafkaTransport(kafka.bootstrap, prefix=prefix)
    other.send([("control", "a", b"1"), ("control", "b", b"2")])
    until(lambda: transport.latest("control") == {"a": b"1", "b": b"2"})
    other.send([("control", "a", b"")])
    until(lambda: transport.latest("control") == {"b": b"2"})
    other.close()


def test_a_long_compacted_topic_is_read_however_short_the_patience(
    kafka: KafkaServers, transport: KafkaTransport, prefix: str
) -> None:
    kafka.create(f"{prefix}control", cleanup_policy="compact")
    values = {f"k{i}": b"x" * 1000 for i in range(10_000)}
    transport.send([("control", key, value) for key, value in values.items()])
    hasty = KafkaTransport(kafka.bootstrap, prefix=prefix, patience=0.02)
    until(lambda: sees(hasty, values))
    hasty.close()


def test_what_other_producers_write_on_control_does_no_harm(
    kafka: KafkaServers, transport: KafkaTransport, prefix: str
) -> None:
    kafka.create(f"{prefix}control", cleanup_policy="compact")
    ours = {"bootstrap.servers": kafka.bootstrap, "log_level": 0}
    foreign = Producer(ours)
    foreign.produce(f"{prefix}control", b"\xff\x00", b"\xfe", headers=[("a", b"b")])
    assert foreign.flush(PATIENCE_S) == 0
    transactional = Producer(ours | {"transactional.id": prefix})
    transactional.init_transactions(PATIENCE_S)
    for value, finish in ((b"kept", "commit_transaction"), (b"aborted", "abort_transaction")):
        transactional.begin_transaction()
        transactional.produce(f"{prefix}control", value, b"t")
        assert transactional.flush(PATIENCE_S) == 0
        getattr(transactional, finish)(PATIENCE_S)  # leaves a marker behind: the topic ends with a hole
    assert transport.latest("control") == {"\\xfe": b"\xff\x00", "t": b"kept"}
    assert [message.value for message in transport.read("control", 0, 10)] == [b"\xff\x00", b"kept"]


def test_a_topic_that_is_not_compacted_has_no_latest_values(transport: KafkaTransport) -> None:
    with pytest.raises(LogError, match="not compacted"):
        transport.latest("traces")


def test_a_missing_topic_is_told_with_the_command_that_makes_it(
    kafka: KafkaServers, transport: KafkaTransport, prefix: str
) -> None:
    for call in (
        lambda: transport.send([("traces", "j", b"1")]),
        lambda: transport.latest("control"),
        lambda: transport.read("traces", 0, 1),
    ):
        with pytest.raises(LogError, match="streamgauge topics --create") as caught:
            call()
        assert caught.value.retryable
    kafka.create(f"{prefix}control", cleanup_policy="compact")
    until(lambda: sends(transport, [("control", "j", b"1")]))
    assert transport.latest("control") == {"j": b"1"}


def test_a_topic_made_again_with_other_partitions_is_found_again(
    kafka: KafkaServers, transport: KafkaTransport, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "VERIFY", 0.2)
    kafka.create(f"{prefix}control", partitions=1, cleanup_policy="compact")
    transport.send([("control", "old", b"1")])
    assert transport.latest("control") == {"old": b"1"}
    kafka.delete(f"{prefix}control")
    with pytest.raises(LogError, match="has no topic"):
        until(lambda: transport.latest("control") == {})
    kafka.create(f"{prefix}control", partitions=3, cleanup_policy="compact")
    messages = [("control", f"new-{i}", b"2") for i in range(9)]
    until(lambda: sends(transport, messages))
    until(lambda: sees(transport, {f"new-{i}": b"2" for i in range(9)}))


def test_missing_tensors_hold_up_nothing_else(kafka: KafkaServers, transport: KafkaTransport, prefix: str) -> None:
    kafka.create(f"{prefix}traces")
    sender = Sender(transport, Faults(time.monotonic), 1_000_000)
    for number in range(3):
        sender.put("traces", "j", str(number).encode(), Priority.SCALAR)
        sender.put("tensors", "j/w", b"array", Priority.RAW)
    until(sender.pump)
    assert [message.value for message in transport.read("traces", 0, 100)] == [b"0", b"1", b"2"]
    assert sender.sent == 3


def test_a_message_above_the_limit_is_left_out_and_the_rest_arrives_once(
    kafka: KafkaServers, transport: KafkaTransport, prefix: str
) -> None:
    kafka.create(f"{prefix}traces", max_message_bytes="100000")  # the broker's word, below the client's
    faults = Faults(time.monotonic)
    sender = Sender(transport, faults, 10_000_000)
    noise = np.random.default_rng(1).bytes(2_000_000)  # lz4 finds nothing in it
    for value in (b"a", noise[:200_000], b"b", noise, b"c"):
        sender.put("traces", "j", value, Priority.SCALAR)
    until(sender.pump)
    assert [message.value for message in transport.read("traces", 0, 100)] == [b"a", b"b", b"c"]
    assert faults.counts["refused"] == 2


def test_an_array_beyond_the_limit_travels_in_chunks(
    kafka: KafkaServers, transport: KafkaTransport, prefix: str
) -> None:
    kafka.create(f"{prefix}tensors")
    array = np.random.default_rng(1).standard_normal((700, 700))  # 3.9 MB
    about = arrays.Chunk(job="j", worker="w", incarnation="i", step=1, time=0.0, collection="weights", name="x",
                         data=b"")  # fmt: skip
    transport.send([("tensors", "j/w", message) for message in arrays.chunks(array, about)])
    found = [message.value for message in transport.read("tensors", 0, 100)]
    assert len(found) > 3
    np.testing.assert_array_equal(arrays.assemble(found), array)


def test_threads_share_a_transport(kafka: KafkaServers, transport: KafkaTransport, prefix: str) -> None:
    kafka.create(f"{prefix}traces")

    def work(name: str) -> None:
        for number in range(20):
            transport.send([("traces", name, str(number).encode())])

    threads = [threading.Thread(target=work, args=(f"t{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = transport.read("traces", 0, 1000)
    for thread_name in ("t0", "t1", "t2", "t3"):
        assert [int(message.value) for message in found if message.key == thread_name] == list(range(20))


def test_a_forked_child_sends_and_follows_on_its_own(
    kafka: KafkaServers, transport: KafkaTransport, prefix: str
) -> None:
    kafka.create(f"{prefix}traces")
    kafka.create(f"{prefix}control", cleanup_policy="compact")
    transport.send([("traces", "j", b"before"), ("control", "a", b"1")])
    assert transport.latest("control") == {"a": b"1"}
    child = fork()
    if child == 0:
        try:
            transport.send([("traces", "j", b"child")])
            os._exit(0 if transport.latest("control") == {"a": b"1"} else 1)
        finally:
            os._exit(2)
    transport.send([("traces", "j", b"parent")])
    assert os.waitpid(child, 0)[1] == 0
    found = [message.value for message in transport.read("traces", 0, 10)]
    assert found[0] == b"before" and sorted(found[1:]) == [b"child", b"parent"]
    transport.send([("traces", "j", b"after")])


def test_a_tracer_is_read_and_controlled_through_kafka(
    kafka: KafkaServers, transport: KafkaTransport, prefix: str
) -> None:
    kafka.create(f"{prefix}traces", f"{prefix}tensors")
    kafka.create(f"{prefix}control", f"{prefix}status", f"{prefix}catalogue", cleanup_policy="compact")
    now = [1_000_000.0]
    tracer = Tracer("ctr", "w0", transport, clock=lambda: now[0], pane=10.0)
    plan = control.plan("ctr", "night", 1, issued=now[0], select=[Select(collection="metrics", include=".*")])
    transport.send([("control", control.key_of("ctr", "night"), plan)])

    def step() -> bool:
        now[0] += 10.0
        tracer.step(loss=0.5, features={"age": np.arange(4.0)}, rows=4)
        tracer.scalar("depth", 1.0)
        assert tracer.flush()
        said = transport.latest("status").get(control.key_of("ctr", "w0"))
        return said is not None and any(one.state == "applied" for one in control.decode_status(said).plans)

    until(step)
    tracer.close()
    batches = [codec.decode(message.value) for message in transport.read("traces", 0, 1000)]
    assert [batch.sequence for batch in batches] == list(range(1, len(batches) + 1))
    assert batches[-1].final
    assert {message.key for message in transport.read("traces", 0, 1000)} == {"ctr"}


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"bogus.setting": "1"}, 'No such configuration property: "bogus.setting"'),
        ({"socket.timeout.ms": "soon"}, "socket.timeout.ms"),
        ({"security.protocol": "SSL", "ssl.ca.location": "/nowhere/ca.pem"}, "cannot read '/nowhere/ca.pem'"),
        ({"partitioner": "consistent"}, "settings.partitioner: is set by streamgauge"),
    ],
)
def test_settings_that_cannot_work_are_told_before_the_training(settings: dict[str, str], fault: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(fault)):
        KafkaTransport("127.0.0.1:1", settings=settings)


def test_only_the_kafka_modules_import_the_client() -> None:
    allowed = re.compile(r"(tracer|pipelines/adapters)/kafka/\w+\.py")
    importing = re.compile(r"^\s*(from|import) confluent_kafka", re.MULTILINE)
    sources = [
        path for package in ("tracer", "anomaly", "pipelines", "dashboards") for path in (ROOT / package).rglob("*.py")
    ]
    found = [str(path.relative_to(ROOT)) for path in sources if importing.search(path.read_text())]
    assert "tracer/kafka/client.py" in found
    assert [path for path in found if not allowed.fullmatch(path)] == []


def test_without_the_client_the_error_names_the_extra() -> None:
    code = "import sys; sys.modules['confluent_kafka'] = None; import streamgauge.tracer.kafka.transport"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert "pip install 'streamgauge[kafka]'" in done.stderr

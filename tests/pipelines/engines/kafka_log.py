"""A recorded log on a real broker, hosts of the Faust engine on it, and what they said as their readers read it."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from streamgauge.pipelines.adapters.kafka.bus import KafkaBus
from streamgauge.pipelines.adapters.kafka.group import GroupOffsets
from streamgauge.pipelines.config import loading
from streamgauge.pipelines.config.schema import Config, JobConfig, Kafka
from streamgauge.pipelines.engines.embedded import Engine
from streamgauge.pipelines.engines.parts import operator_of
from streamgauge.pipelines.engines.ticking import Hosted
from streamgauge.pipelines.stream import shards
from streamgauge.pipelines.stream.shards import Forward
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.dead_letters import fitting
from streamgauge.pipelines.wire.offsets import Offsets
from streamgauge.pipelines.wire.topics import GROUPS, LARGEST
from streamgauge.tracer import codec, summaries
from streamgauge.tracer.records import Name, Open, Tick, TraceBatch, key_of, shard_of
from streamgauge.tracer.transport import LogError, MemoryLog, Message
from tests.pipelines.engines import test_kill

TOPICS: Final = ("scores", "anomalies", "partials", "dead-letters")
PLAIN: Final = ("ctr", "ads", "feed", "mail")
SHARDED: Final = "rank"
FOREIGN: Final = (
    ("traces", "ctr", b"not ours"), ("traces", "some other job", b'{"rows": 3}'), ("traces", "feed", b"\xc1"),
    ("traces", "mail", codec.encode(Tick(job="ads", time=3.0))),
)  # fmt: skip
_KINDS: Final = outputs.KINDS | shards.KINDS | {"tick": Tick}

Sent = list[tuple[str, str, bytes]]


def configured(folder: Path, kafka: Kafka) -> Path:
    """A configuration of four jobs and a sharded one."""
    head, _, job = test_kill.CONFIG.partition("[jobs.ctr]")
    named = "".join(f"[jobs.{name}]{job}" for name in PLAIN) + f"[jobs.{SHARDED}]{job}shards = 2\n"
    text = f'{head}data = "{folder}/data"\n[kafka]\nbootstrap = "{kafka.bootstrap}"\nprefix = "{kafka.prefix}"\n{named}'
    path = folder / "streamgauge.toml"
    path.write_text(text)
    return path


def changed(text: str) -> str:
    """The configuration with a key of each class changed: thresholds, a window, shards, a job that has another name."""
    before, name, ads = text.partition("[jobs.ads]")
    text = before + name + ads.replace("length = 60, slide = 20", "length = 80, slide = 20", 1)
    text = text.replace("[jobs.mail]", "[jobs.post]").replace("shards = 2", "shards = 3")
    return text.replace("[jobs.ctr]\n", '[jobs.ctr]\ndetection = { threshold = 9, warm_up = "1h", clear = 3 }\n')


def log_of(panes: Iterable[int]) -> Sent:
    """What all jobs' workers and ticks append, pane by pane; now and then something that nobody can use."""
    sent: Sent = []
    for number in panes:
        for data in [value for _, _, value in test_kill.pane_of(number)]:
            record = codec.decode(data)
            assert isinstance(record, TraceBatch | Tick)
            for name in PLAIN:
                sent.append(("traces", name, codec.encode(msgspec.structs.replace(record, job=name))))
            sent += _sharded(msgspec.structs.replace(record, job=SHARDED))
        if number % 40 == 7:
            sent += FOREIGN
    return sent


def _sharded(record: TraceBatch | Tick) -> Sent:
    if isinstance(record, Tick):
        made: list[Any] = [msgspec.structs.replace(record, shard=shard) for shard in range(2)]
    else:
        made = [msgspec.structs.replace(record, shard=shard_of(record.worker, 2), shards=2)]
        if record.sequence == 1:
            made += [Open(job=SHARDED, shard=shard, shards=2, start=record.pane) for shard in range(2)]
    return [("traces", key_of(SHARDED, one.shard, 2), codec.encode(one)) for one in made]


def overgrown() -> Sent:
    """Windows a little larger than a message may be: of 900 series, of one key and of shards."""
    names = [Name("train", f"{i}-{'x' * 1000}", "") for i in range(900)]
    fields: dict[str, Any] = {
        "names": codec.encode_names(names), "index": np.arange(900, dtype="<u2").tobytes(),
        "value": np.ones(900).tobytes(),
    }  # fmt: skip
    return [_wide(job, spread, 1, is_last=True, **fields) for job, spread in (("ctr", 1), (SHARDED, 2))]


def overdrawn() -> Sent:
    """Pictures of 1,800 features in one window, which no single message holds."""
    sent: Sent = []
    drawn = summaries.Histogram.of(np.ones(1))
    for number in range(2):
        entities = [f"{number}-{i}-{'x' * 900}" for i in range(900)]
        sketches = tuple(summaries.encode(drawn, "train", "queue_delay", entity) for entity in entities)
        sent.append(_wide("ads", 1, number + 1, is_last=number == 1, sketches=sketches))
    return sent


def _wide(job: str, spread: int, number: int, *, is_last: bool, **fields: Any) -> tuple[str, str, bytes]:
    shard = shard_of("wide", spread)
    batch = TraceBatch(
        job=job, worker="wide", shard=shard, shards=spread, incarnation="i", sequence=number, pane=0.0,
        pane_length=10.0, interval=10.0, watermark=10.0 if is_last else 0.0, final=is_last, **fields,
    )  # fmt: skip
    return "traces", key_of(job, shard, spread), codec.encode(batch)


def steady(
    config: Config, sent: Sequence[tuple[str, str, bytes]], make: Callable[[JobConfig, int], Hosted] = operator_of
) -> dict[Any, list[Any]]:
    """What the embedded engine says of the same log, uninterrupted, on a log that takes no large messages."""
    log = MemoryLog()
    log.send(sent)
    engine = Engine(config, log, make)
    while engine.step():
        pass
    return as_read(fitted(message) for topic in TOPICS for message in log.read(topic, 0, 10**9))


def fitted(message: Message) -> Message:
    """What lies in its place on a log that takes no large messages."""
    return message._replace(**dict(zip(("topic", "key", "value"), fitting(message[:3], LARGEST), strict=True)))


def said(bus: KafkaBus) -> dict[Any, list[Any]]:
    """What lies on the brokers."""
    ends = [(log, end) for topic in TOPICS for log, (_, end) in bus.bounds(topic).items()]
    return as_read(message for log, end in ends for message in everything(bus, log, end))


def end(bus: KafkaBus, topic: str) -> int:
    """How many messages a topic ever had."""
    return sum(end for _, end in bus.bounds(topic).values())


def everything(bus: KafkaBus, log: str, end: int) -> Iterable[Message]:
    offset = 0
    while offset < end:
        for message in bus.read(log, offset, 10_000):
            offset = message.offset + 1
            yield message


def as_read(messages: Iterable[Message]) -> dict[Any, list[Any]]:
    """As who drops repeats by number (a tick's by time) keeps them: bytes in their order by topic, job and shard.

    Dead letters have no number: their bytes as a sorted set.
    """
    read: dict[Any, list[Any]] = {}
    last: dict[Any, tuple[float, int]] = {}
    for message in messages:
        record = outputs.decode(message.value, _KINDS)
        if message.topic == "dead-letters":
            read[message.topic] = sorted({*read.get(message.topic, []), message.value})
            continue
        stream = (message.topic, message.key, getattr(record, "shard", 0), isinstance(record, Tick | Forward))
        number = (record.time if isinstance(record, Tick) else record.number, getattr(record, "piece", 0))
        if number > last.get(stream, (-math.inf, 0)):
            last[stream] = number
            read.setdefault(stream, []).append(message.value)
    return read


class Hosts:
    """Processes of the Faust engine."""

    def __init__(self, config: Path) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []
        self._config = config

    def start(self, script: str = "") -> subprocess.Popen[bytes]:
        """One more; of a test's own making if a script is given."""
        command = [sys.executable, "-m", "pipelines", "engine", "faust", "--config", str(self._config)]
        if script:
            command = [sys.executable, "-c", script, str(self._config)]
        self.processes.append(subprocess.Popen(command))
        return self.processes[-1]

    def stop(self) -> None:
        """End all orderly, and see that they do."""
        for process in self.processes:
            process.terminate()
        try:
            assert [process.wait(timeout=30) for process in self.processes] == [0] * len(self.processes)
        finally:
            for process in self.processes:
                process.kill()
                process.wait()

    def kill(self, *processes: subprocess.Popen[bytes]) -> None:
        """SIGKILL to these, or all."""
        for process in processes or tuple(self.processes):
            process.kill()
            process.wait()
            self.processes.remove(process)


def group_lag(group: GroupOffsets, bus: KafkaBus) -> int:
    """Records of `traces` that a group has not committed; all while nobody coordinates it yet."""
    try:
        committed = group()
    except LogError:
        committed = {}
    offsets = {log: committed.get(number, 0) for number, log in enumerate(bus.logs("traces"))}
    return Offsets(bus, ("traces",), offsets).lag(bus)


class Progress:
    """How far the group of hosts is."""

    def __init__(self, config: Path, bus: KafkaBus) -> None:
        kafka = loading.load(config).kafka
        assert kafka is not None
        self._offsets, self._bus = GroupOffsets(kafka, GROUPS["faust"]), bus

    def lag(self) -> int:
        """Records that are not in a stored state."""
        return group_lag(self._offsets, self._bus)

    def scores(self) -> int:
        """How much was said."""
        return end(self._bus, "scores")

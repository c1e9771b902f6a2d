"""Logs to test the stream core with: drawn from a `random.Random`, as a pane-by-pane script that can be interleaved."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

import msgspec
import numpy as np

from streamgauge.pipelines.config.schema import JobConfig, WindowSpec
from streamgauge.pipelines.metrics import Report
from streamgauge.pipelines.stream.operators import Operator
from streamgauge.pipelines.stream.shards import Combiner
from streamgauge.pipelines.wire import kept, outputs
from streamgauge.pipelines.wire.kept import Stored
from streamgauge.pipelines.wire.outputs import Change, Counters, Output
from streamgauge.pipelines.wire.rows import InRows
from streamgauge.tracer import summaries
from streamgauge.tracer.codec import encode, encode_names
from streamgauge.tracer.records import Event, Feedback, Name, Open, Record, Setting, Tick, TraceBatch, key_of, shard_of

PANE = 10.0
T0 = 1_700_000_040.0  # a multiple of 60 s
NAMES = [
    Name("train", "loss", ""),
    Name("train", "gradient_norm", "tensor:a"),
    Name("sample", "rows", ""),
    Name("wall", "cpu", ""),
    Name("wall", "rows_seen", ""),
    Name("label", "labels", ""),
]


class Echoed(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """What the fold-through stage 2 says of a report: all of it, and a digest of all that it had been told before."""

    window: int
    start: float
    end: float
    revision: int
    data: bytes
    chain: str
    number: int = 0


class Echo:
    """A stage 2 that lets everything through and depends on the order of what it is told."""

    def __init__(self) -> None:
        self.chain = ""

    def on_report(self, report: Report) -> list[msgspec.Struct]:
        assert not report.revisions
        data = msgspec.msgpack.encode(msgspec.structs.replace(report, number=0, shard=0, shards=1))
        if report.revision == 0:
            self._tell(data)
        return [
            Echoed(
                window=report.window, start=report.start, end=report.end, revision=report.revision,
                data=data, chain=self.chain,
            )
        ]  # fmt: skip

    def on_change(self, change: Change) -> list[msgspec.Struct]:
        return [change]

    def on_setting(self, setting: Setting) -> list[msgspec.Struct]:
        self._tell(encode(setting))
        return []

    def adopt(self, config: JobConfig) -> None:
        """Nothing depends on it."""

    def learn_from(self, state: bytes) -> None:
        """Nothing depends on it."""

    def on_feedback(self, feedback: Feedback) -> list[msgspec.Struct]:
        self._tell(encode(feedback))
        return []

    def snapshot(self) -> bytes:
        return self.chain.encode()

    def restore(self, data: bytes) -> None:
        self.chain = data.decode()

    def _tell(self, data: bytes) -> None:
        self.chain = hashlib.sha256(self.chain.encode() + data).hexdigest()[:16]


KINDS: dict[str, Any] = {**outputs.KINDS, "echoed": Echoed}


def config_of(random: Random, **fields: Any) -> JobConfig:
    """One of a few configurations."""
    windows = random.choice(
        [
            (_spec("short", 30, 30), _spec("long", 90, 30), _spec("wall", 20, 20)),
            (_spec("short", 20, 20), _spec("wall", 20, 20)),
            (_spec("short", 30, 10), _spec("long", 60, 10), _spec("wall", 30, 10)),
            (_spec("short", 40, 40),),
        ]
    )
    settled: dict[str, Any] = {
        "name": "j", "pane": PANE, "windows": windows, "max_hold": 200.0,
        "allowed_lateness": random.choice([0.0, 0.0, 5.0, 10.0, 25.0]),
        "tick": random.choice([1.0, PANE]), "max_ahead": random.choice([20.0, 300.0]),
    }  # fmt: skip
    return msgspec.json.decode(msgspec.json.encode(JobConfig(**(settled | fields))), type=JobConfig)  # as it is kept


def batch(
    worker: str, sequence: int, pane: float, values: Sequence[tuple[int, float]] = (), *,
    incarnation: str = "a", watermark: float | None = None, weights: Sequence[float] = (), shards: int = 1,
    names: Sequence[Name] = tuple(NAMES), **fields: Any,
) -> bytes:  # fmt: skip
    """One record of one worker; `values` are (index into names, value)."""
    record = TraceBatch(
        job="j", worker=worker, shard=shard_of(worker, shards), shards=shards,
        incarnation=incarnation, sequence=sequence, pane=pane,
        pane_length=fields.pop("pane_length", PANE), interval=fields.pop("interval", PANE),
        watermark=pane + PANE if watermark is None else watermark, names=encode_names(list(names)),
        index=np.array([index for index, _ in values], "<u2").tobytes(),
        value=np.array([value for _, value in values], "<f8").tobytes(),
        weight=np.array(weights, "<f8").tobytes(), **fields,
    )  # fmt: skip
    return encode(record)


def tick(time: float, shard: int = 0) -> bytes:
    return encode(Tick(job="j", shard=shard, time=time))


class Script:
    """What each worker sends in each pane of stream time, and the ticks between; `rounds[k][worker]` in own order.

    `joins` come first, before anything can close: the law of interleaving speaks of workers that have all joined.
    """

    def __init__(self, config: JobConfig, joins: dict[str, bytes], rounds: list[dict[str, list[bytes]]]) -> None:
        self.config = config
        self.joins = joins
        self.rounds = rounds

    def log(self, random: Random, shard: int | None = None) -> list[bytes]:
        """One interleaving: workers keep their own order, and records and ticks the pane they are in."""
        log = [data for w, data in self.joins.items() if shard in (None, shard_of(w, self.config.shards))]
        random.shuffle(log)
        fine = self.config.tick < PANE
        for k, by_worker in enumerate(self.rounds):
            mine = {w: list(r) for w, r in by_worker.items() if shard in (None, shard_of(w, self.config.shards))}
            log.append(tick(T0 + k * PANE, shard or 0))
            ticks = [tick(T0 + k * PANE + i, shard or 0) for i in range(1, int(PANE))] if fine else []
            queues = [queue for queue in [*mine.values(), ticks[:: random.choice([1, 2, 5])]] if queue]
            while queues:
                queue = random.choice(queues)
                log.append(queue.pop(0))
                queues = [queue for queue in queues if queue]
        return log


def script(random: Random, config: JobConfig, panes: int = 20) -> Script:
    """Workers that all join in the first pane, are never idle, missing or behind; late points, restarts, hard facts."""
    workers = [f"w{i}" for i in range(random.randint(1, 4))]
    senders = {worker: Sender(worker, config.shards) for worker in workers}
    joins = {worker: sender.join() for worker, sender in senders.items()}
    rounds = [{w: sender.send(random, T0 + k * PANE) for w, sender in senders.items()} for k in range(panes)]
    return Script(config, joins, rounds)


class Sender:
    """One worker's tracer."""

    def __init__(self, worker: str, shards: int = 1) -> None:
        self.worker, self.shards = worker, shards
        self.incarnation, self.sequence = 0, 0
        self.lag = 0.0

    def join(self) -> bytes:
        """Its first record."""
        self.sequence = 1
        return batch(self.worker, 1, T0 - 80, watermark=T0 - 80, incarnation="0", shards=self.shards)

    def send(self, random: Random, now: float) -> list[bytes]:
        """Its records of one pane."""
        self.lag = min(40.0, max(0.0, self.lag + random.choice([-10, 0, 0, 0, 10])))
        if now > T0 and random.random() < 0.03:
            self.incarnation, self.sequence = self.incarnation + 1, 0
        return [self.record(random, now) for _ in range(random.randint(1, 3))]

    def record(self, random: Random, now: float, **fields: Any) -> bytes:
        """One record: mostly of this pane, sometimes of an older one."""
        self.sequence += random.choice([1, 1, 1, 2])
        late = random.choice([0, 0, 0, 0, 10, 20, 30, 70])
        values = [(random.randrange(len(NAMES)), random.choice(_VALUES)) for _ in range(random.randint(0, 8))]
        weights = [random.choice([0.1, 1.0, 3.0]) for _ in values] if random.random() < 0.3 else []
        if random.random() < 0.1:
            fields["hard"] = (("nonfinite", random.choice(["loss", "tensor:a"]), 2.0),)
        if random.random() < 0.2:
            fields["sketches"] = (_sketch(random),)
        return batch(
            self.worker, self.sequence, now - late, values, incarnation=str(self.incarnation), weights=weights,
            watermark=now - self.lag if random.random() < 0.97 else now + random.choice([17, 23, 33]),
            shards=self.shards, captured=self.sequence * 4, **fields,
        )  # fmt: skip


LEAPS = (30, 120, 40_000)  # panes that a chaotic clock may skip; the last one is a gap and the end of the job


def chaos(random: Random, panes: int = 18, leaps: Sequence[int] = LEAPS) -> list[bytes]:
    """A log in which workers fall silent, stall, return, leave and restart; clocks jump; and some records are bad."""
    senders = [Sender(f"w{i}") for i in range(random.randint(1, 4))]
    mood = dict.fromkeys(range(len(senders)), "well")
    log: list[bytes] = []
    now = T0
    for k in range(panes):
        now += PANE * random.choice([1] * 16 + [2, 4, 8, random.choice(leaps)])
        for i, sender in enumerate(senders):
            if random.random() < 0.08:
                mood[i] = random.choice(["well", "well", "silent", "stalled", "ahead"])
            log += _moody(random, sender, mood[i], now)
        if random.random() < 0.2:
            log.append(_other(random, now, k + 1))
        if k or random.random() < 0.7:
            log.append(tick(now + PANE))
    return log


def _moody(random: Random, sender: Sender, mood: str, now: float) -> list[bytes]:
    if mood == "silent":
        return []
    if mood == "stalled":
        sender.sequence += 1
        return [batch(sender.worker, sender.sequence, now, watermark=T0, incarnation=str(sender.incarnation))]
    records = sender.send(random, now + (900.0 if mood == "ahead" else 0.0))
    if random.random() < 0.02:
        records.append(sender.record(random, now, final=True))
    return records


def _other(random: Random, now: float, sent: int) -> bytes:
    records: list[Record | bytes] = [
        Event(job="j", name="pushed", time=now, text=str(sent)),
        Setting(job="j", name="thresholds", revision=sent, effective=now, body=b"{}"),
        Feedback(job="j", notification=str(sent), verdict="expected"),
        Event(job="other", name="pushed", time=now),
        b"\xc1 garbage %d" % sent,
        Open(job="j", start=now),
    ]
    record = random.choice(records)
    return record if isinstance(record, bytes) else encode(record)


def _sketch(random: Random) -> Any:
    values = np.array([random.choice(_VALUES[:8]) for _ in range(3)])
    clock, name = random.choice([("train", "queue_delay"), ("wall", "step_time")])
    return summaries.encode(summaries.Histogram.of(np.abs(values)), clock, name, "")  # type: ignore[arg-type]


_VALUES = [0.1, 0.2, 0.3, 1.0, 1e-9, 1e9, -7.7, 3.3, 1e300, 5e-324, float("nan"), float("inf")]


def operator(config: JobConfig) -> Operator:
    """An unsharded operator with the fold-through stage 2."""
    return Operator(config, Echo())


def run(config: JobConfig, log: Sequence[bytes]) -> list[Output]:
    """The log in one go."""
    return operator(config).on_records(log)


def canonical(sent: Iterable[Output], without: Sequence[str] = ()) -> list[bytes]:
    """Last revision per identity, the number left out, sorted; counts named in `without` are left out too."""
    kept: dict[bytes, tuple[int, bytes]] = {}
    for output in sent:
        record = outputs.decode(output.value, KINDS)
        if isinstance(record, Counters):
            counts = {name: count for name, count in record.counts.items() if name not in without}
            record = msgspec.structs.replace(record, counts=counts)
        if hasattr(record, "number"):
            record = msgspec.structs.replace(record, number=0)
        value = output.topic.encode() + outputs.encode(record)
        revision = record.revision if isinstance(record, Echoed) else 0
        identity = repr((record.window, record.start, record.end)).encode() if isinstance(record, Echoed) else value
        if identity not in kept or kept[identity][0] <= revision:
            kept[identity] = revision, value
    return sorted(value for _, value in kept.values())


def by_number(sent: Iterable[Output], without: Sequence[str] = ("duplicate",)) -> dict[Any, bytes]:
    """Outputs by their number (dead letters by identity), as one who deduplicates reads them; the first one holds."""
    read: dict[Any, bytes] = {}
    for output in sent:
        record = outputs.decode(output.value, KINDS)
        if isinstance(record, Counters):
            counts = {name: count for name, count in record.counts.items() if name not in without}
            record = msgspec.structs.replace(record, counts=counts)
        read.setdefault(getattr(record, "number", getattr(record, "identity", None)), outputs.encode(record))
    return read


def reports(sent: Iterable[Output]) -> list[Report]:
    """The reports that the fold-through stage 2 let through."""
    echoed = [outputs.decode(output.value, KINDS) for output in sent]
    return [msgspec.msgpack.decode(item.data, type=Report) for item in echoed if isinstance(item, Echoed)]


def records(sent: Iterable[Output], kind: type[Any]) -> list[Any]:
    """The outputs of one kind."""
    return [record for output in sent if isinstance(record := outputs.decode(output.value, KINDS), kind)]


def shard_outputs(plan: Script, random: Random) -> list[list[bytes]]:
    """What each shard ships on `partials`, in its own order."""
    shards = plan.config.shards
    shipped = []
    for shard in range(shards):
        opening = encode(Open(job="j", shard=shard, shards=shards, start=T0))
        sent = Operator(plan.config, None, shard).on_records([opening, *plan.log(random, shard)])
        assert all(output.key == key_of("j", 0, 1) for output in sent)
        shipped.append([output.value for output in sent if output.topic == "partials"])
    return shipped


class Committed:
    """A state as an engine keeps it: only the rows that changed are written."""

    def __init__(self) -> None:
        self.rows: dict[str, bytes] = {}
        self._kept = kept.NOTHING

    def commit(self, state: InRows) -> int:
        """Write what changed; how many rows. What its stamps call unchanged is, to the byte, what is there."""
        change = kept.change(state, self._kept)
        self.rows = {name: row for name, row in {**self.rows, **change.rows}.items() if row is not None}
        self._kept = change.kept
        assert self.rows == dict(kept.change(state, kept.NOTHING).rows)
        return len(change.rows)

    def restore(self, state: InRows) -> None:
        """Become what was committed last."""
        stored = Stored(self.rows, self._kept.manifest)
        kept.restore(state, stored, "j")
        self._kept = kept.known(state, stored)


def combine(config: JobConfig, shipped: Sequence[Sequence[bytes]], random: Random) -> list[Output]:
    """The shards' messages through a combiner: each in its own order, between them any, some of them twice."""
    queues = [list(messages) for messages in shipped if messages]
    combiner, sent, seen, committed = Combiner(config, Echo()), [], [], Committed()
    while queues:
        queue = random.choice(queues)
        seen.append(queue.pop(0))
        sent += combiner.on_records([seen[-1]])
        if random.random() < 0.05:
            sent += combiner.on_records([random.choice(seen)])
        if random.random() < 0.02:
            committed.commit(combiner)
            if random.random() < 0.5:
                combiner = Combiner(config, Echo())
                committed.restore(combiner)
        queues = [queue for queue in queues if queue]
    return sent


def _spec(kind: str, length: float, slide: float) -> WindowSpec:
    return WindowSpec(name=f"{kind}{length}", kind=kind, length=length, slide=slide)  # type: ignore[arg-type]


def without_configuration(state: bytes) -> Any:
    """A state without the rows of the job's configuration: a release that has one more key writes its default."""
    parts = msgspec.msgpack.decode(state)
    if len(parts) < 2 or not isinstance(parts[1], dict):
        return state
    return {name: row for name, row in parts[1].items() if name not in ("job", "stage2/head")}

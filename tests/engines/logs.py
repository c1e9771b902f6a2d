"""Recorded logs for the conformance suite: the flights, and what can go wrong with a log, each as a job of its own."""

from __future__ import annotations

import itertools
import lzma
import random
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from streamgauge.pipelines.config import loading
from streamgauge.pipelines.config.schema import Config
from streamgauge.pipelines.stream.operators import CONFIG
from streamgauge.tracer import codec
from streamgauge.tracer.records import Open, Record, Setting, Tick, TraceBatch, key_of, shard_of
from tests.engines.record import LOG
from tests.places import ROOT

DEMO: Final = ROOT / "examples" / "flights" / "streamgauge.toml"
SHARDS: Final = {"sharded": 2}  # by job; the others have one
HOUR: Final = 3600.0

Log = list[tuple[str, bytes]]  # (key, value), in order


def logs() -> dict[str, Log]:
    """The recorded log of each job, by its name; their order against each other is free."""
    return {name: _addressed(_begun(name), change(_renamed(name))) for name, change in VARIANTS.items()}


def together() -> Log:
    """All of them, a record of each in turn."""
    rounds = itertools.zip_longest(*logs().values())
    return [message for several in rounds for message in several if message is not None]


def toml() -> str:
    """The configuration of all jobs; ticks are in their logs."""
    _head, _, job = DEMO.read_text().partition("[[jobs]]")
    jobs = (_job(job, name) for name in VARIANTS)
    return 'clock = "log"\nconsole = false\n' + "".join(f"\n[[jobs]]{text}" for text in jobs)


def config() -> Config:
    """The same, read."""
    return loading.parse(toml())


def _job(text: str, name: str) -> str:
    named = text.replace('name = "flights"', f'name = "{name}"\nshards = {SHARDS.get(name, 1)}', 1)
    return named.replace("duplicate_modulus = 1", "duplicate_modulus = 8")


def _begun(name: str) -> list[Record]:
    """The configuration, as a host appends it."""
    (job,) = [job for job in config().jobs if job.name == name]
    body = loading.to_json(job)
    return [
        Setting(job=name, shard=shard, name=CONFIG, revision=1, effective=0.0, body=body) for shard in range(job.shards)
    ]


def _renamed(name: str) -> list[TraceBatch | Tick]:
    values = msgspec.msgpack.decode(lzma.decompress(LOG.read_bytes()), type=list[bytes])
    decoded = (codec.decode(value) for value in values)
    return [msgspec.structs.replace(one, job=name) for one in decoded if isinstance(one, TraceBatch | Tick)]


def _addressed(first: list[Record], rest: list[Record | tuple[str, bytes]]) -> Log:
    return [
        one if isinstance(one, tuple) else (key_of(one.job, one.shard, SHARDS.get(one.job, 1)), codec.encode(one))
        for one in [*first, *rest]
    ]


def _late(log: list[Any]) -> list[Any]:
    """Every ninth record of JFK is of a pane that its own watermark has passed long ago."""
    count = itertools.count()
    return [
        msgspec.structs.replace(one, pane=one.pane - 12 * HOUR)
        if isinstance(one, TraceBatch) and one.worker == "JFK" and next(count) % 9 == 5
        else one
        for one in log
    ]


def _duplicated(log: list[Any]) -> list[Any]:
    """Every fifth record comes twice, and the third hundred is read again at the end of the fourth."""
    twice = [again for i, one in enumerate(log) for again in ((one, one) if i % 5 == 0 else (one,))]
    return twice[:400] + twice[200:300] + twice[400:]


def _poisoned(log: list[Any]) -> list[Any]:
    """Between the records: truncated, foreign, misaddressed, of another version, garbage."""
    bad = _poison(log)
    return [each for i, one in enumerate(log) for each in ((next(bad), one) if i % 11 == 3 else (one,))]


def _poison(log: list[Any]) -> Iterator[tuple[str, bytes] | Record]:
    key, batches = log[0].job, [one for one in log if isinstance(one, TraceBatch)]
    for i in itertools.count():
        one = batches[i % len(batches)]
        data = codec.encode(one)
        yield (key, data[: len(data) // 2])
        yield (key, codec.encode(msgspec.structs.replace(one, job=f"nobody-{i}")))
        yield ("elsewhere", data)
        yield (key, codec.encode(msgspec.structs.replace(one, version=99, sequence=10**6 + i)))
        yield (key, b"\xc1 not a record %d" % i)
        yield msgspec.structs.replace(one, index=b"\xff" * len(one.index), sequence=one.sequence + 10**6)


def _shuffled(log: list[Any]) -> list[Any]:
    """The workers' records of a pane in another order: each worker's own stays, and so do the ticks."""
    dice, shuffled = random.Random(7), list[Any]()
    for is_tick, group in itertools.groupby(log, key=lambda one: isinstance(one, Tick)):
        run = list(group)
        shuffled += run if is_tick else _interleaved(run, dice)
    return shuffled


def _interleaved(run: list[Any], dice: random.Random) -> list[Any]:
    waiting: dict[str, list[Any]] = {}
    for one in run:
        waiting.setdefault(one.worker, []).append(one)
    mixed = []
    while waiting:
        worker = dice.choice(sorted(waiting))
        mixed.append(waiting[worker].pop(0))
        if not waiting[worker]:
            del waiting[worker]
    return mixed


def _sharded(log: list[Any]) -> list[Any]:
    """Worker by worker on two keys; the ticks on both, and the opening behind the first record."""
    shards, sent = SHARDS["sharded"], list[Any]()
    for one in log:
        if isinstance(one, Tick):
            sent += [msgspec.structs.replace(one, shard=shard) for shard in range(shards)]
            continue
        sent.append(msgspec.structs.replace(one, shard=shard_of(one.worker, shards), shards=shards))
        if one is next(batch for batch in log if isinstance(batch, TraceBatch)):
            sent += [Open(job=one.job, shard=shard, shards=shards, start=one.pane) for shard in range(shards)]
    return sent


VARIANTS: Final[dict[str, Callable[[list[Any]], list[Any]]]] = {
    "plain": lambda log: log,
    "late": _late,
    "duplicated": _duplicated,
    "poisoned": _poisoned,
    "shuffled": _shuffled,
    "sharded": _sharded,
}

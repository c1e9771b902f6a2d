"""What one release does when it commits state: run in a process of its own, with that release's tree on the path.

It imports only what both releases have, by the names of either: `python commit_side.py PACKAGE JSON`, where PACKAGE is
`streamgauge.` or nothing. Prints one JSON object.
"""

from __future__ import annotations

import copy
import gc
import importlib
import json
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np

PANE: Final = 10.0
START: Final = 1_700_006_400.0
REAL: Final = 2  # workers whose records are really sent; the others are copies of them
_package = ""


def part(name: str) -> Any:
    """A module of the release, by the name that it has there."""
    return importlib.import_module(_package + name)


def codec() -> Any:
    """What encodes and decodes records."""
    return part("tracer.codec" if _package else "tracer.records")


def records_of(kind: int, panes: int, cell: Mapping[str, Any]) -> list[Any]:
    """All records of one worker, one a pane, made by the release's own tracer."""
    random, now = np.random.default_rng((1, kind)), START
    sent = part("tracer.transport").MemoryLog()
    features = [f"f{i}" for i in range(cell["features"])]
    tracer = part("tracer.tracer").Tracer(
        "job", f"worker:{kind}", sent, clock=lambda: now, pane=PANE, features=dict.fromkeys(features, "numeric"),
        incarnation="a", usage=False,
    )  # fmt: skip
    rows, decode, found = cell["rows"], codec().decode, []
    for pane in range(panes):
        now = START + pane * PANE + 5
        ids = np.arange(rows) + pane * rows
        tracer.observe(dict(zip(features, random.normal(size=(len(features), rows)), strict=True)), ids=ids)
        labels, predictions = (random.random(rows) < 0.1).astype(float), random.random(rows) * 0.2
        tracer.label(ids, labels)
        tracer.step(float(random.gamma(2.0)), ids=ids, labels=labels, predictions=predictions, seconds=0.05)
        now = START + (pane + 1) * PANE
        tracer.idle()
        tracer.flush()
        found += [decode(message.value) for message in sent.read("traces", pane, 1)]
    return found


class Feed:
    """The consumer of one job, fed pane by pane, over a log in a folder."""

    def __init__(self, folder: pathlib.Path, cell: Mapping[str, Any]) -> None:
        config = part("pipelines.config.schema" if _package else "pipelines.config")
        specs = [("short", 60.0, 60.0), ("long", cell["window"], 60.0), ("wall", 60.0, 60.0)]
        self.job = config.JobConfig(
            name="job", pane=PANE, tick=1.0, max_series=20_000,
            windows=tuple(config.WindowSpec(name=k, kind=k, length=n, slide=s) for k, n, s in specs),
            features=tuple(config.Feature(name=f"f{i}", kind="numeric") for i in range(cell["features"])),
        )  # fmt: skip
        self.bus = _bus(folder)
        self.consumer = self.fresh()
        self._encode = codec().encode
        self._records, self.pane = [records_of(k, cell["panes"] + 20, cell) for k in range(REAL)], 0

    def fresh(self) -> Any:
        """A consumer that takes what is committed."""
        keyed, parts = part("pipelines.engines.keyed"), part("pipelines.engines.parts")
        return keyed.KeyedConsumer(
            self.bus, "engine", "traces", lambda message: keyed.Route(message.key),
            lambda key: parts.operator_of(self.job, 0), every=1e9,
        )  # fmt: skip

    def send(self, workers: Sequence[str]) -> None:
        """One pane of these workers, and its tick."""
        for i, name in enumerate(workers):
            record = self._records[i % REAL][self.pane]
            self._take(msgspec.structs.replace(record, job="job", worker=name, shard=0, shards=1))
        self.pane += 1
        self.tick(self.pane * PANE)

    def tick(self, after: float) -> None:
        """The job's clock, seconds after the start."""
        self._take(part("tracer.records").Tick(job="job", shard=0, time=START + after))

    def commit(self) -> tuple[float, float, int]:
        """(CPU seconds, seconds, bytes written) of one commit."""
        cpu, wall, written = time.process_time(), time.perf_counter(), _written()
        self.consumer.commit()
        return time.process_time() - cpu, time.perf_counter() - wall, _written() - written

    def size(self) -> int:
        """Bytes of the state that was committed last."""
        return int(self.consumer.state_bytes)

    def multiply(self, workers: int) -> list[str]:
        """Copies of the workers' state, until there are so many; their names."""
        job = self.consumer.states["job"]._job
        real = sorted(job.workers)
        names = real + [f"worker:{i}" for i in range(REAL, workers)]
        for i, name in enumerate(names[REAL:]):
            model = job.workers[real[i % REAL]]
            other = job.workers[name] = copy.copy(model)
            other.member = copy.deepcopy(model.member)
            other.member.worker = name
            other.facts = copy.deepcopy(model.facts)
            other.stream, other.wall = copy.deepcopy(model.stream), copy.deepcopy(model.wall)
            other.mappings = {}
            other.frozen = {at: _renamed(share, name) for at, share in model.frozen.items()}
            for closed in (one for ring in job.rings.values() for one in ring):
                if model.member.worker in closed.partials:
                    closed.partials[name] = _renamed(closed.partials[model.member.worker], name)
        return names

    def _take(self, record: Any) -> None:
        self.bus.put(self._encode(record))
        while self.consumer.step():
            pass


def _renamed(share: Any, name: str) -> Any:
    sketches = tuple(msgspec.structs.replace(sketch) for sketch in share.sketches)
    return msgspec.structs.replace(share, worker=name, sketches=sketches)


def _bus(folder: pathlib.Path) -> Any:
    """A log in a folder whose `traces` are what was put last, and which keeps nothing that is said."""
    log = part("tracer.local.log" if _package else "tracer.local")
    message = part("tracer.transport").Message

    class Bus(log.LocalLog):  # type: ignore[misc, name-defined]
        given: tuple[int, bytes] = (-1, b"")

        def put(self, value: bytes) -> None:
            self.given = (self.given[0] + 1, value)

        def send(self, messages: Sequence[tuple[str, str, bytes]]) -> None:
            pass

        def read(self, log: str, offset: int, limit: int) -> list[Any]:
            at, value = self.given
            return [message("traces", "job", value, at)] if at == offset else []

        def end(self, log: str) -> int:
            return self.given[0] + 1

        def bounds(self, topic: str) -> Mapping[str, tuple[int, int]]:
            return {topic: (0, self.given[0] + 1)}

    return Bus(folder / "log.db")


def _written() -> int:
    """Bytes that this process has handed to the system for its files."""
    lines = pathlib.Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["wchar"])


def filled(folder: pathlib.Path, cell: Mapping[str, Any]) -> Feed:
    """A job of two workers whose windows are full."""
    feed = Feed(folder, cell)
    for _ in range(cell["panes"]):
        feed.send([f"worker:{i}" for i in range(REAL)])
    return feed


def toy(feed: Feed) -> Iterator[tuple[str, float]]:
    """Two workers by the wall clock: a minute with a commit every five seconds."""
    yield "worker", feed.size() / REAL
    written = 0
    for _ in range(6):
        feed.tick(feed.pane * PANE + 5)
        written += feed.commit()[2]
        feed.send([f"worker:{i}" for i in range(REAL)])
        written += feed.commit()[2]
    yield "toy", written / 60


def large(feed: Feed, workers: int) -> Iterator[tuple[str, float]]:
    """Many workers: what all costs, one pane of one, one pane of all, and the way back."""
    names = feed.multiply(workers)
    gc.collect()
    feed.tick(feed.pane * PANE + 1)
    cpu, wall, _ = feed.commit()
    yield from (("all cpu", cpu), ("all wall", wall), ("all size", float(feed.size())))
    costs: dict[str, list[float]] = {"one": [], "each": []}
    for _ in range(5):
        for kind, who in (("one", names[:1]), ("each", names)):
            feed.send(who)
            costs[kind].append(feed.commit()[0])
    yield from ((f"{kind} cpu", statistics.median(found)) for kind, found in costs.items())
    feed.consumer.states.clear()
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    feed.fresh()
    yield from (("recover", time.process_time() - cpu), ("recover wall", time.perf_counter() - wall))


def main(package: str, cell: Mapping[str, Any]) -> dict[str, float]:
    """All measures of one cell."""
    global _package
    _package = package
    with tempfile.TemporaryDirectory(prefix="streamgauge-commit-") as folder:
        feed = filled(pathlib.Path(folder), cell)
        feed.commit()
        found = dict(toy(feed))
        return found | dict(large(feed, cell["workers"]))


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], json.loads(sys.argv[2]))))

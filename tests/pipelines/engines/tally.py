"""An operator small enough to foretell, and the records that it reads; shared by the tests of the hosts."""

from __future__ import annotations

import math

import msgspec

from streamgauge.anomaly.types import Anomaly, Score
from streamgauge.pipelines.config.schema import JobConfig
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.outputs import Output
from streamgauge.tracer import codec
from streamgauge.tracer.records import Tick, TraceBatch


class Tally:
    """An operator small enough to foretell: counts records, and at each tick emits the count and an anomaly."""

    def __init__(self, job: JobConfig, shard: int = 0) -> None:
        self.job, self.shard = job.name, shard
        self.count = self.number = 0
        self.clock = -math.inf

    @property
    def said(self) -> float:
        return -math.inf

    @property
    def is_live(self) -> bool:
        return self.count > 0

    def on_records(self, data: list[bytes]) -> list[Output]:
        sent: list[Output] = []
        for item in data:
            record = codec.decode(item)
            if isinstance(record, TraceBatch):
                if record.worker == "poison":
                    self.count = -1  # half changed, then it fails
                    raise RuntimeError("cannot fold this")
                self.count += 1
            if isinstance(record, Tick) and record.time > self.clock:
                self.clock = record.time
                sent += self.emit(record.time)
        return sent

    def emit(self, time: float) -> list[Output]:
        self.number += 2
        key = {"job": self.job, "domain": "system"}
        score = Score(**key, start=time, end=time, micropoints=self.count, coverage=1.0, number=self.number - 1)
        anomaly = Anomaly(
            **key, kind="fact", worker="", entity="", metric="tally", severity="info", start=time, time=time,
            number=self.number,
        )
        return [
            Output("scores", self.job, outputs.encode(score)), Output("anomalies", self.job, outputs.encode(anomaly)),
        ]

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode([self.count, self.number, self.clock])

    def restore(self, state: bytes) -> None:
        self.count, self.number, self.clock = msgspec.msgpack.decode(state)


def batch(job: str, worker: str = "w", shard: int = 0, shards: int = 1, sequence: int = 1) -> bytes:
    return codec.encode(TraceBatch(
        job=job, worker=worker, shard=shard, shards=shards, incarnation="i", sequence=sequence, pane=0.0,
        pane_length=10.0, interval=10.0, watermark=0.0,
    ))  # fmt: skip


def tick(job: str, time: float, shard: int = 0) -> bytes:
    return codec.encode(Tick(job=job, time=time, shard=shard))

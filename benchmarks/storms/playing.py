"""A storm through the pager as it runs: messages of the `anomalies` log in, notifications of `alerts` out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from benchmarks.storms.generator import Event
from streamgauge.anomaly.types import Anomaly, Edge, Notification, Topology
from streamgauge.pipelines.config.schema import Config, JobConfig
from streamgauge.pipelines.paging.pager import KINDS, Pager
from streamgauge.pipelines.wire import outputs
from streamgauge.tracer.records import Tick

JOB: Final = "storm"
TICK: Final = 1.0


def messages(edges: Iterable[tuple[str, str]], events: Sequence[Event], until: float) -> Iterator[bytes]:
    """The log: the topology, then alerts with a tick a second, as a host writes them."""
    declared = Topology(job=JOB, revision=1, edges=tuple(Edge(*edge) for edge in edges))
    yield outputs.encode(declared)
    now: float = math.floor(events[0].time)
    for number, event in enumerate(events, 1):
        while now < event.time:
            yield outputs.encode(Tick(job=JOB, time=now))
            now += TICK
        yield outputs.encode(anomaly(event, number))
    while now <= until:
        yield outputs.encode(Tick(job=JOB, time=now))
        now += TICK


def anomaly(event: Event, number: int) -> Anomaly:
    """An event as a detector's record."""
    return Anomaly(
        kind="anomaly", job=JOB, worker="", domain="sample", entity=event.node, metric=f"m{event.alert}",
        severity="page", start=event.start, time=event.found, end=event.end, score=event.score, number=number,
    )  # fmt: skip


def told(log: Iterable[bytes], job: JobConfig | None = None) -> dict[int, float]:
    """When each alert was told first, by alert."""
    pager = Pager(Config(jobs=(job or JobConfig(name=JOB),)))
    said: dict[int, float] = {}
    for message in log:
        for output in pager.on_records((message,)):
            record = outputs.decode(output.value, KINDS) if output.topic == "alerts" else None
            if isinstance(record, Notification) and record.status == "firing":
                said.setdefault(int(record.root.metric[1:]), record.time)
    return said

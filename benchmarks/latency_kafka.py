"""The same through a real Kafka on each engine: from the record that closes a window to the webhook's notification.

A real broker, `streamgauge run --engine ...` on it with ticks of 1 s, six jobs whose tables are lost one after the
other, and 20,000 points a second beside them. The clock of the jobs begins when the engine has scored the load's first
window, so that a JVM has started. Everything shares the machine; the target is a p99 below 2 s.
"""

from __future__ import annotations

import argparse
import contextlib
import pathlib
import tempfile
from collections.abc import Iterable
from typing import Final

from benchmarks import alarms, engines, hosted
from benchmarks.rows import Row, waits
from streamgauge.tracer.kafka.transport import KafkaTransport
from tests.pipelines.adapters.kafka import world
from tests.servers.kafka import KafkaServers

TABLES: Final = 6
RATE: Final = 20_000  # points a second
TARGET: Final = 2.0


def run(args: argparse.Namespace) -> Iterable[Row]:
    """Quantiles in seconds, and the alerts that came, of each engine."""
    tables = TABLES // 3 if args.quick else TABLES
    with tempfile.TemporaryDirectory(prefix="streamgauge-latency-") as name, hosted.broker(pathlib.Path(name)) as kafka:
        for engine in hosted.ENGINES:
            taken = _taken(engine, kafka, pathlib.Path(name) / engine, tables)
            yield from waits(f"latency kafka {engine}", taken, alarms.JOBS * tables, TARGET)


def _taken(engine: str, servers: KafkaServers, folder: pathlib.Path, tables: int) -> list[float]:
    folder.mkdir()
    kafka = world.topics(servers)
    config = folder / "streamgauge.toml"

    def transport() -> KafkaTransport:
        return KafkaTransport(kafka.bootstrap, prefix=kafka.prefix)

    with alarms.Hook() as hook, contextlib.closing(transport()) as log:
        head = hosted.head(engine, folder, kafka.bootstrap, kafka.prefix)
        config.write_text(alarms.configuration(head, hook.port))
        with hosted.running(config, pinned=False) as process, alarms.Load(transport(), RATE):
            hosted.until(lambda: engines.stored(folder, "load") > 0, process, "the first score")
            closed = alarms.play(log, tables)
            alarms.wait(hook, alarms.JOBS * tables)
        return sorted(hook.told[place] - closed[place] for place in closed if place in hook.told)

"""From the record that closes a window to the webhook's notification, while 100,000 points a second go through `run`.

The real embedded service in its own process: log on disk, engine, pager, outbox, a webhook on loopback. Twenty workers
of one job carry the load; six jobs of two workers each lose their tables, as `benchmarks.alarms` says. Then the same
through a real Kafka on each engine, with fewer alerts: `benchmarks.latency_kafka`.
"""

from __future__ import annotations

import argparse
import pathlib
import tempfile
from collections.abc import Iterable
from typing import Final

from benchmarks import hosted, latency_kafka
from benchmarks.alarms import JOBS, RATE, TABLES, Hook, Load, configuration, play, wait
from benchmarks.rows import Row, reached, waits
from streamgauge.tracer.local.log import LocalLog

TARGET: Final = 1.0
_CONFIG: Final = """
data = "{data}"
port = 0
console = false
"""


def run(args: argparse.Namespace) -> Iterable[Row]:
    """Median and 99 % quantile in seconds; the rate that was kept up; the alerts that came. Then through Kafka."""
    tables = TABLES // 4 if args.quick else TABLES
    with tempfile.TemporaryDirectory(prefix="streamgauge-latency-") as name, Hook() as hook:
        folder = pathlib.Path(name)
        config = folder / "streamgauge.toml"
        config.write_text(configuration(_CONFIG.format(data=folder), hook.port))
        log, load = LocalLog(folder / "log.db"), Load(LocalLog(folder / "log.db"))
        with hosted.running(config, pinned=False), load:
            closed = play(log, tables)
            wait(hook, JOBS * tables)
        log.close()
        taken = sorted(hook.told[place] - closed[place] for place in closed if place in hook.told)
    yield from waits("latency", taken, JOBS * tables, TARGET)
    yield reached("latency load", load.rate, "points/s", RATE)
    yield from latency_kafka.run(args)

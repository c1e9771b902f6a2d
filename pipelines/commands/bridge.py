"""The command `bridge`: a job's own sample topic traced by a process of its own, where the job embeds no tracer."""

from __future__ import annotations

import argparse
import importlib
import logging
import signal
import sys
import threading
import time

from streamgauge.pipelines.bridge import rows
from streamgauge.pipelines.bridge.blocks import Blocks, Place, fields_of
from streamgauge.pipelines.bridge.reading import Reading
from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.commands.run import configured
from streamgauge.pipelines.config.schema import Bridge, Config, JobConfig, Kafka
from streamgauge.pipelines.service import assembly
from streamgauge.tracer.kafka.settings import client_settings
from streamgauge.tracer.termination import apart
from streamgauge.tracer.transport import LogError

_TOLD: float = 10.0  # seconds between lines of progress
_PAUSE: float = 1.0
_log = logging.getLogger(__name__)


def bridge(args: argparse.Namespace) -> int:
    """Read until SIGTERM or Ctrl-C; with `--once`, to the end of what is there."""
    config = configured(args)
    if config.kafka is None:
        raise UseError("a bridge reads from Kafka: name the brokers in [kafka]")
    chosen = [one for one in config.bridges if args.topic in ("", one.topic)]
    if not chosen:
        known = ", ".join(one.topic for one in config.bridges) or "none; describe it in [[bridges]]"
        raise UseError(f"no bridge reads the topic {args.topic!r}, known are {known}")
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, apart(stopping.set))
    readings = {one.topic: reading_of(config, config.kafka, one) for one in chosen}
    threads = [
        threading.Thread(target=_run, args=(topic, one, stopping, args.once)) for topic, one in readings.items()
    ]
    for thread in threads:
        thread.start()
    _watch(readings, threads)
    for topic, one in readings.items():
        print(f"{topic}: {one.rows} rows became {one.records} records; {one.dead} were none (dead-letters)")
    return 0


def reading_of(config: Config, kafka: Kafka, one: Bridge) -> Reading:
    """The reading of one bridge. Raises ConfigError for what it cannot read."""
    try:
        samples = importlib.import_module("streamgauge.pipelines.adapters.kafka.samples")
        transports = importlib.import_module("streamgauge.tracer.kafka.transport")
    except ImportError as error:
        raise UseError(str(error)) from None
    job = next(job for job in config.jobs if job.name == one.job)
    salt = assembly.read_file("bridges.salt_file", one.salt_file).strip() if one.salt_file else b""
    read = rows.decoder_of(
        one.format, fields_of(one, job), schema=one.schema_file, columns=one.columns, delimiter=one.delimiter
    )
    group = f"{kafka.prefix}streamgauge-bridge-{one.job}-{one.topic}"
    transport = transports.KafkaTransport(
        kafka.bootstrap, prefix=kafka.prefix, settings=kafka.settings, password_file=kafka.password_file
    )
    return Reading(
        lambda readers: samples.KafkaSamples(client_settings(kafka.client), group, one.topic, readers), transport,
        lambda partition, offset, place: _blocks(one, job, partition, read, salt, offset, place),
        interval=job.pane, now=time.time if config.clock == "wall" else None,
    )  # fmt: skip


def _blocks(
    one: Bridge, job: JobConfig, partition: int, read: rows.Decode, salt: bytes, offset: int, place: Place | None
) -> Blocks:
    worker = f"{one.topic}/{partition}"
    return Blocks(one, job, worker, read, salt=salt, offset=offset, place=place, fault=_fault)


def _fault(where: str, error: Exception) -> None:
    _log.error("a block's %s could not be measured: %s: %s", where, type(error).__name__, error)


def _run(topic: str, reading: Reading, stopping: threading.Event, once: bool) -> None:
    """One bridge's thread: what fails is told and tried again."""
    while not stopping.is_set():
        try:
            if not reading.step() and once and reading.is_at_end():
                reading.finish()
                break
        except LogError as error:
            _log.warning("bridge of %s waits: %s", topic, error)
            stopping.wait(_PAUSE)
        except Exception:
            _log.exception("bridge of %s fails and tries again", topic)
            stopping.wait(_PAUSE)
    reading.close()


def _watch(readings: dict[str, Reading], threads: list[threading.Thread]) -> None:
    """Wait for the threads; where somebody looks, say how far they are."""
    told, before = time.monotonic(), 0
    while any(thread.is_alive() for thread in threads):
        for thread in threads:
            thread.join(0.2)
        now, read = time.monotonic(), sum(one.rows for one in readings.values())
        if sys.stderr.isatty() and now - told >= _TOLD:
            print(f"{read} rows, {(read - before) / (now - told):,.0f} a second", file=sys.stderr)
            told, before = now, read

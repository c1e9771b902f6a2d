"""What the types of a configuration cannot say: addresses, sizes, parts that need each other; jobs apart; pure."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator

from streamgauge.pipelines.config import people, receivers, waking
from streamgauge.pipelines.config.faults import Fault, suggestion
from streamgauge.pipelines.config.job_checks import job_faults, tick_faults
from streamgauge.pipelines.config.schema import Bridge, Config, Influx, Kafka
from streamgauge.pipelines.config.values import job_name_faults, positive, repeated
from streamgauge.tracer.kafka import settings

_HOST_NAME = re.compile(r"[A-Za-z0-9:]([A-Za-z0-9.:_-]{0,251}[A-Za-z0-9])?")
_LEAST_STORE = 10_000_000  # bytes: an empty store and its largest write
_MOST_PARTITIONS = 10_000
_MOST_COPIES = 32
_LEAST_ROWS, _MOST_ROWS = 64, 262_144
_MOST_SLOTS = 1024
_MOST_LINES = 100_000
_LEAST_HEAP = 256


def faults_of(config: Config) -> list[Fault]:
    """Every fault of a configuration whose types are right."""
    jobs = (fault for job in config.jobs for fault in (*job_faults(job), *tick_faults(job, config.clock)))
    bridges = (fault for i, bridge in enumerate(config.bridges) for fault in _bridge_faults(config, bridge, i))
    return [*_host_faults(config), *jobs, *bridges]


def _host_faults(config: Config) -> Iterator[Fault]:
    if not 0 <= config.port <= 65535:
        yield Fault("port", f"must be in 0..65535, got {config.port}")
    for i, name in enumerate(config.hosts):
        if not _HOST_NAME.fullmatch(name):
            yield Fault(f"hosts[{i}]", f"must be a name or an address without a port, got {name[:100]!r}")
    if config.engine != "embedded" and config.kafka is None:
        yield Fault("engine", f'{config.engine} needs Kafka; add [kafka] with bootstrap = "HOST:PORT"')
    if not config.data:
        yield Fault("data", 'must name a folder, got ""; write data = "./streamgauge-data"')
    yield from repeated("jobs", "job", [job.name for job in config.jobs])
    yield from repeated("webhooks", "url", [webhook.url for webhook in config.webhooks])
    for i, webhook in enumerate(config.webhooks):
        parts = urllib.parse.urlsplit(webhook.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            yield Fault(f"webhooks[{i}].url", f"must be an http or https address, got {webhook.url!r}")
    yield from receivers.faults_of(config)
    yield from waking.faults_of(config)
    yield from people.faults_of(config.tokens)
    if config.deeper_traces and not 60.0 <= config.deeper_traces <= 3600.0:
        yield Fault("deeper_traces", f"must be 0 or 60..3600 s, got {config.deeper_traces:g}")
    if 0 < config.retention.max_bytes < _LEAST_STORE:
        yield Fault("retention.max_bytes", f"must be at least {_LEAST_STORE}, got {config.retention.max_bytes}")
    if config.retention.traces_bytes < 0:
        yield Fault("retention.traces_bytes", f"must be >= 0, got {config.retention.traces_bytes}; 0 is no cap")
    yield from positive("self.most_waiting", config.own.most_waiting)
    yield from job_name_faults("self.name", config.own.name)
    for name in ("raw", "r10", "r60", "r3600", "records", "profiles", "log", "max_bytes"):
        yield from positive(f"retention.{name}", getattr(config.retention, name))
    if config.kafka is not None:
        yield from _kafka_faults(config.kafka)
    if config.influx is not None:
        yield from _influx_faults(config.influx)
    elif config.store in ("influx", "both"):
        yield Fault("store", f'is "{config.store}", so the table [influx] with its url must be there')
    if not 1 <= config.flink.parallelism <= _MOST_SLOTS:
        yield Fault("flink.parallelism", f"must be in 1..{_MOST_SLOTS}, got {config.flink.parallelism}")
    if config.flink.heap < _LEAST_HEAP:
        yield Fault("flink.heap", f"must be at least {_LEAST_HEAP} (megabytes), got {config.flink.heap}")
    yield from positive("flink.checkpoint_every", config.flink.checkpoint_every)


def _influx_faults(influx: Influx) -> Iterator[Fault]:
    parts = urllib.parse.urlsplit(influx.url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        yield Fault("influx.url", f"must be an http or https address, got {influx.url!r}")
    if not influx.bucket.strip("/"):
        yield Fault("influx.bucket", f"must name a bucket, or DATABASE/RETENTION_POLICY, got {influx.bucket!r}")
    yield from positive("influx.timeout", influx.timeout)
    if not 1 <= influx.batch <= _MOST_LINES:
        yield Fault("influx.batch", f"must be in 1..{_MOST_LINES}, got {influx.batch}")
    if influx.spill_bytes < _LEAST_STORE:
        yield Fault("influx.spill_bytes", f"must be at least {_LEAST_STORE}, got {influx.spill_bytes}")


def _kafka_faults(kafka: Kafka) -> Iterator[Fault]:
    for name, text in settings.faults_of(kafka.client):
        yield Fault(f"kafka.{name}", text)
    for name, most in (("partitions", _MOST_PARTITIONS), ("replication", _MOST_COPIES)):
        if not 1 <= getattr(kafka, name) <= most:
            yield Fault(f"kafka.{name}", f"must be in 1..{most}, got {getattr(kafka, name)}")


def _bridge_faults(config: Config, bridge: Bridge, i: int) -> Iterator[Fault]:
    at, jobs = f"bridges[{i}]", {job.name: job for job in config.jobs}
    if config.kafka is None:
        yield Fault(at, "reads from Kafka; name the brokers in [kafka]")
    if not bridge.topic:
        yield Fault(f"{at}.topic", "must name the job's sample topic")
    if bridge.job not in jobs:
        yield Fault(f"{at}.job", f"no job {bridge.job!r} is configured{suggestion(bridge.job, jobs)}")
        return
    features = {feature.name for feature in jobs[bridge.job].features}
    if not features:
        yield Fault(f"{at}.job", f"job {bridge.job!r} declares no features; add [[jobs.features]] with name and kind")
    for name in sorted(set(bridge.fields) - features):
        yield Fault(f"{at}.fields.{name}", f"is no feature of job {bridge.job!r}{suggestion(name, features)}")
    if bridge.format == "avro" and not bridge.schema_file:
        yield Fault(f"{at}.schema_file", "must name the Avro schema that the messages were written by")
    if bridge.format == "csv" and not bridge.columns:
        yield Fault(f"{at}.columns", "must name the CSV columns in their order")
    if bridge.format == "csv" and len(bridge.delimiter) != 1:
        yield Fault(f"{at}.delimiter", f"must be one character, got {bridge.delimiter!r}")
    if not _LEAST_ROWS <= bridge.rows <= _MOST_ROWS:
        yield Fault(f"{at}.rows", f"must be in {_LEAST_ROWS}..{_MOST_ROWS}, got {bridge.rows}")

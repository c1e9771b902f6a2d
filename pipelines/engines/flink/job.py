"""The Flink job: `traces` and `partials` read with their keys, one keyed function, everything it says written back.

Kafka is read and written through SQL tables with raw keys and values, because PyFlink's DataStream source gives no key.
A key lies in one partition, a partition is read by one subtask, and every exchange on the way keeps the order of a key.
Sinks are at-least-once: what is said twice after a restart has the same number, and receivers drop it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from py4j.protocol import Py4JJavaError
from pyflink.common import Configuration, Types
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.datastream.data_stream import KeyedStream
from pyflink.java_gateway import get_gateway
from pyflink.table import StreamTableEnvironment

from streamgauge.pipelines.config.schema import Config
from streamgauge.pipelines.engines.flink.function import OUT, PARTIALS, TRACES, Hosts
from streamgauge.pipelines.engines.flink.kafka import kafka_of
from streamgauge.pipelines.engines.flink.rest import FlinkError, cause_of
from streamgauge.pipelines.wire.topics import GROUPS, LARGEST

READ: Final = (TRACES, PARTIALS)
WRITTEN: Final = (TRACES, PARTIALS, "scores", "anomalies", "dead-letters")
SLOTS: Final = 1024  # key groups: the most slots that a savepoint can ever be restored on
_RAW: Final = {
    "connector": "kafka", "key.format": "raw", "key.fields": "k", "value.format": "raw",
    "value.fields-include": "EXCEPT_KEY",
}  # fmt: skip


class Job(NamedTuple):
    """What a job is made of."""

    config: Config
    client: Mapping[str, str]  # properties of Kafka's Java client
    jars: Sequence[Path] = ()  # the connector, and what a cluster lacks
    parallelism: int | None = None  # None: the cluster's own
    python: str = sys.executable  # of the workers
    settings: Mapping[str, str] = {}  # Flink's own, over ours
    restore: str = ""  # URI of a checkpoint or savepoint
    source: str = "log"  # identity of the source: its offsets are restored only where it is the same


class Cluster(NamedTuple):
    """A JobManager's REST address."""

    host: str
    port: int


def start(job: Job, cluster: Cluster | None = None, shipped: Sequence[Path] = ()) -> Any:
    """Submit the job to a cluster, or to a Flink inside this process's JVM; its Java client, at once.

    Args:
        job: what to run.
        cluster: where to; None for this machine.
        shipped: Python archives that the cluster's workers import from.
    """
    environment = _environment(job, cluster)
    for archive in shipped:
        environment.add_python_file(str(archive))
    tables = StreamTableEnvironment.create(environment)
    _connect(tables, job)
    said = (
        _keyed(tables, _prefix(job.config))
        .process(Hosts(_core(job.config), _prefix(job.config)), OUT)
        .uid("operators")
        .name("operators")
    )
    statements = tables.create_statement_set()
    statements.add_insert("log_out", tables.from_data_stream(said))
    statements.attach_as_datastream()
    _identify(environment, job.source)
    try:
        return environment.execute_async(name_of(job.config))._j_job_client
    except Py4JJavaError as error:
        raise FlinkError(f"Flink does not take the job: {cause_of(str(error))}") from None


def name_of(config: Config) -> str:
    """The job's name: one a prefix of topics."""
    return f"streamgauge {_prefix(config)}".strip()


def settings_of(job: Job) -> dict[str, str]:
    """Flink's settings for the job."""
    settings = {
        "python.execution-mode": "process",  # never the other one: its state comes back empty from a savepoint of ours
        "python.executable": job.python,
        "python.client.executable": sys.executable,
        "python.fn-execution.bundle.time": "200",  # ms: bounds the latency
        "python.fn-execution.bundle.size": "1000",  # each key touched in a bundle costs 0.7 ms
        "python.state.cache-size": "10000",  # states that a bundle writes at its end, not one by one
        "python.map-state.read-cache-size": "1",  # rows are read once, at a start
        "python.map-state.write-cache-size": "200",  # rows written at once
        "python.map-state.iterate-response-batch-size": "200",  # and read at once
        "execution.checkpointing.interval": f"{job.config.flink.checkpoint_every:g} s",
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "restart-strategy.type": "exponential-delay",
        "restart-strategy.exponential-delay.max-backoff": "10 s",
        "pipeline.max-parallelism": str(SLOTS),
        "table.exec.uid.generation": "DISABLED",  # its identities have a count of all plans of the JVM in them
    }
    if job.parallelism is not None:
        settings["parallelism.default"] = str(job.parallelism)
    if job.jars:
        settings["pipeline.jars"] = ";".join(jar.as_uri() for jar in job.jars)
    if job.restore:
        settings["execution.state-recovery.path"] = job.restore
    return settings | dict(job.settings)


def _environment(job: Job, cluster: Cluster | None) -> StreamExecutionEnvironment:
    configuration = Configuration()
    for name, value in settings_of(job).items():
        configuration.set_string(name, value)
    if cluster is None:
        return StreamExecutionEnvironment.get_execution_environment(configuration)
    gateway = get_gateway()
    jars = gateway.new_array(gateway.jvm.java.lang.String, 0)  # they are in the configuration
    environments = gateway.jvm.org.apache.flink.streaming.api.environment.StreamExecutionEnvironment
    remote = environments.createRemoteEnvironment(cluster.host, cluster.port, configuration._j_configuration, jars)
    return StreamExecutionEnvironment(remote)


def _connect(tables: StreamTableEnvironment, job: Job) -> None:
    prefix = _prefix(job.config)
    properties = {f"properties.{name}": value for name, value in job.client.items()}
    tables.execute_sql(_table("log_in", "topic STRING NOT NULL METADATA VIRTUAL", {
        **_RAW, **properties,
        "topic": ";".join(prefix + topic for topic in READ),
        "properties.group.id": prefix + GROUPS["flink"],  # offsets are committed to it for the lag's sake only
        "scan.startup.mode": "earliest-offset",  # without a checkpoint there is no state, so all of the log is read
        "scan.topic-partition-discovery.interval": "0 s",  # `traces` never gets more partitions under running jobs
    }))  # fmt: skip
    tables.execute_sql(_table("log_out", "topic STRING METADATA", {
        **_RAW, **properties,
        "topic": ";".join(prefix + topic for topic in WRITTEN),
        "properties.max.request.size": str(LARGEST),
        "sink.delivery-guarantee": "at-least-once",
    }))  # fmt: skip


def _keyed(tables: StreamTableEnvironment, prefix: str) -> KeyedStream:
    """The messages, keyed by topic and key.

    PyFlink's own `key_by` sends each message to Python and back for its key alone, which doubles what transport costs;
    here SQL puts the key where that would have put it. Keys that are no text are nobody's, so they may coincide.
    """
    table = tables.sql_query(
        f"SELECT CONCAT(SUBSTRING(topic, {len(prefix) + 1}), '/', COALESCE(DECODE(k, 'UTF-8'), '')),"
        " ROW(topic, CAST(k AS BYTES), CAST(v AS BYTES)) FROM log_in"
    )
    rows = tables.to_data_stream(table)
    rows._j_data_stream.getTransformation().setOutputType(Types.ROW([Types.STRING(), OUT]).get_java_type_info())
    selector = get_gateway().jvm.KeyByKeySelector()
    keyed = rows._j_data_stream.keyBy(selector, Types.ROW([Types.STRING()]).get_java_type_info())
    return KeyedStream(keyed, OUT, rows)


def _identify(environment: StreamExecutionEnvironment, source: str) -> None:
    """Give the operators that have state, beside our own, identities by which a savepoint finds them again."""
    uids = {"SourceTransformation": source, "SinkTransformation": "said"}
    left, seen = list(environment._j_stream_execution_environment.getTransformations()), set[int]()
    while left:
        transformation = left.pop()
        if transformation.getId() in seen:
            continue
        seen.add(transformation.getId())
        left.extend(transformation.getInputs())
        uid = uids.pop(transformation.getClass().getSimpleName(), None)
        if uid is not None:
            transformation.setUid(uid)
    if uids:
        raise FlinkError(f"this version of Flink plans the job without {', '.join(sorted(uids))}")


def _table(name: str, topic: str, options: Mapping[str, str]) -> str:
    given = ", ".join(f"{_literal(option)} = {_literal(value)}" for option, value in options.items())
    return f"CREATE TABLE {name} ({topic}, k BYTES, v BYTES) WITH ({given})"


def _literal(text: str) -> str:
    escaped = text.replace("'", "''")
    return f"'{escaped}'"


def _prefix(config: Config) -> str:
    return kafka_of(config).prefix


def _core(config: Config) -> Config:
    """What answers depend on, without addresses and secrets' paths."""
    return msgspec.structs.replace(Config(), clock=config.clock, jobs=config.jobs)

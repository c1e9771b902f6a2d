"""The Flink engine on this machine: one JVM with a MiniCluster runs the job until SIGTERM or Ctrl-C.

State and offsets lie in Flink's checkpoints under `flink/` in the data folder; a start goes on from the newest complete
one. Brokers that are down are waited for. Needs `pip install 'streamgauge[flink]'`, Java 11 or 17 and the connector.
"""

from __future__ import annotations

import logging
import shutil
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from streamgauge.pipelines.adapters.data_folder import lock_folder
from streamgauge.pipelines.config.schema import Config
from streamgauge.pipelines.engines.flink import connector
from streamgauge.pipelines.engines.flink.jvm import end, one_java_thread, prepare, reap
from streamgauge.pipelines.engines.flink.kafka import java_properties, kafka_of
from streamgauge.pipelines.engines.flink.log import TracesLog
from streamgauge.pipelines.engines.flink.rest import FlinkError, JobManager, cause_of, uri
from streamgauge.pipelines.wire.frames import StateDamagedError
from streamgauge.pipelines.wire.states import StateVersionError
from streamgauge.tracer.termination import apart

_FINAL: Final = frozenset({StateVersionError.__name__, StateDamagedError.__name__})
_POLL: Final = 0.5  # seconds between looks at the job
_END_S: Final = 5  # seconds: a service waits 8
_log = logging.getLogger(__name__)


def host(config: Config) -> None:
    """Run the operators of all jobs until the process is told to stop.

    Raises:
        FlinkError: something that Flink needs is missing, or the job ended by itself.
        ConnectorError: the connector is missing or of another version.
        LogError: the topics are missing, or keys of `traces` have moved.
        SettingsError: brokers cannot be spoken to as configured.
    """
    stopping = threading.Event()
    with _stops(stopping):
        serve(config, stopping)
    end()


def serve(config: Config, stopping: threading.Event) -> None:
    """The same until `stopping` is set; the JVM stays, for another call."""
    properties = java_properties(kafka_of(config).client)
    jar = connector.find(config.flink.connector_jar)
    folder = Path(config.data).absolute() / "flink"
    with lock_folder(folder):
        reap(folder)
        prepare(folder, config.flink.heap)
        log = TracesLog(kafka_of(config), folder / "traces.json")
        while (known := log.settle(stopping)) is not None:
            manager = JobManager(f"127.0.0.1:{_free_port()}")
            client = _start(config, properties, jar, folder, manager, known.times)
            log.keep(known)
            try:
                _watch(manager, client, log, stopping)
            finally:
                _cancel(client)


def newest(checkpoints: Path) -> Path | None:
    """The newest complete checkpoint of any run: a folder without `_metadata` was cut off by a crash."""
    complete = sorted(checkpoints.glob("*/chk-*/_metadata"), key=lambda file: (file.stat().st_mtime_ns, str(file)))
    return complete[-1].parent if complete else None


def _start(
    config: Config, properties: Mapping[str, str], jar: Path, folder: Path, manager: JobManager, times: int
) -> Any:  # fmt: skip
    try:
        from streamgauge.pipelines.engines.flink import job as flink_job
    except ImportError as error:
        raise FlinkError(f"the flink engine needs {error.name}: pip install 'streamgauge[flink]'") from None
    kept = _tidied(folder / "checkpoints")
    restore = kept.as_uri() if kept else config.flink.savepoint and uri(config.flink.savepoint)
    settings = {
        "execution.checkpointing.storage": "filesystem",
        "execution.checkpointing.dir": (folder / "checkpoints").as_uri(),
        "execution.state-recovery.ignore-unclaimed-state": str(times > 0).lower(),
        "taskmanager.numberOfTaskSlots": str(config.flink.parallelism),
        "taskmanager.memory.managed.size": f"{64 * config.flink.parallelism}m",
        "taskmanager.memory.network.min": "64m", "taskmanager.memory.network.max": "64m",
        "rest.address": manager.host, "rest.bind-address": manager.host, "rest.port": str(manager.port),
        "web.submit.enable": "false", "io.tmp.dirs": str(folder / "tmp"),
    }  # fmt: skip
    # A topic that was made again has a source of its own: the old one's offsets go, the operators' states stay.
    source = f"log-{times}" if times else "log"
    job = flink_job.Job(
        config, properties, [jar], config.flink.parallelism, settings=settings, restore=restore, source=source
    )
    with one_java_thread():
        client = flink_job.start(job)
    (folder / "jobmanager").write_text(f"{manager.host}:{manager.port}\n")
    where = f"from {restore}" if restore else "from the beginning of the log"
    slots = config.flink.parallelism
    print(f"streamgauge: flink runs on {manager.host}:{manager.port}, {slots} slots, {where}", flush=True)
    return client


def _tidied(checkpoints: Path) -> Path | None:
    """Remove what earlier runs left, but the newest checkpoint; where that lies."""
    kept = newest(checkpoints)
    for old in checkpoints.glob("*"):
        if kept is None or old != kept.parent:
            shutil.rmtree(old, ignore_errors=True)
    return kept


def _watch(manager: JobManager, client: Any, log: TracesLog, stopping: threading.Event) -> None:
    """Tell of restarts; return when told to stop, or when the topic was made again.

    Raises FlinkError when the job is over or no restart can help, LogError when it must not go on.
    """
    job, result, told = client.getJobID().toString(), client.getJobExecutionResult(), ""
    while not stopping.wait(_POLL):
        if _is_over(result):
            print("streamgauge: the flink job was stopped with a savepoint", flush=True)
            stopping.set()
        elif not log.is_same():
            _log.warning("traces was made again; it is read from its beginning, with what was learnt")
            return
        elif (failure := _failure(manager, job)) and failure != told:
            told = failure
            if is_final(failure):
                raise FlinkError(failure)
            _log.warning("the flink job restarts from its last checkpoint: %s", failure)


def is_final(failure: str) -> bool:
    """Whether a job that failed so fails at each restart: its state is another release's, or damaged.

    >>> is_final("streamgauge.pipelines.wire.states.StateVersionError: the state of the pager has version 9")
    True
    """
    return failure.partition(":")[0].rpartition(".")[2] in _FINAL


def _is_over(result: Any) -> bool:
    """Whether the job has ended well. Raises FlinkError if it ended otherwise."""
    try:
        if not result.isDone():
            return False
    except Exception:
        raise FlinkError("Flink's JVM is gone; a start goes on from its last checkpoint") from None
    try:
        result.get()
    except Exception as error:
        raise FlinkError(f"the flink job has failed: {cause_of(str(error))}") from None
    return True


def _failure(manager: JobManager, job: str) -> str:
    """Why the job restarted last, if it did."""
    try:
        return manager.failure(job)
    except FlinkError:
        return ""  # the interface starts after the job and ends before it


@contextmanager
def _stops(stopping: threading.Event) -> Iterator[None]:
    """SIGTERM and Ctrl-C set the event, where this is the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, apart(stopping.set)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _cancel(client: Any) -> None:
    """End the job; its checkpoints stay."""
    from pyflink.java_gateway import get_gateway

    try:
        client.cancel().get(_END_S, get_gateway().jvm.java.util.concurrent.TimeUnit.SECONDS)
    except Exception as error:
        _log.info("the flink job was over before it was cancelled: %s", error)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

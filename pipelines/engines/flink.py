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
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from pipelines.config import Config
from pipelines.engines import flink_connector
from pipelines.engines.flink_jvm import prepare, reap
from pipelines.engines.flink_kafka import java_properties, kafka_of
from pipelines.engines.flink_rest import FlinkError, JobManager
from pipelines.hosting import lock_folder

_POLL: Final = 0.5  # seconds between looks at the job
_QUIET: Final = 60.0  # seconds between two tellings of a failure
_END_S: Final = 20.0
_log = logging.getLogger(__name__)


def host(config: Config) -> None:
    """Run the operators of all jobs until the process is told to stop.

    Raises:
        FlinkError: something that Flink needs is missing, or the job ended by itself.
        ConnectorError: the connector is missing or of another version.
    """
    properties = java_properties(kafka_of(config).client)
    jar = flink_connector.find(config.flink.connector_jar)
    folder = Path(config.data).absolute() / "flink"
    stopping = threading.Event()
    with lock_folder(folder), _stops(stopping):
        reap(folder)
        prepare(folder, config.flink.heap)
        port = _free_port()
        client = _start(config, properties, jar, folder, port)
        try:
            _watch(JobManager(f"127.0.0.1:{port}"), client, stopping)
        finally:
            _end(client)


def newest(checkpoints: Path) -> Path | None:
    """The newest complete checkpoint of any run: a folder without `_metadata` was cut off by a crash."""
    complete = sorted(checkpoints.glob("*/chk-*/_metadata"), key=lambda file: (file.stat().st_mtime_ns, str(file)))
    return complete[-1].parent if complete else None


def _start(config: Config, properties: Mapping[str, str], jar: Path, folder: Path, port: int) -> Any:
    try:
        from pipelines.engines import flink_job
    except ImportError as error:
        raise FlinkError(f"the flink engine needs {error.name}: pip install 'streamgauge[flink]'") from None
    restore = newest(folder / "checkpoints")
    for old in (folder / "checkpoints").glob("*"):
        if restore is None or old != restore.parent:
            shutil.rmtree(old, ignore_errors=True)
    settings = {
        "execution.checkpointing.storage": "filesystem",
        "execution.checkpointing.dir": (folder / "checkpoints").as_uri(),
        "taskmanager.numberOfTaskSlots": str(config.flink.parallelism),
        "taskmanager.memory.managed.size": f"{64 * config.flink.parallelism}m",
        "taskmanager.memory.network.min": "64m", "taskmanager.memory.network.max": "64m",
        "rest.address": "127.0.0.1", "rest.bind-address": "127.0.0.1", "rest.port": str(port),
        "web.submit.enable": "false", "io.tmp.dirs": str(folder / "tmp"),
    }  # fmt: skip
    job = flink_job.Job(
        config, properties, jar, config.flink.parallelism, settings=settings,
        restore=restore.as_uri() if restore else "",
    )  # fmt: skip
    client = flink_job.start(job)
    where = f"from {restore}" if restore else "from the beginning of the log"
    print(f"streamgauge: flink runs on 127.0.0.1:{port}, {config.flink.parallelism} slots, {where}", flush=True)
    return client


def _watch(manager: JobManager, client: Any, stopping: threading.Event) -> None:
    """Tell of restarts; return when told to stop. Raises FlinkError when the job is over."""
    job, told, quiet_until = client.getJobID().toString(), "", 0.0
    while not stopping.wait(_POLL):
        try:
            status, failure = manager.status(job), manager.failure(job)
        except FlinkError:
            status, failure = client.getJobStatus().get().toString(), ""
        if status in ("FAILED", "CANCELED", "FINISHED"):
            raise FlinkError(f"the flink job is {status.lower()}: {failure or 'see its log'}")
        if failure and (failure != told or (status != "RUNNING" and time.monotonic() > quiet_until)):
            told, quiet_until = failure, time.monotonic() + _QUIET
            _log.warning("the flink job restarts from its last checkpoint: %s", failure)


@contextmanager
def _stops(stopping: threading.Event) -> Iterator[None]:
    """SIGTERM and Ctrl-C set the event, where this is the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda received, frame: stopping.set()) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _end(client: Any) -> None:
    """Cancel the job, whose checkpoints stay, and let the JVM go."""
    from pyflink.java_gateway import get_gateway

    try:
        client.cancel().get(int(_END_S), get_gateway().jvm.java.util.concurrent.TimeUnit.SECONDS)
    except Exception as error:
        _log.info("the flink job was over before it was cancelled: %s", error)
    get_gateway().shutdown()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

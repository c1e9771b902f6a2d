"""The JVM that PyFlink starts: what it finds in its environment, how it is called and ended, and what a crash left."""

from __future__ import annotations

import gc
import logging
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from streamgauge.pipelines.engines.flink.rest import FlinkError

_MARKER: Final = "STREAMGAUGE_FLINK_FOLDER"  # environment variable by which our processes are known
_LOGGING: Final = """\
rootLogger.level = INFO
rootLogger.appenderRef.file.ref = file
appender.file.name = file
appender.file.type = RollingFile
appender.file.fileName = ${sys:log.file}
appender.file.filePattern = ${sys:log.file}.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d %-5p %c{1} %m%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 10MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 3
logger.metrics.name = org.apache.flink.metrics
logger.metrics.level = ERROR
logger.kafka.name = org.apache.flink.kafka.shaded.org.apache.kafka
logger.kafka.level = WARN
"""
_log = logging.getLogger(__name__)


def prepare(folder: Path, heap: int) -> None:
    """Set what the JVM and its workers find in their environment.

    Args:
        folder: of its files; made here.
        heap: megabytes.

    Raises:
        FlinkError: there is no Java.
    """
    _check_java()
    for name in ("log", "tmp", "checkpoints"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    logging_file = folder / "log4j.properties"
    logging_file.write_text(_LOGGING)
    os.environ[_MARKER] = str(folder)
    # Without it the operators would run in this process, behind one GIL.
    os.environ["_python_worker_execution_mode"] = "process"  # noqa: SIM112
    os.environ["FLINK_LOG_DIR"] = str(folder / "log")
    os.environ["LOG4J_PROPERTIES"] = str(logging_file)
    os.environ.setdefault("JVM_ARGS", f"-Xms64m -Xmx{heap}m -XX:+UseSerialGC")


@contextmanager
def one_java_thread() -> Iterator[None]:
    """What is in here is called in one Java thread: Flink's planner keeps in it what it needs, and fails in another.

    A collection in another Python thread would take the connection whose thread that is.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def end() -> None:
    """End the JVM."""
    from pyflink.java_gateway import get_gateway

    get_gateway().shutdown()


def reap(folder: Path) -> None:
    """End what an earlier host on this folder left behind: its JVM and Python workers, known by their environment."""
    marker = f"{_MARKER}={folder}".encode()
    for environ in Path("/proc").glob("[0-9]*/environ"):
        pid = int(environ.parent.name)
        try:
            is_left = marker in environ.read_bytes().split(b"\0") and not _is_own(pid)
            if is_left:
                os.kill(pid, signal.SIGKILL)
        except OSError:
            continue  # gone meanwhile, or another user's
        if is_left:
            _log.warning("ended process %d, left by an earlier flink engine on %s", pid, folder)


def _is_own(pid: int) -> bool:
    """Whether this process is it, or started it."""
    while pid > 1 and pid != os.getpid():
        pid = parent_of(pid)
    return pid == os.getpid()


def parent_of(pid: int) -> int:
    """A process's parent; 0 where the system does not say."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[1])


def _check_java() -> None:
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else "java"
    try:
        subprocess.run([java, "-version"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        raise FlinkError(f"no Java at {java}: install OpenJDK 17, or set JAVA_HOME to it") from None

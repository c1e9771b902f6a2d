"""A real broker, and `streamgauge run` on it with one of the engines: what the benchmarks through Kafka share."""

from __future__ import annotations

import contextlib
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Final

from benchmarks import cpu
from tests.servers.jars import fetch
from tests.servers.kafka import KafkaServers

ENGINES: Final = ("embedded", "faust", "flink")
_PATIENCE: Final = 900.0  # seconds, on a machine that others load
_END: Final = 30.0
_HEAD: Final = """
data = "{data}"
engine = "{engine}"
port = 0
console = false

[kafka]
bootstrap = "{bootstrap}"
prefix = "{prefix}"

[flink]
connector_jar = "{jar}"
"""


@contextlib.contextmanager
def broker(folder: pathlib.Path) -> Iterator[KafkaServers]:
    """One broker, taken down at the end."""
    servers = KafkaServers(folder / "kafka")
    try:
        yield servers
    finally:
        servers.stop()


def connector() -> pathlib.Path:
    """Flink's Kafka connector, the one that the tests use."""
    (jar,) = fetch("flink-pom.xml").glob("flink-sql-connector-kafka-*.jar")
    return jar


def head(engine: str, data: pathlib.Path, bootstrap: str, prefix: str) -> str:
    """The first lines of a `streamgauge.toml`."""
    return _HEAD.format(data=data, engine=engine, bootstrap=bootstrap, prefix=prefix, jar=connector())


@contextlib.contextmanager
def running(config: pathlib.Path, *, pinned: bool = True) -> Iterator[subprocess.Popen[str]]:
    """A `streamgauge run` that listens, with all that it starts on one core."""
    command = [sys.executable, "-m", "pipelines", "run", "--config", str(config)]
    command = cpu.pinned(command) if pinned else command
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            if not process.stdout.readline():
                raise RuntimeError(f"`streamgauge run` ended with exit code {process.wait()}; its error is above")
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_END)
            finally:
                process.kill()


def until(holds: Callable[[], bool], process: subprocess.Popen[str], what: str) -> None:
    """Wait for a condition while a process runs."""
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{what} did not come; exit code of the process: {process.poll()}")
        time.sleep(0.05)

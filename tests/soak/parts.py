"""The real parts of a soak as processes: the pipeline, three workers, the driver's clock, and a broker of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from streamgauge.pipelines.config.schema import Kafka
from streamgauge.tracer import codec
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.records import Tick
from streamgauge.tracer.transport import LogError, Transport
from tests.pipelines.adapters.kafka import world
from tests.servers.kafka import KafkaServers
from tests.soak.worker import BEGIN, JOB, PANE
from tests.waiting import PATIENCE_S, until

WORKERS: Final = ("u", "v", "w")
_CONFIG: Final = """
clock = "log"
port = 0
console = false
engine = "{engine}"
data = "{data}"
{tables}
[retention]
raw = "366d"
r10 = "366d"
r60 = "366d"
profiles = "366d"
records = "36500d"
[jobs.soak]
pane = 10
tick = 10
workers = 3
max_hold = "12h"
max_ahead = "12h"
duplicate_horizon = "6h"
windows = [
  {{ name = "short", kind = "short", length = "10m", slide = "10m" }},
  {{ name = "long", kind = "long", length = "1h", slide = "10m" }},
  {{ name = "wall", kind = "wall", length = "5m", slide = "5m" }},
]
detection = {{ warm_up = "6h", history = "24h", threshold = {threshold}, threshold_twice = {threshold} }}
labels = {{ horizon = "1h", margin = "1h", timeout = "1h" }}
paging = {{ grace = 60, max_wait = "10m", group = "10m", clear_hold = "10m", recover = "10m" }}
"""


class Plan(NamedTuple):
    """What is soaked."""

    folder: Path
    engine: str
    panes_per_second: float
    servers: KafkaServers | None  # None: the embedded log
    kafka: Kafka | None
    brokers: int = 1
    connector: Path | None = None

    @property
    def data(self) -> Path:
        """The pipeline's folder."""
        return self.folder / "data"

    def configured(self, extra: str = "", threshold: int = 8) -> Path:
        """The pipeline's configuration, written; `extra` are tables of it."""
        tables = extra
        if self.kafka is not None:
            tables += f'[kafka]\nbootstrap = "{self.kafka.bootstrap}"\nprefix = "{self.kafka.prefix}"\n'
        if self.connector is not None:
            tables += f'[flink]\nconnector_jar = "{self.connector}"\ncheckpoint_every = 2\n'
        path = self.folder / "streamgauge.toml"
        path.write_text(_CONFIG.format(engine=self.engine, data=self.data, tables=tables, threshold=threshold))
        return path

    def transport(self) -> Transport:
        """As a worker's."""
        if self.kafka is None:
            return LocalLog(self.data / "log.db")
        from streamgauge.tracer.kafka.transport import KafkaTransport

        return KafkaTransport(self.kafka.bootstrap, prefix=self.kafka.prefix)


class Pipeline:
    """`streamgauge run`, which may be killed and started again."""

    def __init__(self, plan: Plan) -> None:
        self.starts = self.reloads = 0
        self._config, self._folder, self._plan = plan.configured(), plan.folder, plan
        self.start()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self.starts += 1
        self._said = said = self._folder / f"run-{self.starts}.out"
        command = [sys.executable, "-m", "pipelines", "run", "--config", str(self._config)]
        with said.open("wb") as out, (self._folder / "run.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=out, stderr=log, start_new_session=True)
        until(lambda: said.read_text().endswith("\n") or self.process.poll() is not None, "the pipeline does not start")
        assert self.process.poll() is None, (self._folder / "run.log").read_text()[-3000:]
        self._addressed()

    def reload(self, extra: str = "") -> None:
        """Another configuration, each time with another threshold, and SIGHUP; wait until it listens again."""
        self.reloads += 1
        before = len(self._said.read_text().splitlines())
        self._plan.configured(extra, threshold=8 + self.reloads % 2)
        self.process.send_signal(signal.SIGHUP)
        until(lambda: len(self._said.read_text().splitlines()) > before, "the configuration is not read again")
        self._addressed()

    def _addressed(self) -> None:
        self.address = self._said.read_text().splitlines()[-1].split()[1]

    def ask(self, path: str, timeout: float = 30.0) -> Any:
        """The JSON that it answers. Raises OSError."""
        with urllib.request.urlopen(f"{self.address}{path}", timeout=timeout) as response:
            return json.load(response)

    def lags(self, timeout: float = 30.0) -> dict[str, int]:
        """Messages that wait for each consumer; empty while it does not answer."""
        try:
            return self.ask("api/health", timeout)["lags"] or {}
        except OSError:
            return {}

    def drain(self) -> None:
        """Wait until nobody has anything to do, as often as there are consumers; as long as something moves."""
        calm, best, moved = 0, float("inf"), time.monotonic()
        while calm < 4:
            lags = self.lags()
            waiting = sum(lags.values()) if lags else best
            if waiting < best:
                best, moved = waiting, time.monotonic()
            calm = calm + 1 if lags and not waiting else 0
            assert time.monotonic() - moved < PATIENCE_S, f"does not get on: {lags}, {self.health()}"
            time.sleep(0.2)

    def health(self) -> Any:
        """All that it says of itself, or why it says nothing."""
        try:
            return self.ask("api/health")
        except OSError as error:
            return str(error)

    def pids(self) -> list[int]:
        """The process and whatever it started."""
        found = [self.process.pid]
        for pid in found:
            found += children(pid)
        return found

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """An orderly end; its code."""
        self.process.terminate()
        try:
            return self.process.wait(PATIENCE_S)
        finally:
            self.kill()


class Fleet:
    """The workers."""

    def __init__(self, plan: Plan, origin: float) -> None:
        self._plan, self._origin = plan, origin
        self.notes = {name: plan.folder / f"{name}.sent" for name in WORKERS}
        self.processes = {name: self._start(name) for name in WORKERS}

    def kill(self, name: str) -> None:
        """SIGKILL one."""
        self.processes[name].kill()
        self.processes[name].wait()

    def restart(self, name: str) -> None:
        """Start one that was killed: a new incarnation."""
        self.processes[name] = self._start(name)

    def stop(self) -> dict[str, int]:
        """Let all say goodbye; their codes."""
        for process in self.processes.values():
            process.terminate()
        try:
            return {name: process.wait(PATIENCE_S) for name, process in self.processes.items()}
        finally:
            self.end()

    def end(self) -> None:
        """Whatever happens, none is left."""
        for process in self.processes.values():
            process.kill()
            process.wait()

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        plan = self._plan
        where = ["--log", f"{plan.data}/log.db"]
        if plan.kafka is not None:
            where = ["--bootstrap", plan.kafka.bootstrap, "--prefix", plan.kafka.prefix]
        command = [sys.executable, "-m", "tests.soak.worker", "--name", name, "--notes", str(self.notes[name])]
        command += ["--origin", str(self._origin), "--rate", str(plan.panes_per_second), *where]
        log: IO[bytes]
        with (plan.folder / "workers.log").open("ab") as log:
            return subprocess.Popen(command, stderr=log, start_new_session=True)


class Driver(threading.Thread):
    """The clock: a tick for each pane that is over. What the log does not take now it takes later."""

    def __init__(self, plan: Plan, origin: float) -> None:
        super().__init__(name="driver")
        self.passed = 0
        self.leap = 0.0  # seconds that its host's clock is ahead
        self._plan, self._origin = plan, origin
        self._stopping, self._transport = threading.Event(), plan.transport()

    def run(self) -> None:
        """The thread's life."""
        while not self._stopping.is_set():
            over = int((time.time() - self._origin) * self._plan.panes_per_second)
            self._tick(min(over, self.passed + 200))
            self._stopping.wait(0.1)

    def send(self, messages: list[tuple[str, str, bytes]]) -> None:
        """Send until it is sent."""
        until(lambda: self._sent(messages), "the log takes nothing")

    def end(self) -> None:
        """Stop."""
        self._stopping.set()
        if self.is_alive():
            self.join()

    def close(self, panes: int) -> None:
        """Stop, and let so many panes pass in which nobody lives: every window closes."""
        self.end()
        self._tick(self.passed + panes)
        self._transport.close()

    def _tick(self, until_pane: int) -> None:
        panes = range(self.passed, until_pane)
        ticks = [Tick(job=JOB, time=BEGIN + (pane + 1) * PANE, leap=self.leap) for pane in panes]
        if ticks:
            self.send([("traces", JOB, codec.encode(tick)) for tick in ticks])
            self.passed = until_pane

    def _sent(self, messages: list[tuple[str, str, bytes]]) -> bool:
        try:
            self._transport.send(messages)
        except LogError as error:
            if not error.retryable:
                raise
            return False
        return True


def brokers(folder: Path, count: int) -> tuple[KafkaServers, Kafka]:
    """Brokers of the soak's own, with all topics, of each as many copies as there may be."""
    servers = KafkaServers(folder / "brokers", count)
    return servers, world.topics(servers, replication=min(3, count))


def children(pid: int) -> list[int]:
    """The processes that a process has started; none once it is gone."""
    found: list[int] = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(number) for number in file.read_text().split()]
        except OSError:
            continue
    return found

"""An engine's process: started again when it ends, ended with its parent however that ends, and what it started too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streamgauge.pipelines.config.schema import Config, JobConfig
from streamgauge.pipelines.service.child_process import ChildProcess, Command, EngineEnded
from streamgauge.pipelines.wire import outputs
from streamgauge.tracer import codec
from streamgauge.tracer.records import Setting, Tick
from streamgauge.tracer.transport import MemoryLog
from tests.waiting import until

CONFIG = Config(clock="log", jobs=(JobConfig(name="ctr"),))
ENGINE = """
import os, subprocess, sys, time
from pathlib import Path
from streamgauge.pipelines.service.child_process import end_with_parent
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
end_with_parent()
Path(sys.argv[1]).write_text(f"{os.getpid()} {child.pid}")
time.sleep(600)
"""
PARENT = """
import sys, time
from tests.pipelines.service.test_child_process import supervised
from streamgauge.tracer.transport import MemoryLog
supervised(MemoryLog(), sys.argv[1]).step()
time.sleep(600)
"""


def supervised(log: MemoryLog, *arguments: str, script: str = ENGINE) -> ChildProcess:
    command = (sys.executable, "-c", script, *arguments)
    return ChildProcess(CONFIG, lambda: log, Command("faust", command, dict))


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def processes_in(file: Path) -> list[int]:
    until(lambda: file.exists() and len(file.read_text().split()) == 2)
    return [int(number) for number in file.read_text().split()]


def test_an_engine_that_ends_is_told_and_started_again() -> None:
    engine = supervised(MemoryLog(), script="raise SystemExit(3)")
    with pytest.raises(EngineEnded, match="the faust engine ended with 3, it is started again after 1 s"):
        until(lambda: engine.step() != 0)
    with pytest.raises(EngineEnded, match="ended with 3"):
        engine.step()

    def starts() -> bool:
        try:
            return engine.step() == 0
        except EngineEnded:
            return False

    until(starts)
    engine.stop()


def test_a_stop_ends_the_engine_and_what_it_started(tmp_path: Path) -> None:
    engine = supervised(MemoryLog(), str(tmp_path / "processes"))
    engine.step()
    processes = processes_in(tmp_path / "processes")
    assert all(map(is_alive, processes))
    engine.stop()
    until(lambda: not any(map(is_alive, processes)))


def test_an_engine_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path / "processes")])
    engine, grandchild = processes_in(tmp_path / "processes")
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    until(lambda: not is_alive(engine))
    os.kill(grandchild, signal.SIGKILL)  # this engine has no handler that would end it


def test_the_service_tells_the_jobs_their_configuration_and_reads_the_time_that_the_engine_tells() -> None:
    log = MemoryLog()
    engine = supervised(log)
    assert (engine.begin(), engine.begin(), engine.now()) == (1, 0, 0.0)
    (setting,) = [codec.decode(message.value) for message in log.read("traces", 0, 10)]
    assert isinstance(setting, Setting)
    assert (setting.job, setting.revision) == ("ctr", 1)
    log.send([("anomalies", "ctr", outputs.encode(Tick(job="ctr", time=time))) for time in (10.0, 20.0)])
    log.send([("anomalies", "ctr", b"\xc1")])
    assert engine.now() == 20.0


def test_the_lag_is_what_the_engine_has_not_taken() -> None:
    log = MemoryLog()
    log.send([("traces", "ctr", b"")] * 5)
    taken = {0: 2}
    engine = ChildProcess(CONFIG, lambda: log, Command("faust", (), lambda: taken))
    assert engine.lag(log) == 3

"""An engine in a process of its own: started, watched, started again, and never left behind.

The process is given the reading end of a pipe that only its parent holds open, so it ends with it, also when that is
killed; and a session of its own, so that whatever it starts (a JVM) can be ended with it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from streamgauge.pipelines.config.schema import Config
from streamgauge.pipelines.engines.configuring import ToldTime, configure
from streamgauge.pipelines.ports import Bus
from streamgauge.pipelines.wire.offsets import Offsets

GRACE: Final = 8.0  # seconds in which it must end when asked; a service waits 10
_PAUSES: Final = (1.0, 2.0, 5.0, 15.0, 30.0)  # seconds before it is started again, the last for all later ones
_STEADY: Final = 120.0  # seconds after which a start counts as the first again


class EngineEnded(Exception):
    """The engine's process ended by itself; it is started again."""


class Command(NamedTuple):
    """How an engine is started, and how far it is."""

    name: str
    arguments: tuple[str, ...]  # none: it is started elsewhere
    offsets: Callable[[], Mapping[int, int]]  # the next one that it takes, by partition of `traces`, as far as is known


class ChildProcess:
    """The engine of a service that runs elsewhere; one thread calls `step` and `stop`, any may call `now`."""

    def __init__(self, config: Config, open_bus: Callable[[], Bus], command: Command) -> None:
        self.command, self.bus = command, open_bus()
        self._config, self._told = config, ToldTime(open_bus())
        self._process: subprocess.Popen[bytes] | None = None
        self._error = ""
        self._starts = 0
        self._started = self._due = 0.0

    def begin(self) -> int:
        """Append each job's configuration where it differs from the log's; how many were appended."""
        return configure(self._config, self.bus, lambda key: self.now())

    def now(self) -> float:
        """The time of the furthest job by what the engine said; 0 before the first tick."""
        return self._told.now()

    def lag(self, bus: Bus) -> int:
        """Messages not yet taken, asked of a bus of the caller's."""
        taken = self.command.offsets()
        offsets = {log: taken.get(number, 0) for number, log in enumerate(bus.logs("traces"))}
        return Offsets(bus, ("traces",), offsets).lag(bus)

    def step(self) -> int:
        """Start the process when it is due; raises EngineEnded while it is not running."""
        if not self.command.arguments:
            return 0
        if self._process is None:
            if time.monotonic() < self._due:
                raise EngineEnded(self._error)
            self._start()
        elif self._process.poll() is not None:
            self._ended(self._process)
        return 0

    def stop(self) -> None:
        """End the process and all that it started."""
        process, self._process = self._process, None
        if process is None:
            return
        _close(process)  # it hears that, and ends orderly
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
        _kill_session(process.pid)
        process.wait()

    def _start(self) -> None:
        self._process = subprocess.Popen(self.command.arguments, stdin=subprocess.PIPE, start_new_session=True)
        self._started = time.monotonic()
        self._starts += 1

    def _ended(self, process: subprocess.Popen[bytes]) -> None:
        now = time.monotonic()
        if now - self._started > _STEADY:
            self._starts = 1
        pause = _PAUSES[min(self._starts, len(_PAUSES)) - 1]
        _kill_session(process.pid)
        _close(process)
        self._process, self._due = None, now + pause
        code = process.returncode
        self._error = f"the {self.command.name} engine ended with {code}, it is started again after {pause:g} s"
        raise EngineEnded(self._error)


def end_with_parent() -> None:
    """In the engine's process: when the pipe on standard input closes, end orderly, or else at once."""

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(sys.stdin.fileno(), 1024):
                pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE)
        _kill_session(os.getpid())

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _close(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()


def _kill_session(leader: int) -> None:
    """SIGKILL to the process group that a process leads, if anything is left of it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)

"""The worker processes of the flights job, in lock step: an hour is over when every live worker's records are sent."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from examples.flights.data import AIRPORTS


class WorkerLost(Exception):
    """A worker process ended without being told to; the message holds what it last said."""


class Fleet:
    """One process for each airport."""

    def __init__(self, log: pathlib.Path, cache: pathlib.Path, folder: pathlib.Path, begin: float) -> None:
        """Start all workers and wait until they are ready."""
        self._log, self._cache, self._folder = log, cache, folder
        self._processes = {airport: self._start(airport, begin) for airport in AIRPORTS}
        for airport in AIRPORTS:
            self._hear(airport)

    def hour(
        self, start: float, faults: Mapping[str, Sequence[str]], *, save: Literal["", "join", "model"] = ""
    ) -> None:
        """Let every worker live through [start, start + 1 h) and then save nothing, what waits, or the model too."""
        for airport, process in self._processes.items():
            order: dict[str, Any] = {"do": "hour", "start": start, "faults": faults[airport]}
            where = {"save": str(self._folder / airport), "model": save == "model"} if save else {}
            self._tell(process, order | where)
        for airport in AIRPORTS:
            self._hear(airport)

    def restart(self, airport: str, now: float) -> None:
        """Kill a worker as an orchestrator would and start it from its last finite snapshot: a new incarnation."""
        self._processes[airport].kill()
        self._processes[airport].wait()
        self._processes[airport] = self._start(airport, now, self._folder / airport)
        self._hear(airport)

    def close(self) -> None:
        """Tell every worker goodbye, so that its last record says `final`."""
        for process in self._processes.values():
            if process.poll() is None:
                self._tell(process, {"do": "close"})
        for process in self._processes.values():
            process.wait(timeout=60)

    def kill(self) -> None:
        """End whatever still runs."""
        for process in self._processes.values():
            process.kill()

    def _start(self, airport: str, begin: float, restore: pathlib.Path | None = None) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "examples.flights.worker", "--airport", airport, "--log", str(self._log)]
        command += ["--cache", str(self._cache), "--begin", str(begin)]
        command += ["--restore", str(restore)] if restore else []
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    @staticmethod
    def _tell(process: subprocess.Popen[str], order: dict[str, Any]) -> None:
        assert process.stdin is not None
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()

    def _hear(self, airport: str) -> dict[str, Any]:
        process = self._processes[airport]
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise WorkerLost(f"the worker of {airport} ended with exit code {process.wait()}; its error is above")
        answer: dict[str, Any] = json.loads(line)
        return answer

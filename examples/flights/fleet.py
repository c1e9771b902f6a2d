"""The worker processes of the flights job, in lock step: an hour is over when every live worker's records are sent."""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self

from streamgauge.examples.flights.columns import AIRPORTS


class WorkerLost(Exception):
    """A worker process ended without being told to; the message holds what it last said."""


class Fleet:
    """One process for each airport."""

    def __init__(self, log: pathlib.Path, cache: pathlib.Path, folder: pathlib.Path, begin: float) -> None:
        """Start all workers; `ready` waits for them."""
        self._log, self._cache, self._folder = log, cache, folder
        self._processes = {airport: self._start(airport, begin) for airport in AIRPORTS}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes.values():
            _end(process)

    def ready(self) -> None:
        """Wait until every worker has its data and its model."""
        for airport in AIRPORTS:
            self._hear(airport)

    def hour(
        self, start: float, faults: Mapping[str, Sequence[str]], *, save: Literal["", "join", "model"] = ""
    ) -> None:
        """Let every worker live through [start, start + 1 h) and then save nothing, what waits, or the model too."""
        for airport in AIRPORTS:
            order: dict[str, Any] = {"do": "hour", "start": start, "faults": faults[airport]}
            where = {"save": str(self._folder / airport), "model": save == "model"} if save else {}
            self._tell(airport, order | where)
        for airport in AIRPORTS:
            self._hear(airport)

    def restart(self, airport: str, now: float) -> None:
        """Kill a worker as an orchestrator would and start it from its last finite snapshot: a new incarnation."""
        _end(self._processes[airport])
        self._processes[airport] = self._start(airport, now, self._folder / airport)
        self._hear(airport)

    def close(self) -> None:
        """Tell every worker goodbye, so that its last record says `final`."""
        for airport in AIRPORTS:
            self._tell(airport, {"do": "close"})
        for process in self._processes.values():
            process.wait(timeout=60)

    def _start(self, airport: str, begin: float, restore: pathlib.Path | None = None) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "streamgauge.examples.flights.worker", "--airport", airport]
        command += ["--log", str(self._log), "--cache", str(self._cache), "--begin", str(begin)]
        command += ["--restore", str(restore)] if restore else []
        return subprocess.Popen(  # a group of its own: Ctrl-C is the driver's, who ends what it started
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0
        )

    def _tell(self, airport: str, order: dict[str, Any]) -> None:
        process = self._processes[airport]
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            raise self._lost(airport) from None

    def _hear(self, airport: str) -> dict[str, Any]:
        process = self._processes[airport]
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise self._lost(airport)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _lost(self, airport: str) -> WorkerLost:
        code = self._processes[airport].wait()
        return WorkerLost(f"the worker of {airport} ended with exit code {code}; its error is above")


def _end(process: subprocess.Popen[str]) -> None:
    """End a process that may have ended already, and let its pipes go."""
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):  # an order that it did not take any more
                stream.close()

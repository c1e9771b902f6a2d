"""The `streamgauge run` process that the demo starts, and what the driver asks of it over HTTP."""

from __future__ import annotations

import json
import pathlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from types import TracebackType
from typing import Any, Self

_START = 60.0  # seconds until it must answer
_DRAIN = 600.0


class PipelineLost(Exception):
    """`streamgauge run` ended or does not answer."""


class PipelineProcess:
    """`streamgauge run` over a folder of its own; a context manager that ends it."""

    def __init__(self, config: pathlib.Path, folder: pathlib.Path, port: int) -> None:
        """Start it and wait until it answers."""
        self.folder, self.log = folder, folder / "log.db"
        self.address = f"http://127.0.0.1:{port or _free_port()}"
        command = [sys.executable, "-m", "pipelines", "run", "--config", str(config), "--data", str(folder)]
        self._process = subprocess.Popen([*command, "--port", self.address.rpartition(":")[2]])
        self._wait_ready()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def ask(self, path: str) -> Any:
        """The JSON that a route answers."""
        with urllib.request.urlopen(self.address + path, timeout=30) as response:
            return json.load(response)

    def incidents(self) -> list[dict[str, Any]]:
        """Every incident so far."""
        found: list[dict[str, Any]] = self.ask("/api/incidents?start=0&end=4000000000&limit=5000")
        return found

    def counts(self) -> dict[str, Any]:
        """Records in, late, dropped, dead ... of the job so far."""
        health: dict[str, Any] = self.ask("/api/jobs/flights/health")
        return health

    def drain(self) -> None:
        """Wait until everything on the log has been judged, stored and paged."""
        deadline = time.monotonic() + _DRAIN
        while time.monotonic() < deadline:
            self._check()
            if all(lag == 0 for lag in self.ask("/api/health")["lags"].values()):
                return
            time.sleep(0.1)
        raise PipelineLost(f"the pipeline did not catch up within {_DRAIN:.0f} s; see {self.address}/api/health")

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + _START
        while time.monotonic() < deadline:
            self._check()
            try:
                self.ask("/readyz")
            except (urllib.error.URLError, ConnectionError, TimeoutError, ValueError):
                time.sleep(0.1)
            else:
                return
        raise PipelineLost(f"`streamgauge run` does not answer at {self.address} within {_START:.0f} s")

    def _check(self) -> None:
        if self._process.poll() is not None:
            raise PipelineLost(f"`streamgauge run` ended with exit code {self._process.returncode}; its error is above")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""The `streamgauge run` process that the demo starts, and what the driver asks of it over HTTP."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from types import TracebackType
from typing import IO, Any, Final, Self

LOG: Final = "log.db"  # in the pipeline's folder
_DRAIN: Final = 600.0  # seconds without any progress
_LOOK: Final = 0.1


class PipelineLost(Exception):
    """`streamgauge run` ended or does not answer."""


class PipelineProcess:
    """`streamgauge run` over a folder of its own; a context manager that ends it.

    Args:
        config: its `streamgauge.toml`.
        folder: where its log and store live.
        port: where it listens on loopback, 0 for any.
        said: takes each line that it writes for people, such as its notifications.
    """

    def __init__(self, config: pathlib.Path, folder: pathlib.Path, port: int, said: Callable[[str], None]) -> None:
        """Start it and wait until it listens."""
        self.log = folder / LOG
        command = [sys.executable, "-m", "streamgauge.pipelines", "run", "--config", str(config), "--data", str(folder)]
        self._process = subprocess.Popen(  # a group of its own: Ctrl-C is the driver's, who ends what it started
            [*command, "--port", str(port)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0
        )
        assert self._process.stdout is not None and self._process.stderr is not None
        self._listener = threading.Thread(target=_pass_on, args=(self._process.stderr, said), daemon=True)
        self._listener.start()
        try:
            self.address = _address(self._process.stdout.readline())
            self._check()
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def ask(self, path: str) -> Any:
        """The JSON that a route answers. Raises PipelineLost."""
        try:
            with urllib.request.urlopen(self.address + path, timeout=30) as response:
                return json.load(response)
        except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
            self._check()
            raise PipelineLost(f"`streamgauge run` does not answer at {self.address}{path}: {error}") from error

    def incidents(self) -> list[dict[str, Any]]:
        """Every incident so far."""
        found: list[dict[str, Any]] = self.ask("/api/incidents?start=0&end=4000000000&limit=5000")
        return found

    def gate(self, job: str, since: float) -> dict[str, Any]:
        """Whether a model that learnt since then may be pushed now."""
        found: dict[str, Any] = self.ask(f"/api/gate/{job}?since={since:.0f}")
        return found

    def counts(self) -> dict[str, int]:
        """What became of the job's records so far; `dead` with those that could not be told to belong to it."""
        counts: dict[str, int] = self.ask("/api/jobs/flights/health")
        dead: dict[str, int] = self.ask("/api/health")["dead"]
        return {name: counts[name] for name in counts if name != "time"} | {"dead": sum(dead.values())}

    def waiting(self) -> dict[str, int]:
        """Messages on the log that each consumer has not taken yet."""
        lags: dict[str, int] | None = self.ask("/api/health")["lags"]
        while lags is None:  # the log is busy
            time.sleep(_LOOK)
            lags = self.ask("/api/health")["lags"]
        return lags

    def keep_up(self, most: int) -> None:
        """Wait until at most `most` messages of the log are not judged yet. Raises PipelineLost."""
        self._wait(lambda lags: max(0, lags["engine"] - most))

    def drain(self) -> None:
        """Wait until everything on the log has been judged, stored and paged. Raises PipelineLost."""
        self._wait(lambda lags: sum(lags.values()))

    def _wait(self, left: Callable[[dict[str, int]], int]) -> None:
        deadline, least = time.monotonic() + _DRAIN, sys.maxsize
        while (now_left := left(self.waiting())) > 0:
            if now_left < least:
                deadline, least = time.monotonic() + _DRAIN, now_left
            if time.monotonic() > deadline:
                where = f"{self.address}/api/health"
                raise PipelineLost(f"the pipeline has not moved for {_DRAIN:.0f} s, {now_left} left; see {where}")
            time.sleep(_LOOK)

    def _check(self) -> None:
        if self._process.poll() is not None or not self.address:
            self._listener.join(timeout=5)  # its last words first
            raise PipelineLost(f"`streamgauge run` ended with exit code {self._process.wait()}; its error is above")

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join(timeout=5)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()


def _address(line: str) -> str:
    """The address in the line that `run` writes when it listens, `""` if it ended without one."""
    return line.partition(": ")[2].strip().rstrip("/")


def _pass_on(stream: IO[str], said: Callable[[str], None]) -> None:
    for line in stream:
        said(line.rstrip("\n"))

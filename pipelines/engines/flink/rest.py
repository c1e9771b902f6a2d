"""A JobManager's REST interface: which job runs, how it is, why it failed, its savepoints.

FlinkError   the JobManager is not there or refuses; the message names it, what was asked and its answer
"""

from __future__ import annotations

import datetime
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Final

_TIMEOUT: Final = 10.0  # seconds for one answer
_POLL: Final = 0.2
_SAVEPOINT_S: Final = 300.0
_PYTHON: Final = "Traceback (most recent call last):"  # the exception's own line is behind it
_OVER: Final = frozenset({"FINISHED", "CANCELED", "FAILED"})


class FlinkError(Exception):
    """A JobManager that is not there or refuses."""


class JobManager:
    """One JobManager at HOST:PORT."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal() or not 1 <= int(port) <= 65_535:
            raise FlinkError(f"the address of a JobManager is HOST:PORT, such as 127.0.0.1:8081, got {address!r}")
        self.host, self.port = host.strip("[]"), int(port)
        self._base = f"http://{address}/v1"

    def version(self) -> str:
        """Flink's version."""
        return str(self._ask("/config")["flink-version"])

    def setting(self, name: str) -> str:
        """What the cluster's own configuration says; empty for nothing."""
        found = {entry["key"]: entry["value"] for entry in self._ask("/jobmanager/config")}
        return str(found.get(name, ""))

    def jobs(self) -> dict[str, str]:
        """Names of the jobs that are not over, by id."""
        found = self._ask("/jobs/overview")["jobs"]
        return {job["jid"]: job["name"] for job in found if job["state"] not in _OVER}

    def job(self, name: str, wanted: str = "") -> str:
        """The id of the one job that runs under a name, or the wanted id.

        Raises:
            FlinkError: there is none, or there are several.
        """
        running = self.jobs()
        found = [job for job, its in running.items() if job == wanted or (not wanted and its == name)]
        if len(found) != 1:
            listed = ", ".join(f"{job} ({its})" for job, its in running.items()) or "none"
            what = f"job {wanted}" if wanted else f"one job named {name!r}"
            raise FlinkError(f"{self._base} does not run {what}; it runs: {listed}")
        return found[0]

    def status(self, job: str) -> str:
        """RUNNING, RESTARTING, FAILED, ..."""
        return str(self._ask(f"/jobs/{job}")["state"])

    def failure(self, job: str) -> str:
        """The last failure's cause and time, a line; empty if there was none."""
        entries = self._ask(f"/jobs/{job}/exceptions?maxExceptions=1")["exceptionHistory"]["entries"]
        if not entries:
            return ""
        at = datetime.datetime.fromtimestamp(entries[0]["timestamp"] / 1000, datetime.UTC)
        return f"{cause_of(entries[0]['stacktrace'])} (at {at:%H:%M:%S} UTC)"

    def checkpoint(self, job: str) -> str:
        """Where the last complete checkpoint or savepoint lies; empty if there is none."""
        latest = self._ask(f"/jobs/{job}/checkpoints")["latest"]
        found = [one for kind in ("completed", "savepoint") if (one := latest.get(kind))]
        return str(max(found, key=lambda one: one["latest_ack_timestamp"])["external_path"]) if found else ""

    def savepoint(self, job: str, folder: str, *, stop: bool = False) -> str:
        """Take a savepoint under a folder that all of Flink reaches, and stop the job if asked; where it lies."""
        if stop:
            trigger = self._ask(f"/jobs/{job}/stop", {"targetDirectory": folder, "drain": False})
        else:
            trigger = self._ask(f"/jobs/{job}/savepoints", {"target-directory": folder, "cancel-job": False})
        deadline = time.monotonic() + _SAVEPOINT_S
        while time.monotonic() < deadline:
            answer = self._ask(f"/jobs/{job}/savepoints/{trigger['request-id']}")
            if answer["status"]["id"] == "COMPLETED":
                return self._location(answer["operation"])
            time.sleep(_POLL)
        raise FlinkError(f"no savepoint within {_SAVEPOINT_S:.0f} s; see the JobManager's log")

    def cancel(self, job: str) -> None:
        """End a job without a savepoint."""
        self._ask(f"/jobs/{job}?mode=cancel", {}, "PATCH")

    def _location(self, operation: dict[str, Any]) -> str:
        if "failure-cause" in operation:
            raise FlinkError(f"the savepoint failed: {cause_of(operation['failure-cause']['stack-trace'])}")
        return str(operation["location"])

    def _ask(self, path: str, body: dict[str, Any] | None = None, method: str = "") -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._base + path, data, headers, method=method or None)
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")
            raise FlinkError(f"{self._base}{path} answers {error.code}: {cause_of(said)}") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise FlinkError(f"no JobManager answers at {self.host}:{self.port}: {reason}") from None


def uri(path: str) -> str:
    """A path as a URI; a URI as it is."""
    return path if "://" in path or path.startswith("file:") else Path(path).absolute().as_uri()


def cause_of(trace: str) -> str:
    r"""The root cause of a Java stack trace, a line.

    >>> cause_of("java.lang.RuntimeException: no\n\tat a.b\nCaused by: java.io.IOException: disk full\n\tat c.d")
    'java.io.IOException: disk full'
    """
    lines = [line for line in trace.replace("\\n", "\n").splitlines() if line.strip()]
    causes = [i for i, line in enumerate(lines) if line.startswith("Caused by: ")]
    first = causes[-1] if causes else 0
    if lines and lines[first].endswith(_PYTHON):
        first = next((i for i in range(first + 1, len(lines)) if not lines[i][0].isspace()), first)
    return "".join(lines[first : first + 1]).removeprefix("Caused by: ").strip()[:1000]

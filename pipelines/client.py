"""What a pipeline knows, as frames: `streamgauge.connect` for notebooks and scripts.

    gauge = streamgauge.connect("http://127.0.0.1:8470")     # a running pipeline, or the data folder of one
    gauge.scores("ctr").plot(x="time", y="overall")

Frames are pandas', or polars' with `frames="polars"`; times in them are UTC timestamps.

    ConnectError    nothing answers there, or it does not know what is asked for
"""

from __future__ import annotations

import importlib
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from streamgauge.pipelines.adapters.sqlite.query import SqliteQuery
from streamgauge.pipelines.paging.gate import Gate

Time = float | str | datetime | None
_FOREVER: Final = 4e9
_PROMPT: Final = 10.0  # seconds that a training job waits for the gate
_MOST: Final = 5_000  # rows of one answer over HTTP
_TIMES: Final = ("time", "start", "end", "last", "arrival", "first", "last_data")
_INCIDENT: Final = ("id", "job", "status", "start", "end", "node", "severity", "text", "folded")
_LABELS: Final = ("worker", "domain", "entity", "metric")


class ConnectError(ValueError):
    """A pipeline that cannot be asked, or does not know what is asked for."""


def connect(place: str | Path, *, token: str = "", frames: Literal["pandas", "polars"] = "pandas") -> Gauge:
    """A pipeline at an address, or the store in a data folder.

    Raises:
        ConnectError: there is neither; or the library of the frames is not installed.
    """
    text = str(place)
    if text.startswith(("http://", "https://")):
        return Gauge(_Http(text.rstrip("/"), token), _library(frames))
    store = Path(text) / "store.db" if Path(text).is_dir() else Path(text)
    if not store.is_file():
        raise ConnectError(f"{text} is neither the address of a pipeline nor a data folder with a store.db")
    return Gauge(_Folder(SqliteQuery(store)), _library(frames))


def gate(address: str, job: str, since: Time = None, *, token: str = "") -> Gate:
    """Whether a model of a job may be pushed, asked of a running pipeline; never raises into a training job.

        if streamgauge.gate("http://gauge:8470", "ctr", since=last_push).is_open: push(model)

    Who is not reached or does not know the job says `unknown`, with the reason.
    """
    asked = {} if since is None else {"since": _seconds(since, 0.0)}
    try:
        found = _Http(address.rstrip("/"), token, timeout=_PROMPT).ask(f"/api/gate/{_quoted(job)}", asked)
        return msgspec.convert(found, Gate)
    except (ConnectError, msgspec.ValidationError, ValueError) as error:
        return Gate(job=job, answer="unknown", reasons=(str(error),), at=0.0)


class Gauge:
    """Asks one pipeline; every method gives a frame unless it says otherwise. Ranges are [start, end)."""

    def __init__(self, source: _Http | _Folder, library: Any) -> None:
        self._source, self._library = source, library

    def jobs(self) -> Any:
        """Each job with its last score."""
        return self._frame(self._source.ask("/api/jobs", {}))

    def scores(self, job: str, start: Time = None, end: Time = None) -> Any:
        """A row a window: `time` (its end), `overall` and each domain's score, 0..100."""
        rows = self._range(f"/api/jobs/{_quoted(job)}/scores", start, end)
        found: dict[float, dict[str, Any]] = {}
        for row in rows:
            found.setdefault(row["end"], {"time": row["end"]})[row["domain"]] = row["score"]
        return self._frame([found[time] for time in sorted(found)], ("time", "overall"))

    def series(self, job: str, **match: str) -> Any:
        """The series of a job; `match` are `worker`, `domain`, `entity`, `metric`."""
        wrong = sorted(set(match) - set(_LABELS))
        if wrong:
            raise ConnectError(f"unknown label {wrong[0]!r}; known are {', '.join(_LABELS)}")
        rows = self._source.ask(f"/api/jobs/{_quoted(job)}/series", {**match, "limit": _MOST})
        return self._frame(rows, ("id", *_LABELS, "window", "end", "value"))

    def points(
        self, job: str, metric: str, entity: str = "", worker: str = "", *, start: Time = None, end: Time = None,
        buckets: int = 2_000,
    ) -> Any:  # fmt: skip
        """One series over time: value, what was usual, its band."""
        match = {"metric": metric, "entity": entity, "worker": worker, "limit": 10}
        rows = self._source.ask(f"/api/jobs/{_quoted(job)}/series", match)
        if not rows:
            where = f"of {entity or 'itself'!r} at {worker or 'the job'!r}"
            raise ConnectError(f"job {job!r} has no series {metric!r} {where}; `series` lists them")
        first, last = self._span(job)  # all of time would come in buckets of a year
        asked = {"series": rows[0]["id"], "start": _seconds(start, first), "end": _seconds(end, last)}
        found = self._source.ask(f"/api/jobs/{_quoted(job)}/points", {**asked, "buckets": buckets})
        columns = {name: values for name, values in found.items() if isinstance(values, list)}
        size = len(columns.get("time", []))
        return self._frame([
            {name: values[i] for name, values in columns.items() if len(values) == size} for i in range(size)
        ], ("time", "value"))  # fmt: skip

    def incidents(self, job: str | None = None, start: Time = None, end: Time = None) -> Any:
        """What was told, newest first: the root, when, how much is folded beneath it."""
        route = f"/api/jobs/{_quoted(job)}/incidents" if job else "/api/incidents"
        rows = self._range(route, start, end)
        return self._frame([
            {"id": one["id"], "job": one["job"], "status": one["status"], "start": one["root"]["start"],
             "end": one["root"]["end"], "node": one["root"]["node"], "severity": one["root"]["severity"],
             "text": one["root"]["text"], "folded": len(one["suppressed"])}
            for one in rows
        ], _INCIDENT)  # fmt: skip

    def incident(self, name: str) -> dict[str, Any]:
        """One incident with its trail, as a dict."""
        found: dict[str, Any] = self._source.ask(f"/api/incidents/{_quoted(name)}", {})
        return found

    def profiles(self, job: str, worker: str = "", start: Time = None, end: Time = None) -> Any:
        """The summaries of each window: a row a sketch, its columns as base64 of raw arrays."""
        rows = self._range(f"/api/jobs/{_quoted(job)}/profiles", start, end, worker=worker)
        return self._frame([
            {"time": row["end"], "window": row["window"], "worker": row["worker"], **sketch}
            for row in rows for sketch in row["sketches"]
        ])  # fmt: skip

    def distribution(
        self, job: str, entity: str, worker: str = "", *, start: Time = None, end: Time = None
    ) -> Any:  # fmt: skip
        """A feature's values in a range (the last day) and in as much before it: rows of each bar, `low` to `high`.

        Of a categorical one, and of ids, `value` is the hash that left the worker.
        """
        _, last = self._span(job)
        until = _seconds(end, last)
        asked = {"worker": worker, "entity": entity, "start": _seconds(start, until - 86400.0), "end": until}
        found = self._source.ask(f"/api/jobs/{_quoted(job)}/pictures", asked)
        bars, often = found.get("distributions") or [], found.get("frequent")
        if bars:
            edges, before = bars[0]["edges"], bars[0]["before"]
            names = {"low": edges[:-1], "high": edges[1:], "now": bars[0]["now"]}
        elif often:
            before, names = often["before"], {"value": often["values"], "now": often["now"]}
        else:
            raise ConnectError(f"nothing is kept of {entity!r} in this range; `series` lists what job {job!r} has")
        names |= {"before": before or [0] * len(names["now"])}
        return self._frame([dict(zip(names, row, strict=True)) for row in zip(*names.values(), strict=True)])

    def traces(self, job: str) -> dict[str, Any]:
        """What each worker traces and could trace, as a dict; of a running pipeline only."""
        found: dict[str, Any] = self._source.ask(f"/api/jobs/{_quoted(job)}/traces", {})
        return found

    def _span(self, job: str) -> tuple[float, float]:
        """From the begin of a job's first scored window to just after its newest data."""
        row: dict[str, Any] = next((one for one in self._source.ask("/api/jobs", {}) if one["job"] == job), {})
        if row.get("first") is None:
            return 0.0, _FOREVER
        return row["first"] - (row["end"] - row["start"]), row["last_data"] + 1.0

    def _range(self, route: str, start: Time, end: Time, **more: Any) -> list[dict[str, Any]]:
        asked = {"start": _seconds(start, 0.0), "end": _seconds(end, _FOREVER), "limit": _MOST, **more}
        rows: list[dict[str, Any]] = self._source.ask(route, asked)
        return rows

    def _frame(self, rows: Sequence[Mapping[str, Any]], names: Sequence[str] = ()) -> Any:
        return _framed(self._library, rows, names)


class _Http:
    """A running pipeline."""

    def __init__(self, address: str, token: str, *, timeout: float = 60.0) -> None:
        self._address, self._token, self._timeout = address, token, timeout
        self.ask("/api/about", {})

    def ask(self, route: str, asked: Mapping[str, Any]) -> Any:
        """The JSON of a route. Raises ConnectError."""
        query = urllib.parse.urlencode({name: value for name, value in asked.items() if value is not None})
        request = urllib.request.Request(f"{self._address}{route}" + (f"?{query}" if query else ""))
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise ConnectError(f"{self._address}{route}: {_told(error)}") from None
        except (OSError, ValueError) as error:
            raise ConnectError(f"no pipeline answers at {self._address}: {error}") from None


class _Folder:
    """The store in a data folder, read by the same routes."""

    def __init__(self, query: SqliteQuery) -> None:
        self._query = query

    def ask(self, route: str, asked: Mapping[str, Any]) -> Any:
        """What the route of a running pipeline would answer. Raises ConnectError."""
        parts = [urllib.parse.unquote(part) for part in route.removeprefix("/api/").split("/")]
        answers: dict[str, Callable[[], Any]] = {
            "jobs": self._query.jobs,
            "incidents": lambda: self._incidents(None if parts[0] == "incidents" else parts[1], parts, asked),
        }
        if len(parts) == 3:
            answers |= self._of_job(parts[1], asked)
        found = answers.get(parts[-1] if len(parts) == 3 else parts[0])
        if found is None:
            raise ConnectError(f"a data folder does not know {parts[-1]}; connect to the running pipeline's address")
        return found()

    def _of_job(self, job: str, asked: Mapping[str, Any]) -> dict[str, Callable[[], Any]]:
        start, end, limit = asked.get("start", 0.0), asked.get("end", _FOREVER), asked.get("limit", _MOST)
        match = {name: asked[name] for name in _LABELS if name in asked}
        return {
            "scores": lambda: self._query.scores(job, start, end, limit),
            "series": lambda: self._query.series(job, match, limit),
            "points": lambda: self._query.points(asked["series"], start, end, asked["buckets"]),
            "profiles": lambda: self._query.profiles(job, asked.get("worker", ""), start, end),
            "pictures": lambda: _pictures(self._query, job, asked),
        }

    def _incidents(self, job: str | None, parts: Sequence[str], asked: Mapping[str, Any]) -> Any:
        if parts[0] == "incidents" and len(parts) == 2:
            found = self._query.incident(parts[1])
            if found is None:
                raise ConnectError(f"unknown incident {parts[1]!r}")
            return found
        return self._query.incidents(job, asked["start"], asked["end"], asked["limit"])


def _pictures(query: SqliteQuery, job: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    from streamgauge.pipelines.adapters.http.pictures import drawn

    return drawn(query, job, asked["worker"], asked["entity"], asked["start"], asked["end"])


def _framed(library: Any, rows: Sequence[Mapping[str, Any]], known: Sequence[str]) -> Any:
    """Rows as a frame, seconds since the epoch as UTC timestamps; without any, empty columns of the `known` names."""
    names = list(dict.fromkeys(name for row in rows for name in row)) or list(known)
    columns = {name: [row.get(name) for row in rows] for name in names}
    times = [name for name in names if name in _TIMES]
    if library.__name__ == "polars":
        frame = library.DataFrame(columns, strict=False)
        of_seconds = [library.col(name).cast(library.Float64) * 1e6 for name in times]
        return frame.with_columns([one.cast(library.Datetime("us", "UTC")) for one in of_seconds])
    frame = library.DataFrame(columns)
    for name in times:
        frame[name] = library.to_datetime(frame[name], unit="s", utc=True)
    return frame


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ConnectError(f"frames of {name} need it installed: pip install {name}") from None


def _seconds(time: Time, default: float) -> float:
    if time is None:
        return default
    if isinstance(time, str):
        time = datetime.fromisoformat(time)
    return time.timestamp() if isinstance(time, datetime) else float(time)


def _quoted(text: str) -> str:
    return urllib.parse.quote(text, safe="")


def _told(error: urllib.error.HTTPError) -> str:
    try:
        found = json.load(error)
        return f"{found['error']}; {found['remedy']}"
    except (ValueError, KeyError, TypeError):
        return f"{error.code} {error.reason}"

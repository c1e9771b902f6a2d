"""The `Query` port on the embedded store: jobs, scores, anomalies, changes, profiles and counters, JSON-ready.

Times are seconds since the epoch by the job's clock; a range is [start, end). What is unknown is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec

from streamgauge.anomaly.types import Anomaly, Part
from streamgauge.pipelines.adapters.sqlite import incidents as sqlite_incidents
from streamgauge.pipelines.adapters.sqlite import series as sqlite_series
from streamgauge.pipelines.adapters.sqlite.read import Reader
from streamgauge.pipelines.adapters.stores import answers
from streamgauge.pipelines.adapters.stores.series import labels_of
from streamgauge.pipelines.wire.given import SETTING as REFERENCE
from streamgauge.pipelines.wire.outputs import DeadLetter
from streamgauge.tracer.records import Sketch

_HOUR: Final = 3600.0
_parts: Final = msgspec.msgpack.Decoder(tuple[Part, ...])
_anomaly: Final = msgspec.msgpack.Decoder(Anomaly)
_sketches: Final = msgspec.msgpack.Decoder(tuple[Sketch, ...])
_counts: Final = msgspec.msgpack.Decoder(dict[str, int])


class SqliteQuery:
    """Reads the store in `path`, which `SqliteStore` made; any number of threads may."""

    def __init__(self, path: str | Path, *, busy: float = 5.0) -> None:
        self._reader = Reader(path, busy=busy)

    def jobs(self) -> list[dict[str, Any]]:
        """Every job that has a score: its last one, how it changed within an hour, and what is open."""
        with self._reader.reading() as store:
            return [_job(store, name) for name in _keys(store, "job") if "overall" in _keys(store, "domain", name)]

    def scores(self, job: str, start: float, end: float, limit: int = 1000) -> list[dict[str, Any]]:
        """The newest `limit` score lines of windows that end in the range, oldest first."""
        with self._reader.reading() as store:
            rows = store.execute(
                f"SELECT {_SCORE} FROM scores WHERE job = ? AND ts >= ? AND ts < ?"
                " ORDER BY ts DESC, domain DESC LIMIT ?",
                (job, start, end, limit),
            ).fetchall()
        return [answers.score(*row) for row in reversed(rows)]

    def breakdown(self, job: str, at: float | None = None) -> dict[str, Any] | None:
        """The last overall score at or before `at`, its parts, largest loss first, and the domains' own."""
        with self._reader.reading() as store:
            rows = store.execute(
                f"SELECT {_SCORE}, parts FROM scores JOIN breakdowns USING (job, domain, ts) WHERE job = ?1 AND ts ="
                " (SELECT max(ts) FROM scores WHERE job = ?1 AND domain = 'overall' AND ts <= ?2) ORDER BY domain",
                (job, float("inf") if at is None else at),
            ).fetchall()
        found = {row[0]: answers.score(*row[:7]) | {"parts": answers.parts(_parts.decode(row[7]))} for row in rows}
        overall = found.pop("overall", None)
        return None if overall is None else {"job": job, **overall, "domains": list(found.values())}

    def series(self, job: str, match: Mapping[str, str], limit: int = 1000) -> list[dict[str, Any]]:
        """The series whose labels (worker, domain, entity, metric) equal those in `match`, with their last point."""
        with self._reader.reading() as store:
            return sqlite_series.series(store, job, match, limit)

    def points(self, series: int, start: float, end: float, buckets: int = 500) -> dict[str, Any]:
        """One series as columns, at the coarsest level with at least `buckets` buckets; {} for an unknown series."""
        with self._reader.reading() as store:
            return sqlite_series.points(store, series, start, end, buckets)

    def changed(
        self, job: str, start: float, end: float, limit: int = 50, *, before: tuple[float, float] | None = None
    ) -> list[dict[str, Any]]:
        """The series whose mean in the range differs most from the one before it, in units of their spread before."""
        anomalous = labels_of(self.anomalies(job, start, end))
        with self._reader.reading() as store:
            return sqlite_series.changed(store, job, start, end, anomalous, limit, before)

    def anomalies(self, job: str, start: float, end: float, limit: int = 1000) -> list[dict[str, Any]]:
        """The newest `limit` episodes that overlap the range, oldest first; a fact without end is one moment."""
        with self._reader.reading() as store:
            begun = "SELECT body FROM anomalies WHERE job = ? AND start < ? ORDER BY start DESC, fingerprint DESC"
            episodes = (_anomaly.decode(body) for (body,) in store.execute(begun, (job, end)))
            lasting = (one for one in episodes if _last_moment(one, end) >= start)
            found = [answers.anomaly(one) for one in islice(lasting, limit)]
        return found[::-1]

    def incidents(self, job: str | None, start: float, end: float, limit: int = 200) -> list[dict[str, Any]]:
        """The newest `limit` incidents told or open in the range, of one job or all, newest first."""
        with self._reader.reading() as store:
            return sqlite_incidents.incidents(store, job, start, end, limit)

    def incident(self, notification: str) -> dict[str, Any] | None:
        """The incident that a notification (or the root's episode) belongs to, with every notification and decision."""
        with self._reader.reading() as store:
            return sqlite_incidents.incident(store, notification)

    def decided(self, job: str, start: float, end: float, limit: int = 5000) -> list[dict[str, Any]]:
        """What was decided and told in the range, oldest first, one flat row each."""
        with self._reader.reading() as store:
            return sqlite_incidents.decided(store, job, start, end, limit)

    def silenced(self, job: str, limit: int = 200) -> list[dict[str, Any]]:
        """Alerts that a silence holds back now, newest first, each with its reason."""
        with self._reader.reading() as store:
            return sqlite_incidents.silenced(store, job, limit)

    def changes(self, job: str, start: float, end: float) -> list[dict[str, Any]]:
        """What to mark on a time axis, oldest first."""
        with self._reader.reading() as store:
            rows = store.execute(
                "SELECT job, worker, name, time, text FROM changes WHERE job = ? AND time >= ? AND time < ?"
                " ORDER BY time, name, worker, text",
                (job, start, end),
            ).fetchall()
        return [dict(zip(("job", "worker", "name", "time", "text"), row, strict=True)) for row in rows]

    def profiles(self, job: str, worker: str, start: float, end: float) -> list[dict[str, Any]]:
        """The merged summaries of windows that end in the range; the columns of a sketch are base64 of raw arrays."""
        with self._reader.reading() as store:
            rows = store.execute(
                "SELECT window, ts, start, revision, sketches FROM profiles WHERE job = ? AND worker = ? AND ts >= ?"
                " AND ts < ? ORDER BY ts, window",
                (job, worker, start, end),
            ).fetchall()
        return answers.whole(
            {"job": job, "worker": worker, "window": window, "start": first, "end": ts, "revision": revision,
             "sketches": answers.plain(_sketches.decode(sketches))}
            for window, ts, first, revision, sketches in rows
        )  # fmt: skip

    def counters(self, job: str) -> dict[str, Any]:
        """What became of a job's records so far, by name, and the `time` of the count; {} for an unknown job."""
        with self._reader.reading() as store:
            row = store.execute("SELECT time, counts FROM counters WHERE job = ?", (job,)).fetchone()
        return {} if row is None else {"time": row[0], **_counts.decode(row[1])}

    def dead_letters(self, limit: int = 100) -> list[dict[str, Any]]:
        """The last records that could not be used, newest first, with the begin of their bytes as hexadecimal text."""
        with self._reader.reading() as store:
            rows = store.execute(
                "SELECT identity, reason, text, topic, key, bytes, substr(data, 1, ?) FROM dead_letters"
                " ORDER BY rowid DESC LIMIT ?",
                (answers.DEAD_BYTES, limit),
            ).fetchall()
        names = ("identity", "reason", "text", "topic", "key")
        letters = [
            (DeadLetter(**dict(zip(names, row, strict=False)), data=bytes(row[-1] or b"")), row[-2]) for row in rows
        ]
        return [answers.dead_letter(letter, length) for letter, length in letters]

    def close(self) -> None:
        """Release the file."""
        self._reader.close()


_SCORE: Final = "domain, start, ts, micropoints, coverage, cap, scores.revision"


def _keys(store: Any, column: str, job: str | None = None) -> list[str]:
    """The jobs with scores, or the domains of one, each by one step into the index: DISTINCT would read every row."""
    where = "job = ?1 AND" if job is not None else ""
    found: list[str] = []
    step = f"SELECT min({column}) FROM scores WHERE {where} {column} > ?2"
    while (key := store.execute(step, (job, found[-1] if found else "")).fetchone()[0]) is not None:
        found.append(key)
    return found


def _job(store: Any, job: str) -> dict[str, Any]:
    line = f"SELECT {_SCORE} FROM scores WHERE job = ? AND domain = ? AND ts <= ? ORDER BY ts DESC LIMIT ?"
    recent = [answers.score(*row) for row in store.execute(line, (job, "overall", float("inf"), answers.SPARKLINE))]
    end = recent[0]["end"]
    before = store.execute(line, (job, "overall", end - _HOUR, 1)).fetchone()
    domains = [domain for domain in _keys(store, "domain", job) if domain != "overall"]
    latest = [store.execute(line, (job, domain, end, 1)).fetchone() for domain in domains]
    newest = store.execute("SELECT max(newest) FROM windows WHERE job = ?", (job,)).fetchone()[0]
    first = store.execute("SELECT min(ts) FROM scores WHERE job = ? AND domain = 'overall'", (job,)).fetchone()[0]
    return answers.job(
        job, recent, [answers.score(*row) for row in latest if row is not None], None if before is None else before[3],
        first, newest, sqlite_incidents.still_open(store, job), _reference(store, job),
    )  # fmt: skip


def _reference(store: Any, job: str) -> dict[str, Any] | None:
    """The last one that the job was given."""
    last = "SELECT time, text FROM changes WHERE job = ? AND name = ? ORDER BY time DESC LIMIT 1"
    row = store.execute(last, (job, REFERENCE)).fetchone()
    return None if row is None else {"time": row[0], "text": row[1]}


def _last_moment(episode: Anomaly, now: float) -> float:
    """Until when an episode lasts; a fact without end is one moment."""
    if episode.end is not None:
        return episode.end
    return episode.time if episode.kind == "fact" else now

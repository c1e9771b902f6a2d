"""The `Query` port on an InfluxDB, by InfluxQL: the same answers as from the embedded store.

Times are seconds since the epoch by the job's clock; a range is [start, end). What is unknown is None. Each question is
asked by itself, so what is written between two of them may show in the second. Means over buckets are the server's
sums: they differ from the embedded store's in the last bits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from streamgauge.anomaly.types import Anomaly, Score
from streamgauge.pipelines.adapters.influx import incidents as influx_incidents
from streamgauge.pipelines.adapters.influx.api import InfluxApi, Series
from streamgauge.pipelines.adapters.influx.lines import name_of, of_body, seconds
from streamgauge.pipelines.adapters.influx.ql import before, bound, number, since, tags, until
from streamgauge.pipelines.adapters.influx.schema import SHIFT_NS
from streamgauge.pipelines.adapters.influx.series import InfluxSeries
from streamgauge.pipelines.adapters.stores import answers
from streamgauge.pipelines.adapters.stores.incidents import Standing
from streamgauge.pipelines.adapters.stores.series import labels_of
from streamgauge.pipelines.wire.given import SETTING as REFERENCE
from streamgauge.pipelines.wire.outputs import Change, DeadLetter, Profiles
from streamgauge.tracer.records import Sketch

_RECENT: Final = 2 * answers.SPARKLINE + 1  # scores of a job that are read at once: an hour of them, mostly
_HOUR: Final = 3600.0
_SCORE: Final = '"start", "micropoints", "coverage", "cap", "revision"'
_score: Final = msgspec.msgpack.Decoder(Score)
_anomaly: Final = msgspec.msgpack.Decoder(Anomaly)
_change: Final = msgspec.msgpack.Decoder(Change)
_dead: Final = msgspec.msgpack.Decoder(DeadLetter)
_profiles: Final = msgspec.msgpack.Decoder(Profiles)


class InfluxQuery:
    """Reads what `InfluxStore` wrote; any number of threads may."""

    def __init__(self, api: InfluxApi) -> None:
        self._api, self._series = api, InfluxSeries(api)

    def jobs(self) -> list[dict[str, Any]]:
        """Every job that has a score: its last one, how it changed within an hour, and what is open."""
        last = "ORDER BY time DESC LIMIT"
        overall = """"domain" = 'overall'"""
        recent = self._by_job(f'SELECT {_SCORE} FROM "quality_score" WHERE {overall} GROUP BY "job" {last} {_RECENT}')
        first = self._by_job(f'SELECT "micropoints" FROM "quality_score" WHERE {overall} GROUP BY "job" LIMIT 1')
        newest = self._by_job(f'SELECT "revision" FROM "window" GROUP BY "job" {last} 1')
        open_ = influx_incidents.still_open(self._api)
        found = []
        for name in sorted(recent):
            lines = [_line("overall", row) for row in recent[name]]
            end = lines[0]["end"]
            found.append(answers.job(
                name, lines[: answers.SPARKLINE], self._domains(name, end), self._before(name, lines),
                seconds(first[name][0]["time"]),
                seconds(newest[name][0]["time"]) if name in newest else None, open_.get(name, Standing()),
                self._reference(name, end),
            ))  # fmt: skip
        return found

    def scores(self, job: str, start: float, end: float, limit: int = 1000) -> list[dict[str, Any]]:
        """The newest `limit` score lines of windows that end in the range, oldest first."""
        where = f"{tags({'job': job})} AND {since(start)} AND {before(end)}"
        newest = f'GROUP BY "domain" ORDER BY time DESC LIMIT {limit}'
        found = self._api.ask(f'SELECT {_SCORE} FROM "quality_score" WHERE {where} {newest}')
        lines = [_line(series.tags["domain"], row) for series in found for row in series.rows]
        lines.sort(key=lambda line: (line["end"], line["domain"]))
        return lines[-limit:] if limit else []

    def breakdown(self, job: str, at: float | None = None) -> dict[str, Any] | None:
        """The last overall score at or before `at`, its parts, largest loss first, and the domains' own."""
        last = self._last_score(job, "overall", math.inf if at is None else at)
        if last is None:
            return None
        where = f"{tags({'job': job})} AND time = {last['time']}"
        scores = [of_body(row, _score) for row in self._rows(f'SELECT * FROM "quality_score" WHERE {where}')]
        found = {
            score.domain: answers.score(
                score.domain, score.start, score.end, score.micropoints, score.coverage, score.cap, score.revision
            ) | {"parts": answers.parts(score.parts)}
            for score in sorted(scores, key=lambda score: score.domain)
        }  # fmt: skip
        overall = found.pop("overall", None)
        return None if overall is None else {"job": job, **overall, "domains": list(found.values())}

    def series(self, job: str, match: Mapping[str, str], limit: int = 1000) -> list[dict[str, Any]]:
        """The series whose labels (worker, domain, entity, metric) equal those in `match`, with their last point."""
        return self._series.series(job, match, limit)

    def points(self, series: int, start: float, end: float, buckets: int = 500) -> dict[str, Any]:
        """One series as columns, at the coarsest level with at least `buckets` buckets; {} for an unknown series."""
        return self._series.points(series, start, end, buckets)

    def changed(
        self, job: str, start: float, end: float, limit: int = 50, *, before: tuple[float, float] | None = None
    ) -> list[dict[str, Any]]:
        """The series whose mean in the range differs most from the one before it, in units of their spread before."""
        return self._series.changed(job, start, end, labels_of(self.anomalies(job, start, end)), limit, before)

    def anomalies(self, job: str, start: float, end: float, limit: int = 1000) -> list[dict[str, Any]]:
        """The newest `limit` episodes that overlap the range, oldest first; a fact without end is one moment."""
        lasting = f"(\"state\" = 'open' OR \"until\" >= {number(start)})"
        where = f"{tags({'job': job})} AND {before(end)} AND {lasting}"
        rows = self._rows(f'SELECT * FROM "anomaly" WHERE {where} ORDER BY time DESC LIMIT {limit}')
        found = [of_body(row, _anomaly) for row in rows]
        return [answers.anomaly(one) for one in sorted(found, key=lambda one: (one.start, one.fingerprint))]

    def incidents(self, job: str | None, start: float, end: float, limit: int = 200) -> list[dict[str, Any]]:
        """The newest `limit` incidents told or open in the range, of one job or all, newest first."""
        return influx_incidents.incidents(self._api, job, start, end, limit)

    def incident(self, notification: str) -> dict[str, Any] | None:
        """The incident that a notification (or the root's episode) belongs to, with every notification and decision."""
        return influx_incidents.incident(self._api, notification)

    def decided(self, job: str, start: float, end: float, limit: int = 5000) -> list[dict[str, Any]]:
        """What was decided and told in the range, oldest first, one flat row each."""
        return influx_incidents.decided(self._api, job, start, end, limit)

    def silenced(self, job: str, limit: int = 200) -> list[dict[str, Any]]:
        """Alerts that a silence holds back now, newest first, each with its reason."""
        return influx_incidents.silenced(self._api, job, limit)

    def changes(self, job: str, start: float, end: float) -> list[dict[str, Any]]:
        """What to mark on a time axis, oldest first."""
        where = f"{tags({'job': job})} AND {since(start)} AND time < {bound(end) + SHIFT_NS}"
        found = [of_body(row, _change) for row in self._rows(f'SELECT * FROM "change" WHERE {where}')]
        found = [change for change in found if start <= change.time < end]
        found.sort(key=lambda change: (change.time, change.name, change.worker, change.text))
        return [{name: getattr(one, name) for name in ("job", "worker", "name", "time", "text")} for one in found]

    def _reference(self, job: str, end: float) -> dict[str, Any] | None:
        """The last one that the job was given, within the time that it holds."""
        found = [one for one in self.changes(job, end - 28 * 86400.0, end + 86400.0) if one["name"] == REFERENCE]
        return {"time": found[-1]["time"], "text": found[-1]["text"]} if found else None

    def profiles(self, job: str, worker: str, start: float, end: float) -> list[dict[str, Any]]:
        """The merged summaries of windows that end in the range; the columns of a sketch are base64 of raw arrays."""
        where = f"{tags({'job': job, 'worker': worker})} AND {since(start)} AND {before(end)}"
        found = [of_body(row, _profiles) for row in self._rows(f'SELECT * FROM "profile" WHERE {where}')]
        return answers.whole(
            {"job": job, "worker": worker, "window": one.window, "start": one.start, "end": one.end,
             "revision": one.revision, "sketches": answers.plain(msgspec.convert(one.sketches, tuple[Sketch, ...]))}
            for one in sorted(found, key=lambda one: (one.end, one.window, one.part))
        )  # fmt: skip

    def counters(self, job: str) -> dict[str, Any]:
        """What became of a job's records so far, by name, and the `time` of the count; {} for an unknown job."""
        rows = self._rows(f'SELECT * FROM "counters" WHERE {tags({"job": job})} ORDER BY time DESC LIMIT 1')
        counted = [{name: value for name, value in row.items() if value is not None} for row in rows]
        return {} if not rows else {name: value for name, value in counted[0].items() if name != "job"} | {
            "time": seconds(rows[0]["time"])
        }  # fmt: skip

    def dead_letters(self, limit: int = 100) -> list[dict[str, Any]]:
        """The last records that could not be used, newest first, with the begin of their bytes as hexadecimal text."""
        rows = self._rows(f'SELECT * FROM "dead_letter" ORDER BY time DESC LIMIT {2 * limit + 100}')
        first = {row["identity"]: row for row in rows}  # of one that came again after a crash, when it came first
        newest = sorted(first.values(), key=lambda row: -row["time"])[:limit]
        return [answers.dead_letter(of_body(row, _dead), row["bytes"]) for row in newest]

    def close(self) -> None:
        """Release the connections."""
        self._api.close()

    def _rows(self, query: str) -> list[dict[str, Any]]:
        """The rows of a query that is not grouped."""
        return [row for series in self._api.ask(query) for row in series.rows]

    def _by_job(self, query: str) -> dict[str, list[dict[str, Any]]]:
        return {name_of(series.tags["job"]): series.rows for series in self._api.ask(query)}

    def _last_score(self, job: str, domain: str, at: float) -> dict[str, Any] | None:
        where = f"{tags({'job': job, 'domain': domain})} AND {until(at)}"
        rows = self._rows(f'SELECT {_SCORE} FROM "quality_score" WHERE {where} ORDER BY time DESC LIMIT 1')
        return rows[0] if rows else None

    def _before(self, job: str, recent: list[dict[str, Any]]) -> int | None:
        """Micropoints of the overall score an hour before the last one."""
        at = recent[0]["end"] - _HOUR
        for line in recent:
            if line["end"] <= at:
                return int(line["micropoints"])
        older = self._last_score(job, "overall", at) if len(recent) == _RECENT else None
        return None if older is None else int(older["micropoints"])

    def _domains(self, job: str, end: float) -> list[dict[str, Any]]:
        """The last score of each domain that is not after the overall one."""
        where = f"{tags({'job': job})} AND \"domain\" != 'overall' AND {until(end)}"
        query = f'SELECT {_SCORE} FROM "quality_score" WHERE {where} GROUP BY "domain" ORDER BY time DESC LIMIT 1'
        found: list[Series] = sorted(self._api.ask(query), key=lambda series: series.tags["domain"])
        return [_line(series.tags["domain"], series.rows[0]) for series in found]


def _line(domain: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return answers.score(
        domain, row["start"], seconds(row["time"]), row["micropoints"], row["coverage"], row["cap"], row["revision"]
    )

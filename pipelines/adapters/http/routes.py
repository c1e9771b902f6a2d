"""What can be read over HTTP: one short function a route, each within its bounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web

from streamgauge.anomaly.types import node_of
from streamgauge.pipelines.adapters.http import keys, people
from streamgauge.pipelines.adapters.http.json import MAX_TEXT, Refusal, answer, as_object, number, span, whole
from streamgauge.pipelines.adapters.http.traces import traced_by
from streamgauge.pipelines.config.schema import JobConfig, Limit
from streamgauge.pipelines.detection.phases import with_phase
from streamgauge.pipelines.paging import causes, lineage
from streamgauge.pipelines.paging import gate as gates
from streamgauge.pipelines.paging.audit import ACTED
from streamgauge.pipelines.ports import Query, StoreBusy

_MOST: Final = 5000  # rows of one answer
_NAMED: Final = 20  # silent workers that are named
_LABELS: Final = ("worker", "domain", "entity", "metric")


def add(app: web.Application) -> None:
    """Add all routes that only read."""
    job = "/api/jobs/{job}"
    app.router.add_get("/api/about", about)
    app.router.add_get("/api/jobs", jobs)
    app.router.add_get("/api/incidents", incidents)
    app.router.add_get("/api/incidents/{id}", incident)
    app.router.add_get("/api/incidents/{id}/causes", incident_causes)
    app.router.add_get("/api/health", health)
    app.router.add_get("/api/dead-letters", dead_letters)
    app.router.add_get("/api/gate/{job}", gate)
    for name, handler in {
        "scores": scores, "breakdown": breakdown, "series": series, "points": points, "changed": changed,
        "anomalies": anomalies, "incidents": incidents, "silenced": silenced, "changes": changes, "profiles": profiles,
        "topology": topology, "traces": traces, "health": job_health,
    }.items():  # fmt: skip
        app.router.add_get(f"{job}/{name}", handler)


def job_of(request: web.Request) -> str:
    """The job in the path. Raises Refusal for one that is not configured."""
    name = request.match_info["job"]
    known = [job.name for job in request.app[keys.SOURCES].config.jobs]
    if name not in known:
        shown = ", ".join(known[:10]) or "none"
        raise Refusal(404, f"unknown job {name[:100]!r}", f"the configured jobs are: {shown}")
    return name


def config_of(request: web.Request) -> JobConfig:
    """The configuration of the job in the path. Raises Refusal for one that is not configured."""
    name = job_of(request)
    return next(job for job in request.app[keys.SOURCES].config.jobs if job.name == name)


async def about(request: web.Request) -> web.StreamResponse:
    """By which clock people act, its time, and of each job what a reader of its scores must know."""
    sources = request.app[keys.SOURCES]
    shown = [
        {"name": job.name, "timezone": job.timezone, "slide": max(window.slide for window in job.windows),
         "short": min((window.length for window in job.windows if window.kind == "short"), default=60.0),
         "is_own": sources.config.own.enabled and job.name == sources.config.own.name,
         "warm_up": job.detection.warm_up, "features": [feature.name for feature in job.features],
         "limits": [limit_shown(limit) for limit in job.limits]}
        for job in sources.config.jobs
    ]  # fmt: skip
    who = people.asking()._asdict()
    return answer({"clock": sources.config.clock, "now": sources.now(), "jobs": shown, "who": who})


def limit_shown(limit: Limit) -> dict[str, Any]:
    """A declared limit as charts draw it."""
    return {
        "metric": limit.metric, "entity": limit.entity, "worker": limit.worker, "above": limit.above,
        "below": limit.below, "severity": limit.severity,
    }  # fmt: skip


async def jobs(request: web.Request) -> web.StreamResponse:
    """Every configured job, with its latest scores if it has any."""
    stored = {row["job"]: row for row in await _ask(request, lambda query: query.jobs())}
    sources = request.app[keys.SOURCES]
    rows = [with_phase(stored.get(job.name, {"job": job.name}), job) for job in sources.config.jobs]
    return answer([row | _away(row.get("missing", ()), sources.silent(row["job"])) for row in rows])


def _away(missing: Sequence[str], silent: Sequence[str]) -> dict[str, Any]:
    """The first names of the missing workers; of the silent ones that are no fact yet also how many."""
    others = sorted(set(silent) - set(missing))
    return {"missing": list(missing[:_NAMED]), "silent_workers": len(others), "silent": others[:_NAMED]}


async def scores(request: web.Request) -> web.StreamResponse:
    """Score lines of a job."""
    job, (start, end), limit = job_of(request), span(request), whole(request, "limit", 1000, _MOST)
    return answer(await _ask(request, lambda query: query.scores(job, start, end, limit)))


async def breakdown(request: web.Request) -> web.StreamResponse:
    """The latest scores with all their parts, or those at a time."""
    job = job_of(request)
    at = number(request, "at", 0.0) if "at" in request.query else None
    found = await _ask(request, lambda query: query.breakdown(job, at))
    if found is None:
        when = "yet" if at is None else f"at {at:.0f}"
        raise Refusal(404, f"job {job!r} has no score {when}", "wait for its first window")
    return answer(found)


async def series(request: web.Request) -> web.StreamResponse:
    """The series of a job that match the given labels."""
    job, limit = job_of(request), whole(request, "limit", 1000, _MOST)
    match = {label: text_of(request, label) for label in _LABELS if label in request.query}
    return answer(await _ask(request, lambda query: query.series(job, match, limit)))


async def points(request: web.Request) -> web.StreamResponse:
    """One series over a range, in buckets with mean, low and high."""
    job_of(request)
    if "series" not in request.query:
        raise Refusal(400, "series is missing", "take a number from /api/jobs/JOB/series")
    number_, (start, end) = whole(request, "series", 0, 2**53, least=0), span(request)
    buckets = whole(request, "buckets", 500, 2000)
    return answer(await _ask(request, lambda query: query.points(number_, start, end, buckets)))


async def changed(request: web.Request) -> web.StreamResponse:
    """The series that changed most in a range against the range before, or another one."""
    job, (start, end), limit = job_of(request), span(request), whole(request, "limit", 50, 500)
    before = number(request, "before_start", 2.0 * start - end), number(request, "before_end", start)
    if not before[0] < before[1]:
        raise Refusal(400, f"before_start must be before before_end, got {before[0]:g} and {before[1]:g}", "swap them")
    return answer(await _ask(request, lambda query: query.changed(job, start, end, limit, before=before)))


async def anomalies(request: web.Request) -> web.StreamResponse:
    """Anomalies of a job in a range, each with its place in the topology."""
    job, (start, end), limit = job_of(request), span(request), whole(request, "limit", 1000, _MOST)
    found = await _ask(request, lambda query: query.anomalies(job, start, end, limit))
    return answer([row | {"node": _node(row)} for row in found])


async def incidents(request: web.Request) -> web.StreamResponse:
    """Root causes with what they suppress, of one job or all."""
    job = job_of(request) if "job" in request.match_info else None
    (start, end), limit = span(request), whole(request, "limit", 200, _MOST)
    return answer(await _ask(request, lambda query: query.incidents(job, start, end, limit)))


async def incident(request: web.Request) -> web.StreamResponse:
    """One incident with its audit trail."""
    name = request.match_info["id"]
    found = await _ask(request, lambda query: query.incident(name))
    if found is None:
        raise Refusal(404, f"unknown incident {name[:100]!r}", "see /api/incidents")
    return answer(found)


async def incident_causes(request: web.Request) -> web.StreamResponse:
    """Where an incident may have begun: anomalies upstream of its root, the likeliest first, with the evidence."""
    name, sources = request.match_info["id"], request.app[keys.SOURCES]

    def asked(query: Query) -> list[causes.Cause]:
        found = query.incident(name)
        job = next((job for job in sources.config.jobs if found and job.name == found["job"]), None)
        if found is None or job is None:
            raise Refusal(404, f"unknown incident {name[:100]!r}", "see /api/incidents")
        window = min(spec.length for spec in job.windows)
        return causes.causes_of(query, found, sources.topology(job.name)["edges"], sources.now(), window=window)

    return answer([one._asdict() for one in await _ask(request, asked)])


async def gate(request: web.Request) -> web.StreamResponse:
    """Whether a model of the job may be pushed: pass, hold or unknown, and why."""
    job, now = job_of(request), request.app[keys.SOURCES].now()
    since = number(request, "since", 0.0) if "since" in request.query else None

    def asked(query: Query) -> gates.Gate:
        begin = now - gates.OVERRIDE
        incidents = query.incidents(job, begin if since is None else since, now + 1.0)
        found = query.changes(job, begin, now + 1.0)
        return gates.judge(job, query.breakdown(job), incidents, now, since=since, changes=found)

    return answer(as_object(await _ask(request, asked)))


async def silenced(request: web.Request) -> web.StreamResponse:
    """Alerts that a silence holds back now, with its reason."""
    job, limit = job_of(request), whole(request, "limit", 200, _MOST)
    return answer(await _ask(request, lambda query: query.silenced(job, limit)))


async def changes(request: web.Request) -> web.StreamResponse:
    """What to mark on a time axis: events, settings, gaps, a job's begin and end; of some `names` only, if given."""
    job, (start, end) = job_of(request), span(request)
    found = await _ask(request, lambda query: query.changes(job, start, end))
    names = request.query.get("names", "").split(",")
    return answer([row for row in found if row["name"] in names or (names == [""] and row["name"] != ACTED)])


async def profiles(request: web.Request) -> web.StreamResponse:
    """Merged summaries of one worker, or of the job, in a range."""
    job, worker, (start, end) = job_of(request), text_of(request, "worker"), span(request)
    return answer(await _ask(request, lambda query: query.profiles(job, worker, start, end)))


async def topology(request: web.Request) -> web.StreamResponse:
    """The job's graph of what depends on what."""
    name, sources = job_of(request), request.app[keys.SOURCES]
    return answer(as_object(await request.app[keys.READERS].run(lambda: sources.topology(name))))


async def traces(request: web.Request) -> web.StreamResponse:
    """What each worker traces, as reported by it, and what it could trace."""
    name, sources = job_of(request), request.app[keys.SOURCES]
    return answer(await request.app[keys.READERS].run(lambda: traced_by(sources.bus, name)))


async def job_health(request: web.Request) -> web.StreamResponse:
    """What became of a job's records."""
    name = job_of(request)
    return answer(await _ask(request, lambda query: query.counters(name)))


async def health(request: web.Request) -> web.StreamResponse:
    """Queues, consumers, disk and state of the pipeline, and what became of every job's records."""
    sources = request.app[keys.SOURCES]
    pipeline = await request.app[keys.READERS].run(sources.health)
    names = [job.name for job in sources.config.jobs]
    try:
        by_job = await _ask(request, lambda query: {name: query.counters(name) for name in names})
    except StoreBusy:
        by_job = {}  # what is wrong is told all the same
    return answer(pipeline | {"jobs": by_job})


async def dead_letters(request: web.Request) -> web.StreamResponse:
    """The last records that could not be used."""
    limit = whole(request, "limit", 100, _MOST)
    return answer(await _ask(request, lambda query: query.dead_letters(limit)))


async def _ask(request: web.Request, ask: Any) -> Any:
    def asked(query: Query) -> Any:
        return ask(query)

    return await request.app[keys.READERS].query(asked)


def _node(row: dict[str, Any]) -> str:
    return node_of(lineage.place(row["domain"], row["entity"], row["metric"]), row["worker"])


def text_of(request: web.Request, name: str) -> str:
    """A text from the query string, "" where it is left out."""
    text = request.query.get(name, "")
    if len(text) > MAX_TEXT:
        raise Refusal(400, f"{name} has {len(text)} characters, at most {MAX_TEXT} are read", "filter by a shorter one")
    return text

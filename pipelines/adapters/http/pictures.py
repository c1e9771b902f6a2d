"""The pictures of an entity over HTTP: its stored summaries of a range, merged, against those of the range before."""

from __future__ import annotations

import base64
from typing import Any, Final

from aiohttp import web

from streamgauge.pipelines.adapters.http import keys
from streamgauge.pipelines.adapters.http.curves import pictures_of
from streamgauge.pipelines.adapters.http.json import FOREVER, answer, number, span
from streamgauge.pipelines.adapters.http.routes import job_of, text_of
from streamgauge.pipelines.ports import Query
from streamgauge.pipelines.sample_quality import oddities
from streamgauge.tracer.records import Sketch

_WINDOWS: Final = 120  # windows that are merged at most, the newest ones


def add(app: web.Application) -> None:
    """Add the route."""
    app.router.add_get("/api/jobs/{job}/pictures", pictures)


async def pictures(request: web.Request) -> web.StreamResponse:
    """Distributions now and before, and the curves of labelled rows, of one entity at a worker or in the whole job."""
    job, worker, entity = job_of(request), text_of(request, "worker"), text_of(request, "entity")
    start, end = span(request)
    sources = request.app[keys.SOURCES]
    slide = min(window.slide for item in sources.config.jobs if item.name == job for window in item.windows)
    start = max(start, min(end, sources.now() + slide) - _WINDOWS * slide)
    against = number(request, "against", FOREVER)
    past = None if against == FOREVER else against
    found = await request.app[keys.READERS].query(lambda query: drawn(query, job, worker, entity, start, end, past))
    return answer(found)


def drawn(
    query: Query, job: str, worker: str, entity: str, start: float, end: float, against: float | None = None
) -> dict[str, Any]:
    """What is drawn of an entity's windows in a range, against as much before it, or before the time `against`."""
    now = _tiled(query.profiles(job, worker, start, end))
    if not now:
        return {"now": None, "before": None}
    first, last = now[0]["start"], now[-1]["end"]
    until = first if against is None else against
    before = _tiled(query.profiles(job, worker, until - (last - first), until + 1e-6))
    odd = _odd(query, job, entity, first, last)
    drawn = pictures_of(_sketches(now, entity), _sketches(before, entity), entity, odd)
    return {"now": _covered(now), "before": _covered(before), **drawn}


def _odd(query: Query, job: str, entity: str, start: float, end: float) -> set[int]:
    """The values of a feature that made a window of the range odd."""
    of = (one for one in query.anomalies(job, start, end) if (one["entity"], one["metric"]) == (entity, oddities.NAME))
    return {value for one in of if (value := oddities.named(one["text"])) is not None}


def _tiled(windows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The windows of the shortest class, which do not overlap."""
    if not windows:
        return []
    length = {row["window"]: row["end"] - row["start"] for row in windows}
    shortest = min(length, key=lambda name: (length[name], name))
    return [row for row in windows if row["window"] == shortest]


def _covered(windows: list[dict[str, Any]]) -> dict[str, Any] | None:
    return {"start": windows[0]["start"], "end": windows[-1]["end"], "windows": len(windows)} if windows else None


def _sketches(windows: list[dict[str, Any]], entity: str) -> list[Sketch]:
    return [
        Sketch(one["kind"], one["clock"], one["name"], one["entity"], tuple(map(base64.b64decode, one["columns"])))
        for row in windows
        for one in row["sketches"]
        if one["entity"] == entity
    ]

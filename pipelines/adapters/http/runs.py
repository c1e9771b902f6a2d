"""A job's runs over HTTP: their history, and two of them beside each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from streamgauge.pipelines.adapters.http import keys
from streamgauge.pipelines.adapters.http.json import Refusal, answer, whole
from streamgauge.pipelines.adapters.http.routes import config_of, job_of, text_of
from streamgauge.pipelines.ports import Query
from streamgauge.pipelines.runs import comparison, history


def add(app: web.Application) -> None:
    """Add the routes."""
    app.router.add_get("/api/jobs/{job}/runs", runs)
    app.router.add_get("/api/jobs/{job}/runs/compared", compared)


async def runs(request: web.Request) -> web.StreamResponse:
    """The runs of a job, newest first: when, how it stands, what it ran with, and what was released in it."""
    found = await _ask(request, lambda query, of: [one._asdict() for one in reversed(of(query))])
    return answer(found)


async def compared(request: web.Request) -> web.StreamResponse:
    """Two runs beside each other: configurations, scores, incidents, and the series that differ most."""
    names, is_whole = [text_of(request, "first"), text_of(request, "second")], whole(request, "whole", 0, 1, least=0)
    job, now = job_of(request), request.app[keys.SOURCES].now()

    def compare(query: Query, of: Callable[[Query], list[history.Run]]) -> dict[str, Any]:
        known = of(query)
        first, second = (history.find(known, name) for name in names)
        return comparison.compare(query, job, first, second, now, is_whole=bool(is_whole))

    try:
        return answer(await _ask(request, compare))
    except LookupError as error:
        raise Refusal(404, str(error), f"/api/jobs/{job}/runs lists them") from None


async def _ask(request: web.Request, ask: Callable[[Query, Callable[[Query], list[history.Run]]], Any]) -> Any:
    job, now = config_of(request), request.app[keys.SOURCES].now()
    slide = min(window.slide for window in job.windows)

    def asked(query: Query) -> Any:
        return ask(query, lambda query: comparison.read(query, job.name, now, slide))

    return await request.app[keys.READERS].query(asked)

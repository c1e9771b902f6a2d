"""The table of a job's features over HTTP, as JSON and as CSV: of the last week where no range is asked for."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from streamgauge.pipelines.adapters.http import keys
from streamgauge.pipelines.adapters.http.json import answer
from streamgauge.pipelines.adapters.http.recent import recent
from streamgauge.pipelines.adapters.http.routes import config_of
from streamgauge.pipelines.config.schema import DAY
from streamgauge.pipelines.features.lines import as_csv
from streamgauge.pipelines.features.table import table
from streamgauge.pipelines.ports import Query

_MOST: Final = 90 * DAY


def add(app: web.Application) -> None:
    """Add the routes."""
    app.router.add_get("/api/jobs/{job}/features", features)
    app.router.add_get("/api/jobs/{job}/features.csv", features_csv)


async def features(request: web.Request) -> web.StreamResponse:
    """What each feature of a job is worth, and whether to keep it, ask its owner, or drop it; those to drop first."""
    return answer(await _rows(request))


async def features_csv(request: web.Request) -> web.StreamResponse:
    """The same as CSV."""
    return web.Response(text=as_csv(await _rows(request)), content_type="text/csv", charset="utf-8")


async def _rows(request: web.Request) -> list[dict[str, Any]]:
    job, jobs = config_of(request), request.app[keys.SOURCES].config.jobs
    span = recent(request, job.name, most=_MOST)

    def asked(query: Query) -> list[dict[str, Any]]:
        first, last = span(query)
        return table(query, job, first, last, jobs) if first < last else []

    found: list[dict[str, Any]] = await request.app[keys.READERS].query(asked)
    return found

"""The audit of a job over HTTP, as JSON and as CSV: what was decided and told, and what people did."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from streamgauge.pipelines.adapters.http import keys
from streamgauge.pipelines.adapters.http.json import answer, span, whole
from streamgauge.pipelines.adapters.http.routes import job_of
from streamgauge.pipelines.paging import audit as lines
from streamgauge.pipelines.ports import Query

MOST: Final = 50_000  # lines of one answer


def add(app: web.Application) -> None:
    """Add the routes."""
    app.router.add_get("/api/jobs/{job}/audit", audit)
    app.router.add_get("/api/jobs/{job}/audit.csv", audit_csv)


async def audit(request: web.Request) -> web.StreamResponse:
    """Every decision with its reason and topology, every notification and every person's action, oldest first."""
    return answer(await _rows(request))


async def audit_csv(request: web.Request) -> web.StreamResponse:
    """The same as CSV."""
    text = "".join(lines.as_csv(await _rows(request)))
    return web.Response(text=text, content_type="text/csv", charset="utf-8")


async def _rows(request: web.Request) -> list[dict[str, Any]]:
    job, (start, end), limit = job_of(request), span(request), whole(request, "limit", 5000, MOST)

    def asked(query: Query) -> list[dict[str, Any]]:
        return lines.lines(query.decided(job, start, end, limit), query.changes(job, start, end))[:limit]

    found: list[dict[str, Any]] = await request.app[keys.READERS].query(asked)
    return found

"""Two jobs on one stream beside each other over HTTP: of the last week where no range is asked for."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from streamgauge.pipelines.adapters.http import keys
from streamgauge.pipelines.adapters.http.json import Refusal, answer, number, span
from streamgauge.pipelines.adapters.http.routes import job_of, text_of
from streamgauge.pipelines.config.schema import DAY
from streamgauge.pipelines.experiments.ab import compare
from streamgauge.pipelines.features.table import newest
from streamgauge.pipelines.ports import Query

_SPAN: Final = 7 * DAY
_MOST: Final = 28 * DAY  # summaries of each window are read


def add(app: web.Application) -> None:
    """Add the route."""
    app.router.add_get("/api/jobs/{job}/against", against)


async def against(request: web.Request) -> web.StreamResponse:
    """Whether the model of another job on the same stream is better, metric by metric with 95 % intervals."""
    job, other, task = job_of(request), text_of(request, "other"), text_of(request, "task")
    share = number(request, "share", 0.5)
    sources = request.app[keys.SOURCES]
    known = sorted(one.name for one in sources.config.jobs if one.name != job)
    if other not in known:
        raise Refusal(404, f"no other job {other!r}", f"others are {', '.join(known) or 'none'}")
    if not 0.0 < share < 1.0:
        raise Refusal(400, f"share must be between 0 and 1, got {share:g}", "leave it out for half of the rows")
    start, end = span(request)
    is_from, now = "start" in request.query, sources.now()

    def asked(query: Query) -> dict[str, Any]:
        last = min(end, *(newest(query, one) or now + 1.0 for one in (job, other)))
        first = max(start, last - _MOST) if is_from else last - _SPAN
        return compare(query, job, other, first, max(first, last), task=task, share=share)

    return answer(await request.app[keys.READERS].query(asked))

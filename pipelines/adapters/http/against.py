"""Two jobs on one stream beside each other over HTTP: of the last week where no range is asked for."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from streamgauge.pipelines.adapters.http import keys
from streamgauge.pipelines.adapters.http.json import Refusal, answer, number
from streamgauge.pipelines.adapters.http.recent import recent
from streamgauge.pipelines.adapters.http.routes import job_of, text_of
from streamgauge.pipelines.config.schema import DAY
from streamgauge.pipelines.experiments.ab import compare
from streamgauge.pipelines.ports import Query

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
    span = recent(request, job, other, most=_MOST)

    def asked(query: Query) -> dict[str, Any]:
        first, last = span(query)
        return compare(query, job, other, first, max(first, last), task=task, share=share)

    return answer(await request.app[keys.READERS].query(asked))

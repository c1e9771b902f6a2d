"""Found slices over HTTP: of the last week where no range is asked for."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from streamgauge.pipelines.adapters.http import keys
from streamgauge.pipelines.adapters.http.json import answer
from streamgauge.pipelines.adapters.http.recent import recent
from streamgauge.pipelines.adapters.http.routes import config_of, text_of
from streamgauge.pipelines.config.schema import DAY
from streamgauge.pipelines.features import found_slices as table
from streamgauge.pipelines.ports import Query

_MOST: Final = 28 * DAY  # summaries of each window are read


def add(app: web.Application) -> None:
    """Add the route."""
    app.router.add_get("/api/jobs/{job}/slices", slices)


async def slices(request: web.Request) -> web.StreamResponse:
    """Values of the features in `evaluation.find` at which predictions are off more than in the job; worst first."""
    job, task = config_of(request), text_of(request, "task")
    span = recent(request, job.name, most=_MOST)

    def asked(query: Query) -> dict[str, Any]:
        first, last = span(query)
        return table.found_slices(query, job, first, max(first, last), task)

    return answer(await request.app[keys.READERS].query(asked))

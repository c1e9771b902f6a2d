"""What on-call has taught: the multipliers in force of one job, with the verdicts they come from."""

from __future__ import annotations

from aiohttp import web

from streamgauge.pipelines.adapters.http import keys
from streamgauge.pipelines.adapters.http.json import answer
from streamgauge.pipelines.adapters.http.routes import job_of
from streamgauge.pipelines.engines.keeping import committed_state
from streamgauge.pipelines.paging import feedback


def add(app: web.Application) -> None:
    """Add the route."""
    app.router.add_get("/api/jobs/{job}/thresholds", thresholds)


async def thresholds(request: web.Request) -> web.StreamResponse:
    """Each judged series: its multiplier, how many verdicts moved it, what was said of which incident."""
    name, sources = job_of(request), request.app[keys.SOURCES]
    config = next(job for job in sources.config.jobs if job.name == name)
    state = await request.app[keys.READERS].run(lambda: committed_state(sources.bus, feedback.CONSUMER, name))
    taught = feedback.FeedbackLoop(config)
    if state is not None:
        taught.restore(state)
    return answer(taught.shown())

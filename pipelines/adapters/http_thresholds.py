"""What on-call has taught: the multipliers in force of one job, with the verdicts they come from."""

from __future__ import annotations

from aiohttp import web

from pipelines import verdicts
from pipelines.adapters import http
from pipelines.adapters.http_json import answer
from pipelines.adapters.http_routes import job_of
from pipelines.engines.keyed import committed_state


def add(app: web.Application) -> None:
    """Add the route."""
    app.router.add_get("/api/jobs/{job}/thresholds", thresholds)


async def thresholds(request: web.Request) -> web.StreamResponse:
    """Each judged series: its multiplier, how many verdicts moved it, what was said of which incident."""
    name, sources = job_of(request), request.app[http.SOURCES]
    config = next(job for job in sources.config.jobs if job.name == name)
    state = await request.app[http.READERS].run(lambda: committed_state(sources.bus, verdicts.CONSUMER, name))
    taught = verdicts.Verdicts(config)
    if state is not None:
        taught.restore(state)
    return answer(taught.shown())

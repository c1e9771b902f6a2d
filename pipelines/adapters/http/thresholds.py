"""What on-call has taught: the multipliers in force of one job, with the verdicts they come from."""

from __future__ import annotations

from aiohttp import web

from streamgauge.pipelines.adapters.http import keys
from streamgauge.pipelines.adapters.http.json import answer
from streamgauge.pipelines.adapters.http.routes import config_of
from streamgauge.pipelines.engines.taught import taught


def add(app: web.Application) -> None:
    """Add the route."""
    app.router.add_get("/api/jobs/{job}/thresholds", thresholds)


async def thresholds(request: web.Request) -> web.StreamResponse:
    """Each judged series: its multiplier, the verdicts behind it; the last steps, each with what it moved."""
    job, bus = config_of(request), request.app[keys.SOURCES].bus
    loop = await request.app[keys.READERS].run(lambda: taught(bus, job))
    return answer(loop.shown())

"""`/metrics` for Prometheus, and the probes `/healthz` and `/readyz`."""

from __future__ import annotations

from aiohttp import web

from pipelines.adapters import http
from pipelines.adapters.http_json import Refusal, answer


def add(app: web.Application) -> None:
    """Add what machines watch the process by."""
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", alive)
    app.router.add_get("/readyz", ready)


async def metrics(request: web.Request) -> web.StreamResponse:
    """One look at the pipeline, in Prometheus' text format."""
    try:
        from pipelines.adapters import prometheus
    except ModuleNotFoundError as error:
        raise Refusal(501, f"/metrics needs {error.name}", "pip install 'streamgauge[metrics]'") from None
    vitals = request.app[http.SOURCES].vitals
    text = await request.app[http.READERS].run(lambda: prometheus.exposition(vitals()))
    return web.Response(body=text, headers={"Content-Type": prometheus.CONTENT_TYPE})


async def alive(request: web.Request) -> web.StreamResponse:
    """The process answers."""
    return answer({"status": "alive"})


async def ready(request: web.Request) -> web.StreamResponse:
    """Every consumer runs and none is too far behind; else why not."""
    reasons = await request.app[http.READERS].run(request.app[http.SOURCES].unready)
    if reasons:
        return answer({"status": "not ready", "reasons": reasons}, 503)
    return answer({"status": "ready"})

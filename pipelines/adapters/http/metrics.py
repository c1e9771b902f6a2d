"""`/metrics` for Prometheus, and the probes `/healthz` and `/readyz`."""

from __future__ import annotations

from aiohttp import web

from streamgauge.pipelines.adapters.http import keys
from streamgauge.pipelines.adapters.http.json import Refusal, answer


def add(app: web.Application) -> None:
    """Add what machines watch the process by."""
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", alive)
    app.router.add_get("/readyz", ready)


async def metrics(request: web.Request) -> web.StreamResponse:
    """One look at the pipeline, in Prometheus' text format."""
    try:
        from streamgauge.pipelines.adapters.http import prometheus
    except ModuleNotFoundError as error:
        raise Refusal(501, f"/metrics needs {error.name}", "pip install 'streamgauge[metrics]'") from None
    process_metrics = request.app[keys.SOURCES].process_metrics
    text = await request.app[keys.READERS].run(lambda: prometheus.exposition(process_metrics()))
    return web.Response(body=text, headers={"Content-Type": prometheus.CONTENT_TYPE})


async def alive(request: web.Request) -> web.StreamResponse:
    """The process answers."""
    return answer({"status": "alive"})


async def ready(request: web.Request) -> web.StreamResponse:
    """Every consumer runs and none is too far behind; else why not."""
    reasons = await request.app[keys.READERS].run(request.app[keys.SOURCES].unready)
    if reasons:
        return answer({"status": "not ready", "reasons": reasons}, 503)
    return answer({"status": "ready"})

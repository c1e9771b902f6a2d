"""The HTTP surface of a running pipeline: JSON over the store and the bus, one stream of events, the live page's files.

    GET  /api                                 this list, for people
    GET  /api/about                           the clock that people act by, its time, settings of each job
    GET  /api/jobs                            each job with its latest scores
    GET  /api/jobs/{job}/scores               start, end, limit
    GET  /api/jobs/{job}/breakdown            at
    GET  /api/jobs/{job}/series               worker, domain, entity, metric, limit
    GET  /api/jobs/{job}/points               series, start, end, buckets
    GET  /api/jobs/{job}/changed              start, end, limit: the series that changed most against the range before
    GET  /api/jobs/{job}/anomalies            start, end, limit
    GET  /api/jobs/{job}/incidents            start, end, limit
    GET  /api/jobs/{job}/silenced             limit: alerts that a silence holds back now
    GET  /api/jobs/{job}/changes              start, end, names: names of changes, with commas
    GET  /api/jobs/{job}/profiles             worker, start, end
    GET  /api/jobs/{job}/pictures             entity, worker, start, end: distributions, ROC and calibration
    GET  /api/jobs/{job}/topology
    GET  /api/jobs/{job}/traces               plans, and status and catalogue of each worker
    GET  /api/jobs/{job}/thresholds           what on-call's verdicts have taught: multipliers and their labels
    GET  /api/jobs/{job}/tensors              limit: the last raw arrays; /tensors/{offset} is one, as numbers
    GET  /api/jobs/{job}/health               records in, late, dropped, dead; watermark lag
    GET  /api/incidents, /api/incidents/{id}  start, end, limit; one with its audit trail
    GET  /api/health                          queues, consumers, disk, state, every job
    GET  /api/dead-letters                    limit: the last records that could not be used, and why
    GET  /api/events                          server-sent events; Last-Event-ID replays
    POST /api/jobs/{job}/silence, /ack, /unsuppress, /feedback, /trace
    POST /api/jobs/{job}/trace/cost           what a plan would match and send at each worker; changes nothing
    GET  /metrics                             for Prometheus
    GET  /healthz, /readyz                    for probes; 503 with its reasons

Errors are `{error, remedy}`. Times are seconds since the UTC epoch, by the clock of the job.
"""

from __future__ import annotations

import logging
from pathlib import Path

from aiohttp import http_exceptions, web

from streamgauge.pipelines.adapters.http import (
    actions,
    costs,
    events,
    metrics,
    pictures,
    routes,
    tensors,
    thresholds,
)
from streamgauge.pipelines.adapters.http.json import MAX_BODY
from streamgauge.pipelines.adapters.http.keys import READERS, SOURCES, Readers, Sources
from streamgauge.pipelines.adapters.http.security import Guard, middleware


def application(sources: Sources, guard: Guard, static: Path | None = None) -> web.Application:
    """The surface as an aiohttp application; `static` is the folder of the live page, if there is one."""
    app = web.Application(middlewares=[middleware(guard)], client_max_size=MAX_BODY)
    app[SOURCES], app[READERS] = sources, Readers(sources.open_query)
    app.router.add_get("/api", _help)
    routes.add(app)
    actions.add(app)
    costs.add(app)
    pictures.add(app)
    metrics.add(app)
    tensors.add(app)
    thresholds.add(app)
    events.add(app)
    if static is not None:
        _add_static(app, static)
    app.on_cleanup.append(_close)
    return app


async def serve(app: web.Application, host: str, port: int) -> tuple[web.AppRunner, str]:
    """Listen; the runner to clean up and the address that it answers at. Raises OSError if the port is taken."""
    log = logging.getLogger(__name__)
    log.addFilter(_is_no_clients_fault)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, logger=log)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError:
        await runner.cleanup()
        raise
    bound = runner.addresses[0][1]
    shown = f"[{host}]" if ":" in host else host
    return runner, f"http://{shown}:{bound}/"


def _is_no_clients_fault(record: logging.LogRecord) -> bool:
    """Bytes that are no HTTP are answered with 400; nobody has to act on them."""
    return not (record.exc_info and isinstance(record.exc_info[1], http_exceptions.HttpProcessingError))


def _add_static(app: web.Application, static: Path) -> None:
    async def index(request: web.Request) -> web.FileResponse:
        return web.FileResponse(static / "index.html", headers={"Cache-Control": "no-cache"})

    app.router.add_get("/", index)
    app.router.add_static("/", static, show_index=False, follow_symlinks=False)


async def _help(request: web.Request) -> web.StreamResponse:
    return web.Response(text=__doc__)


async def _close(app: web.Application) -> None:
    app[READERS].close()

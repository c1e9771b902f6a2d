"""The HTTP surface of a running pipeline: JSON over the store and the bus, one stream of events, the live page's files.

    GET  /api                                 this list, for people; /api/openapi.json is the same for programs
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
    GET  /api/jobs/{job}/slices               task, start, end: values of features at which predictions are off
    GET  /api/jobs/{job}/topology
    GET  /api/jobs/{job}/edges                edges that its anomalies suggest, and people's last word on others
    GET  /api/jobs/{job}/traces               plans, and status and catalogue of each worker
    GET  /api/jobs/{job}/audit, /audit.csv    start, end, limit: what was decided and told, and what people did
    GET  /api/jobs/{job}/thresholds           what on-call's verdicts have taught: multipliers and their labels
    GET  /api/jobs/{job}/tensors              limit: the last raw arrays; /tensors/{offset} is one, as numbers
    GET  /api/jobs/{job}/diagnoses            what the last raw arrays say of the model
    GET  /api/jobs/{job}/health               records in, late, dropped, dead; watermark lag
    GET  /api/incidents, /api/incidents/{id}  start, end, limit; one with its audit trail
    GET  /api/incidents/{id}/causes           where it may have begun: what was anomalous upstream, ranked, and why
    GET  /api/health                          queues, consumers, disk, state, every job
    GET  /api/dead-letters                    limit: the last records that could not be used, and why
    GET  /api/events                          server-sent events; Last-Event-ID replays
    POST /api/jobs/{job}/silence, /ack, /unsuppress, /feedback, /trace, /changes, /override, /edges, /thresholds
    POST /api/jobs/{job}/trace/cost           what a plan would match and send at each worker; changes nothing
    GET  /metrics                             for Prometheus
    GET  /healthz, /readyz                    for probes; 503 with its reasons

Errors are `{error, remedy}`. Times are seconds since the UTC epoch, by the clock of the job.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from aiohttp import http_exceptions, web
from aiohttp.typedefs import Handler

from streamgauge.pipelines.adapters.http import (
    actions,
    against,
    audit,
    costs,
    diagnoses,
    edges,
    events,
    features,
    found_slices,
    metrics,
    openapi,
    pictures,
    routes,
    runs,
    tensors,
    thresholds,
)
from streamgauge.pipelines.adapters.http.connections import (
    BACKLOG,
    Door,
    most_connections,
    quiet,
    raise_file_limit,
)
from streamgauge.pipelines.adapters.http.guesses import Guesses
from streamgauge.pipelines.adapters.http.json import MAX_BODY
from streamgauge.pipelines.adapters.http.keys import READERS, SOURCES, Readers, Sources
from streamgauge.pipelines.adapters.http.security import Guard, middleware


def application(sources: Sources, guard: Guard, static: Path | None = None) -> web.Application:
    """The surface as an aiohttp application; `static` is the folder of the live page, if there is one."""
    guesses = Guesses()
    app = web.Application(middlewares=[_counted, middleware(guard, guesses)], client_max_size=MAX_BODY)
    app[SOURCES], app[READERS], app[STATE] = sources, Readers(sources.open_query), State(guesses)
    _add_routes(app)
    if static is not None:
        _add_static(app, static)
    app.on_cleanup.append(_close)
    return app


def routes_of() -> Iterable[web.AbstractRoute]:
    """All routes of a surface, without anything to answer from."""
    app = web.Application()
    _add_routes(app)
    return app.router.routes()


def _add_routes(app: web.Application) -> None:
    app.router.add_get("/api", help_text)
    routes.add(app)
    actions.add(app)
    costs.add(app)
    edges.add(app)
    features.add(app)
    found_slices.add(app)
    against.add(app)
    audit.add(app)
    pictures.add(app)
    runs.add(app)
    metrics.add(app)
    tensors.add(app)
    diagnoses.add(app)
    thresholds.add(app)
    events.add(app)
    openapi.add(app)


class Listening:
    """A surface that listens: `address`, and `cleanup` to let every client go."""

    def __init__(self, runner: web.AppRunner, server: asyncio.Server, watch: asyncio.Task[None], address: str) -> None:
        self.address = address
        self._runner, self._server, self._watch = runner, server, watch

    async def cleanup(self) -> None:
        """Stop listening, end what is open."""
        self._server.close()
        self._watch.cancel()
        await self._runner.cleanup()


def connections(app: web.Application) -> dict[str, int]:
    """How many are open, were refused, were cut for a new one. Any thread may ask."""
    door = app[STATE].door
    return {} if door is None else {"open": door.open, "refused": door.refused, "evicted": door.evicted}


def held(app: web.Application) -> dict[str, Callable[[], int]]:
    """What the surface keeps in memory, by what it is: bytes, about. Any thread may ask."""
    return {"events": lambda: events.held_bytes(app), "guesses": lambda: app[STATE].guesses.held_bytes}


async def serve(app: web.Application, host: str, port: int) -> Listening:
    """Listen. Raises OSError if the port is taken."""
    log = logging.getLogger(__name__)
    log.addFilter(_is_no_clients_fault)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(quiet(log))
    most = most_connections(raise_file_limit())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, logger=log)
    await runner.setup()
    assert runner.server is not None
    door = app[STATE].door = Door(runner.server, most, log)
    events.bound(app, most)
    try:
        server = await loop.create_server(door, host, port, backlog=BACKLOG)
    except OSError:
        await runner.cleanup()
        raise
    bound = server.sockets[0].getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    return Listening(runner, server, asyncio.create_task(door.watch()), f"http://{shown}:{bound}/")


def _is_no_clients_fault(record: logging.LogRecord) -> bool:
    """Bytes that are no HTTP are answered with 400; nobody has to act on them."""
    return not (record.exc_info and isinstance(record.exc_info[1], http_exceptions.HttpProcessingError))


def _add_static(app: web.Application, static: Path) -> None:
    async def index(request: web.Request) -> web.FileResponse:
        return web.FileResponse(static / "index.html", headers={"Cache-Control": "no-cache"})

    @web.middleware
    async def found(request: web.Request, handler: Handler) -> web.StreamResponse:
        # aiohttp answers for a file that is not there when nobody can explain it any more
        is_page = isinstance(request.match_info.route.resource, web.StaticResource)
        if is_page and not (static / request.match_info["filename"]).is_file():
            raise web.HTTPNotFound()
        return await handler(request)

    app.router.add_get("/", index, name="page")
    app.router.add_static("/", static, show_index=False, follow_symlinks=False)
    app.middlewares.append(found)


class State:
    """What of the surface its process asks about; `door` is made when it begins to listen."""

    def __init__(self, guesses: Guesses) -> None:
        self.guesses = guesses
        self.door: Door | None = None


STATE: Final = web.AppKey("state", State)


@web.middleware
async def _counted(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tells the door whose connection is served, so that it does not cut that off."""
    door, protocol = request.app[STATE].door, request.protocol
    if door is None:
        return await handler(request)
    door.serves(protocol, is_busy=True)
    try:
        return await handler(request)
    finally:
        door.serves(protocol, is_busy=False)


async def help_text(request: web.Request) -> web.StreamResponse:
    """What there is, for people."""
    return web.Response(text=__doc__)


async def _close(app: web.Application) -> None:
    app[READERS].close()

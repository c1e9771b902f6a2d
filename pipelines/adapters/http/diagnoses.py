"""What the last traced arrays of a job say of its model (`streamgauge.pipelines.train_quality.diagnoses`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from aiohttp import web

from streamgauge.pipelines.adapters.http import keys
from streamgauge.pipelines.adapters.http.json import answer
from streamgauge.pipelines.adapters.http.routes import job_of
from streamgauge.pipelines.adapters.http.tensors import received
from streamgauge.pipelines.ports import Bus
from streamgauge.pipelines.train_quality.diagnoses import diagnose
from streamgauge.tracer.read import TracedArray, gather

_MOST: Final = 400  # arrays that are looked at, the newest


def add(app: web.Application) -> None:
    """Add the route."""
    app.router.add_get("/api/jobs/{job}/diagnoses", diagnoses)


async def diagnoses(request: web.Request) -> web.StreamResponse:
    """What the last arrays of a job show, the most telling first, worker by worker."""
    job = job_of(request)
    bus = request.app[keys.SOURCES].bus
    return answer(await request.app[keys.READERS].run(lambda: _found(bus, job)))


def _found(bus: Bus, job: str) -> list[dict[str, Any]]:
    return [finding._asdict() for finding in diagnose(_last(bus, job))]


def _last(bus: Bus, job: str) -> Iterator[TracedArray]:
    """The newest arrays, the oldest of them first, so that names come in the order of the model."""
    for one in reversed(received(bus, job)[:_MOST]):
        yield from gather(message.value for at in one.offsets for message in bus.read(one.log, at, 1))

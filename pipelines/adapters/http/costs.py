"""What a plan would cost each worker, before anybody applies it: the workers' own check, on their own catalogues."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from aiohttp import web

from streamgauge.pipelines.adapters.http import keys
from streamgauge.pipelines.adapters.http.json import answer, body
from streamgauge.pipelines.adapters.http.routes import job_of
from streamgauge.pipelines.ports import Bus
from streamgauge.tracer import codec
from streamgauge.tracer.bounds import RecordError
from streamgauge.tracer.control import Catalogue, PlanError, decode_catalogue
from streamgauge.tracer.costs import cost_of
from streamgauge.tracer.records import TraceBatch
from streamgauge.tracer.selection import Budget, Select, fault_of, matches
from streamgauge.tracer.transport import Message

_TAIL: Final = 300  # of the last messages on `traces` the steps a second are read from
_NAMED: Final = 60  # matched names that are listed


class _Asked(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    select: list[Select]
    workers: list[str] = []
    budget: Budget = Budget()


BODIES: Final[dict[str, type[msgspec.Struct]]] = {"cost": _Asked}


def add(app: web.Application) -> None:
    """Add the route."""
    app.router.add_post("/api/jobs/{job}/trace/cost", cost)


async def cost(request: web.Request) -> web.StreamResponse:
    """How much a plan would match and send at each worker, and why one would refuse it."""
    job, asked = job_of(request), await body(request, _Asked)
    bus = request.app[keys.SOURCES].bus
    found = await request.app[keys.READERS].run(
        lambda: estimate(bus, job, asked.select, asked.workers, asked.budget)
    )
    return answer(found)


def estimate(bus: Bus, job: str, select: Sequence[Select], workers: Sequence[str], budget: Budget) -> dict[str, Any]:
    """`{fault, matched, names, workers: [{worker, matched, bytes_s, steps_s, fault}]}`; a fault is "" for none.

    `names` are the first names that match anywhere, `matched` counts them all, each once.
    """
    fault = next((fault for one in select if (fault := fault_of(one))), "")
    known = [] if fault else [one for one in _catalogues(bus, job) if not workers or one.worker in workers]
    speeds = steps_of(bus, job) if known else {}
    entries = {(entry.collection, entry.name) for one in known for entry in one.entries}
    names = {entry for entry in entries if any(_takes(one, *entry) for one in select)}
    return {
        "fault": fault, "matched": len(names), "names": [name for _, name in sorted(names)[:_NAMED]],
        "workers": [_at(one, select, budget, speeds.get(one.worker, 1.0)) for one in known],
    }  # fmt: skip


def steps_of(bus: Bus, job: str) -> dict[str, float]:
    """Training steps a second of each worker, from its last pane on the bus; by the worker's clock."""
    panes: dict[str, tuple[float, int, int, float]] = {}
    for message in (message for log in bus.logs("traces") for message in _tail(bus, log)):
        batch = _batch(message.value, job)
        if batch is None or not batch.step_last:
            continue
        pane, first, last, _ = panes.get(batch.worker, (-math.inf, 0, 0, 0.0))
        if batch.pane > pane:
            first, last = batch.step_first, batch.step_last
        else:
            first, last = min(first, batch.step_first), max(last, batch.step_last)
        panes[batch.worker] = (max(pane, batch.pane), first, last, batch.pane_length)
    return {worker: (last - first + 1) / length for worker, (_, first, last, length) in sorted(panes.items())}


def _tail(bus: Bus, log: str) -> list[Message]:
    return bus.read(log, max(0, bus.end(log) - _TAIL), _TAIL)


def _at(one: Catalogue, select: Sequence[Select], budget: Budget, steps_s: float) -> Mapping[str, Any]:
    found = cost_of(select, one.entries, steps_s)
    fault = ""
    if not found.matched:
        fault = "nothing that this worker can trace matches"
    elif found.matched > budget.max_tensors:
        fault = f"{found.matched} tensors match, the budget is {budget.max_tensors}"
    elif found.bytes_s > budget.max_bytes_s:
        fault = f"about {found.bytes_s:.0f} bytes/s, the budget is {budget.max_bytes_s:.0f}"
    return {
        "worker": one.worker, "matched": found.matched, "bytes_s": found.bytes_s, "steps_s": steps_s, "fault": fault,
    }  # fmt: skip


def _takes(select: Select, collection: str, name: str) -> bool:
    return select.collection == collection and matches(select, name)


def _catalogues(bus: Bus, job: str) -> list[Catalogue]:
    found = []
    for key, value in sorted(bus.latest("catalogue").items()):
        try:
            one = decode_catalogue(value)
        except PlanError:
            continue  # the view says that this worker's report cannot be read
        if key.startswith(f"{job}/") and one.job == job:
            found.append(one)
    return found


def _batch(data: bytes, job: str) -> TraceBatch | None:
    try:
        if codec.peek(data).job != job:
            return None
        record = codec.decode(data)
    except RecordError:
        return None
    return record if isinstance(record, TraceBatch) else None

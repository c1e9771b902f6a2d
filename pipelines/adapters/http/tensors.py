"""Raw arrays that workers sent, as a page can draw them: numbers, a histogram and a heat map of bounded size.

The last arrays on the `tensors` topic are found from its end, within `_MESSAGES` messages and `_BYTES` bytes a log.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from aiohttp import web
from numpy.typing import NDArray

from streamgauge.pipelines.adapters.http import keys
from streamgauge.pipelines.adapters.http.json import Refusal, answer, whole
from streamgauge.pipelines.adapters.http.routes import job_of
from streamgauge.pipelines.ports import Bus
from streamgauge.tracer import arrays
from streamgauge.tracer.arrays import ArrayError, Chunk
from streamgauge.tracer.transport import Message

_MESSAGES: Final = 600
_BYTES: Final = 64 * 1024 * 1024
_SLICE: Final = 50
_SIDE: Final = 64  # cells of a heat map in each direction
_BINS: Final = 40
_SHOWN: Final = 120  # numbers that are listed

Identity = tuple[str, str, int, str, str, str]


class Received(NamedTuple):
    """One array on the bus: where its parts lie, and whose it is.

    `number` is what it is called: its first part's offset; with several logs, each of them has every so many-th number.
    """

    log: str
    offsets: tuple[int, ...]
    about: Chunk
    number: int


def add(app: web.Application) -> None:
    """Add the routes."""
    app.router.add_get("/api/jobs/{job}/tensors", tensors)
    app.router.add_get("/api/jobs/{job}/tensors/{offset}", tensor)


async def tensors(request: web.Request) -> web.StreamResponse:
    """The last arrays of a job, newest first."""
    job, limit = job_of(request), whole(request, "limit", 100, 500)
    bus = request.app[keys.SOURCES].bus
    found = await request.app[keys.READERS].run(lambda: received(bus, job))
    return answer([_shown(one) for one in found[:limit]])


async def tensor(request: web.Request) -> web.StreamResponse:
    """One array: its numbers, histogram and heat map."""
    job, text = job_of(request), request.match_info["offset"]
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise Refusal(400, f"no tensor is called {text[:40]!r}", "take an offset from /api/jobs/JOB/tensors")
    bus = request.app[keys.SOURCES].bus
    return answer(await request.app[keys.READERS].run(lambda: _drawn(bus, job, int(text))))


def received(bus: Bus, job: str) -> list[Received]:
    """The complete arrays of a job among the last messages, newest first."""
    logs = bus.logs("tensors")
    found = [_complete(bus, job, log, place, len(logs)) for place, log in enumerate(logs)]
    return list(heapq.merge(*found, key=lambda one: -one.about.time))


def _complete(bus: Bus, job: str, log: str, place: int, logs: int) -> list[Received]:
    parts: dict[Identity, dict[int, int]] = {}
    about: dict[Identity, Chunk] = {}
    for message in _backwards(bus, log):
        chunk = _chunk(message)
        if chunk is None or chunk.job != job:
            continue
        identity = (chunk.worker, chunk.incarnation, chunk.step, chunk.collection, chunk.name, chunk.emit)
        parts.setdefault(identity, {}).setdefault(chunk.part, message.offset)
        about[identity] = chunk
    return [
        Received(log, tuple(found[part] for part in sorted(found)), about[identity], found[min(found)] * logs + place)
        for identity, found in parts.items()
        if len(found) == about[identity].parts
    ]


def picture(array: NDArray[Any]) -> dict[str, Any]:
    """What can be shown of an array: numbers, statistics, histogram, and rows x columns of means for a matrix.

    >>> drawn = picture(np.arange(12.0).reshape(3, 4))
    >>> drawn["shape"], drawn["stats"]["mean"], len(drawn["heat"]["cells"])
    ([3, 4], 5.5, 3)
    """
    real = np.abs(array) if np.iscomplexobj(array) else array
    values = real.astype(np.float64, copy=False)
    finite = values[np.isfinite(values)]
    return {
        "shape": list(array.shape), "dtype": str(array.dtype), "size": int(array.size),
        "nonfinite": int(array.size - finite.size), "stats": _stats(finite), "histogram": _histogram(finite),
        "heat": _heat(values), "numbers": values.ravel()[:_SHOWN].tolist(),
    }  # fmt: skip


def _drawn(bus: Bus, job: str, number: int) -> dict[str, Any]:
    found = next((one for one in received(bus, job) if number == one.number), None)
    if found is None:
        raise Refusal(404, f"no tensor at {number} any more", "newer ones took its place; ask for the list again")
    messages = [message.value for at in found.offsets for message in bus.read(found.log, at, 1)]
    try:
        array = arrays.assemble(messages)
    except ArrayError as error:
        raise Refusal(422, f"the array cannot be read: {error}", "see what the worker sends") from None
    return _shown(found) | picture(array)


def _shown(one: Received) -> dict[str, Any]:
    about = one.about
    return {
        "offset": one.number, "worker": about.worker, "step": about.step, "time": about.time,
        "collection": about.collection, "name": about.name, "parts": about.parts, "emit": about.emit,
    }  # fmt: skip


def _backwards(bus: Bus, log: str) -> Iterator[Message]:
    end, taken, size = bus.end(log), 0, 0
    while end > 0 and taken < _MESSAGES and size < _BYTES:
        start = max(0, end - _SLICE)
        messages = [message for message in bus.read(log, start, _SLICE) if message.offset < end]
        yield from reversed(messages)
        taken, size, end = taken + _SLICE, size + _size(messages), start


def _size(messages: Iterable[Message]) -> int:
    return sum(len(message.value) for message in messages)


def _chunk(message: Message) -> Chunk | None:
    try:
        return arrays.decode(message.value)
    except ArrayError:
        return None


def _stats(finite: NDArray[np.float64]) -> dict[str, float]:
    if not finite.size:
        return {}
    with np.errstate(all="ignore"):  # a variance may be too large for a float: then it is shown as unknown
        return _measured(finite)


def _measured(finite: NDArray[np.float64]) -> dict[str, float]:
    low, median, high = np.quantile(finite, (0.01, 0.5, 0.99))
    return {
        "min": float(finite.min()), "q01": float(low), "median": float(median), "mean": float(finite.mean()),
        "q99": float(high), "max": float(finite.max()), "std": float(finite.std()),
        "norm": float(np.linalg.norm(finite)), "zeros": float(np.mean(finite == 0.0)),
    }  # fmt: skip


def _histogram(finite: NDArray[np.float64]) -> dict[str, Any]:
    """Counts of equal bins from the least to the greatest; one bin where all are equal, none for what has no width."""
    if not finite.size:
        return {"edges": [], "counts": []}
    low, high = float(finite.min()), float(finite.max())
    if low == high or not np.isfinite(high - low):
        return {"edges": [low, high], "counts": [int(finite.size)]}
    share = (finite - low) / (high - low)
    bins = np.minimum((share * _BINS).astype(np.int64), _BINS - 1)
    return {
        "edges": np.linspace(low, high, _BINS + 1).tolist(),
        "counts": np.bincount(bins, minlength=_BINS).tolist(),
    }


def _heat(values: NDArray[np.float64]) -> dict[str, Any] | None:
    """The mean of each cell, the leading axes joined; None for what is no matrix. A cell with a non-finite is NaN."""
    if values.ndim < 2 or not values.size:
        return None
    matrix = values.reshape(-1, values.shape[-1])
    rows = np.linspace(0, matrix.shape[0], min(_SIDE, matrix.shape[0]), endpoint=False).astype(int)
    columns = np.linspace(0, matrix.shape[1], min(_SIDE, matrix.shape[1]), endpoint=False).astype(int)
    with np.errstate(all="ignore"):  # sums of what is not finite are not finite, and shown so
        sums = np.add.reduceat(np.add.reduceat(matrix, rows, axis=0), columns, axis=1)
    cells = sums / np.outer(np.diff([*rows, matrix.shape[0]]), np.diff([*columns, matrix.shape[1]]))
    shown = np.where(np.isfinite(cells), cells, np.nan)
    return {"rows": matrix.shape[0], "columns": matrix.shape[1], "cells": shown.tolist()}

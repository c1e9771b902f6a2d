"""The reader of the `tensors` topic: whole arrays out of their chunks, in the order of their last chunks; pure.

for one in gather(message.value for message in bus.read("tensors", 0, 1000)):
print(one.worker, one.step, one.name, one.array.shape)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from numpy.typing import NDArray

from streamgauge.tracer import arrays
from streamgauge.tracer.arrays import ArrayError, Chunk

MOST_OPEN: Final = 256  # arrays whose chunks are awaited; the oldest is given up: its other chunks were dropped


class TracedArray(NamedTuple):
    """One array of one step of one worker."""

    job: str
    worker: str
    incarnation: str
    step: int
    time: float  # seconds since the epoch, by the worker's clock
    collection: str
    name: str
    array: NDArray[Any]
    emit: str = "raw"  # or "histogram", "units": what the array is of the tensor (tracer.reductions)


def gather(messages: Iterable[bytes]) -> Iterator[TracedArray]:
    """The arrays that are whole. What cannot be read and what lacks a chunk is left out.

    >>> import numpy as np
    >>> about = Chunk(job="j", worker="w", incarnation="i", step=1, time=0.0, collection="weights", name="x", data=b"")
    >>> [one.array.sum() for one in gather(arrays.chunks(np.arange(300), about, size=1000))]
    [np.int64(44850)]
    """
    waiting: dict[tuple[Any, ...], dict[int, bytes]] = {}
    for message in messages:
        try:
            chunk = arrays.decode(message)
        except ArrayError:
            continue
        whose = (chunk.job, chunk.worker, chunk.incarnation)
        key = (*whose, chunk.step, chunk.collection, chunk.name, chunk.emit)
        parts = waiting.setdefault(key, {})
        parts[chunk.part] = message
        if len(parts) == chunk.parts:
            yield from _whole(chunk, waiting.pop(key))
        while len(waiting) > MOST_OPEN:
            del waiting[next(iter(waiting))]


def _whole(about: Chunk, parts: dict[int, bytes]) -> Iterator[TracedArray]:
    try:
        array = arrays.assemble(parts.values())
    except ArrayError:
        return
    yield TracedArray(
        about.job, about.worker, about.incarnation, about.step, about.time, about.collection, about.name, array,
        about.emit,
    )

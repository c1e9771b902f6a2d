"""Raw arrays on the `tensors` topic: NumPy's own format, in chunks below the broker's message limit; pure.

ArrayError   chunks that do not make an array
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.reductions import reduced
from streamgauge.tracer.selection import Emit

VERSION: Final = 1
CHUNK: Final = 448 * 1024


class ArrayError(ValueError):
    """Chunks that do not make an array."""


class Chunk(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """Part `part` (0, 1, ...) of `parts` of one array of one step; the parts' `data` end to end are a .npy file."""

    version: int = VERSION
    job: str
    worker: str
    incarnation: str
    step: int
    time: float
    collection: str
    name: str
    part: int = 0
    parts: int = 1
    data: bytes
    emit: str = "raw"  # or "histogram", "units": what the array is of the tensor (tracer.reductions)


_chunk = msgspec.msgpack.Decoder(Chunk)


def chunks(array: NDArray[Any], about: Chunk, size: int = CHUNK) -> list[bytes]:
    """The messages that carry an array; `about` says whose it is.

    >>> about = Chunk(job="j", worker="w", incarnation="i", step=1, time=0.0, collection="weights", name="x", data=b"")
    >>> assemble(chunks(np.arange(300), about, size=1000)).sum()
    np.int64(44850)
    """
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    data = file.getvalue()
    pieces = [data[i : i + size] for i in range(0, len(data), size)]
    structs = (msgspec.structs.replace(about, part=i, parts=len(pieces), data=p) for i, p in enumerate(pieces))
    return [msgspec.msgpack.encode(struct) for struct in structs]


def in_forms(array: NDArray[Any], about: Chunk, emits: Iterable[Emit]) -> Iterator[bytes]:
    """The messages that carry an array in each of the forms that are asked for."""
    for emit in emits:
        yield from chunks(reduced(array, emit), msgspec.structs.replace(about, emit=emit))


def decode(data: bytes) -> Chunk:
    """One message of the `tensors` topic. Raises ArrayError."""
    try:
        chunk = _chunk.decode(data)
    except msgspec.DecodeError as error:
        raise ArrayError(f"no chunk of an array: {error}") from None
    if chunk.version != VERSION or not 0 <= chunk.part < chunk.parts:
        raise ArrayError(f"chunk {chunk.part} of {chunk.parts}, version {chunk.version}")
    return chunk


def assemble(messages: Iterable[bytes]) -> NDArray[Any]:
    """The array that its messages carry, in any order. Raises ArrayError where one is missing or foreign."""
    found = sorted((decode(message) for message in messages), key=lambda chunk: chunk.part)
    _check(found)
    try:
        array: NDArray[Any] = np.load(io.BytesIO(b"".join(chunk.data for chunk in found)), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ArrayError(f"{found[0].name}: {error}") from None
    return array


def _check(found: Sequence[Chunk]) -> None:
    whose = {(c.worker, c.incarnation, c.step, c.collection, c.name, c.emit) for c in found}
    if len(whose) != 1:
        raise ArrayError(f"chunks of {len(whose)} arrays, expected those of one")
    if [chunk.part for chunk in found] != list(range(found[0].parts)):
        raise ArrayError(f"{found[0].name}: parts {[chunk.part for chunk in found]} of {found[0].parts}")

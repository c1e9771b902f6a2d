"""A reference that a job is given: earlier windows of some series, and what features looked like; a `Setting`'s body.

It travels in the job's log, in parts that are whole in themselves, so that every engine and every replay begins with
the same. Values are float32 and compressed; a part has at most `MOST` values.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamgauge.anomaly.types import SeriesKey

SETTING: Final = "reference"  # the Setting's name, and the Change's that tells of it
MOST: Final = 65_536  # values of a part: 256 kB before they are compressed
ENTITIES: Final = 64  # summaries of a part; one has at most some kB
Labels = tuple[str, str, str, str]  # worker, domain, entity, metric
SketchKey = tuple[str, str, str, str]  # kind, clock, name, entity


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """One part. Its own words are in the first one only."""

    text: str = ""  # where it is from and what it has, for people
    window: str = ""  # name of the WindowSpec whose series these are
    labels: tuple[Labels, ...] = ()
    starts: tuple[float, ...] = ()  # of the windows, seconds since the epoch, ascending
    values: bytes = b""  # float32 [windows, series], NaN unknown, compressed
    sketches: bytes = b""  # what features looked like over all of it: [[key, columns], ...], compressed

    def table(self) -> NDArray[np.float64]:
        """The values, of shape [windows, series]. Raises ValueError where they are not of that shape."""
        try:
            flat = np.frombuffer(zlib.decompress(self.values), "<f4") if self.values else np.zeros(0, "<f4")
        except zlib.error as error:
            raise ValueError(f"values of window {self.window!r}: {error}") from None
        return flat.reshape(len(self.starts), len(self.labels)).astype(np.float64)

    def columns(self) -> dict[SketchKey, tuple[bytes, ...]]:
        """The summaries' columns. Raises ValueError for bytes that are none."""
        if not self.sketches:
            return {}
        try:
            rows = msgspec.msgpack.decode(zlib.decompress(self.sketches), type=list[tuple[SketchKey, Any]])
        except (zlib.error, msgspec.DecodeError) as error:
            raise ValueError(f"summaries: {error}") from None
        return {key: tuple(columns) for key, columns in rows}


class History(NamedTuple):
    """Earlier windows of one kind."""

    window: str
    labels: tuple[Labels, ...]
    starts: NDArray[np.float64]  # [windows], ascending
    values: NDArray[np.float64]  # [windows, series]


def parts(
    text: str, histories: Sequence[History], sketches: Mapping[SketchKey, Sequence[bytes]] | None = None
) -> Iterator[bytes]:
    """The bodies of the settings that give this reference, in order."""
    rest = [part for history in histories for part in _cut(history)]
    rows = sorted((sketches or {}).items())
    for at in range(0, len(rows), ENTITIES):
        packed = zlib.compress(msgspec.msgpack.encode(rows[at : at + ENTITIES]))
        rest.append(Given(sketches=packed))
    first, *others = rest or [Given()]
    yield msgspec.json.encode(msgspec.structs.replace(first, text=text))
    yield from map(msgspec.json.encode, others)


def _cut(history: History) -> Iterator[Given]:
    size = max(1, MOST // max(1, len(history.starts)))
    for at in range(0, len(history.labels), size):
        values = np.ascontiguousarray(history.values[:, at : at + size], "<f4")
        yield Given(
            window=history.window, labels=history.labels[at : at + size], starts=tuple(history.starts.tolist()),
            values=zlib.compress(values.tobytes()),
        )  # fmt: skip


def keys_of(job: str, labels: Sequence[Labels]) -> tuple[SeriesKey, ...]:
    """The series of a job."""
    return tuple(SeriesKey(job, *one) for one in labels)  # type: ignore[arg-type]

"""How the kinds with integer columns are read into rows of (key, values) and written from them, all series at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.summaries.bins import Bins, heads_of
from streamgauge.tracer.summaries.columns import Columns, gather, sum_by_key
from streamgauge.tracer.summaries.distinct import REGISTERS, SPARSE
from streamgauge.tracer.summaries.heavy import Heavy
from streamgauge.tracer.summaries.value_bins import FINEST, at_level, on_finest, sharpest

Rows = tuple[NDArray[Any], ...]  # keys, then one column for each value
Heads = NDArray[Any]  # shape [parts or series, columns]
Read = Callable[[Sequence[Columns]], tuple[Heads, Sequence[int], Rows]]
Write = Callable[[Heads, Rows, Sequence[int]], list[Columns]]


_NO_HEADS: Final = np.zeros((0, 0), np.int64)
_NO_KEYS: Final = np.zeros(0, np.int64)


class Keyed(NamedTuple):
    """One kind: how parts become heads, sizes and rows, how rows sorted by (series, key) become columns again."""

    read: Read
    write: Write  # of one head a series, rows, and where each series' rows begin, with the end
    largest: tuple[int, ...] = ()  # head columns of which the largest counts, not the sum
    add: np.ufunc = np.add


def _sizes(parts: Sequence[Columns], column: int, width: int) -> list[int]:
    return [len(part[column]) // width for part in parts]


def _read_counts(parts: Sequence[Columns]) -> tuple[Heads, Sequence[int], Rows]:
    return gather(parts, 0, "<i8").reshape(-1, 7), [0] * len(parts), (_NO_KEYS,)


def _write_counts(heads: Heads, rows: Rows, ends: Sequence[int]) -> list[Columns]:
    data = heads.astype("<i8").tobytes()
    return [(data[at : at + 56],) for at in range(0, len(data), 56)]


def _read_histogram(parts: Sequence[Columns]) -> tuple[Heads, Sequence[int], Rows]:
    return _NO_HEADS, _sizes(parts, 0, 4), (gather(parts, 0, "<i4"), gather(parts, 1, "<i8"))


def _write_histogram(heads: Heads, rows: Rows, ends: Sequence[int]) -> list[Columns]:
    return list(zip(_cut(rows[0], ends), _cut(rows[1], ends)))


def _read_distinct(parts: Sequence[Columns]) -> tuple[Heads, Sequence[int], Rows]:
    found = [part if part[0] or not part[1] else _sparse(part[1]) for part in parts]
    return _NO_HEADS, _sizes(found, 0, 2), (gather(found, 0, "<u2"), gather(found, 1, "u1"))


def _sparse(dense: bytes) -> Columns:
    registers = np.frombuffer(dense, "u1")
    index = registers.nonzero()[0]
    return index.astype("<u2").tobytes(), registers[index].tobytes()


def _write_distinct(heads: Heads, rows: Rows, ends: Sequence[int]) -> list[Columns]:
    rows, ends = _only(rows[1] != 0, rows, ends)
    written: list[Columns] = list(zip(_cut(rows[0], ends), _cut(rows[1], ends)))
    for i in np.flatnonzero(np.diff(ends) >= SPARSE).tolist():
        registers = np.zeros(REGISTERS, np.uint8)
        registers[rows[0][ends[i] : ends[i + 1]]] = rows[1][ends[i] : ends[i + 1]]
        written[i] = b"", registers.tobytes()
    return written


def _read_ids(parts: Sequence[Columns]) -> tuple[Heads, Sequence[int], Rows]:
    heads = gather(parts, 0, "<u8").reshape(-1, 1)
    return heads, _sizes(parts, 1, 8), (gather(parts, 1, "<u8"), gather(parts, 2, "<i8"))


def _write_ids(heads: Heads, rows: Rows, ends: Sequence[int]) -> list[Columns]:
    is_sampled = (rows[0] & (heads[:, 0] - np.uint64(1)).repeat(np.diff(ends))) == 0
    rows, ends = _only(is_sampled, rows, ends)
    data = heads.astype("<u8").tobytes()
    moduli = [data[at : at + 8] for at in range(0, len(data), 8)]
    return list(zip(moduli, _cut(rows[0], ends), _cut(rows[1], ends)))


def _read_heavy(parts: Sequence[Columns]) -> tuple[Heads, Sequence[int], Rows]:
    heads, sizes = gather(parts, 0, "<i8").reshape(-1, 3), _sizes(parts, 1, 8)
    errors = np.frombuffer(b"".join([part[3] or bytes(len(part[1])) for part in parts]), "<i8")
    bounds = np.repeat(heads[:, 1], sizes)  # a part's bound, where the hash is in the part
    return heads, sizes, (gather(parts, 1, "<u8"), gather(parts, 2, "<i8"), errors, bounds)


def _write_heavy(heads: Heads, rows: Rows, ends: Sequence[int]) -> list[Columns]:
    hashes, counts, own, present = rows
    errors = own + (heads[:, 1].repeat(np.diff(ends)) - present)
    return [
        Heavy.keep(hashes[a:b], counts[a:b], errors[a:b], *head).columns()
        for head, (a, b) in zip(heads.tolist(), zip(ends, ends[1:]))
    ]


def _read_bins(parts: Sequence[Columns]) -> tuple[Heads, Sequence[int], Rows]:
    heads = heads_of(parts).copy()
    numeric, levels = heads[:, 4] != 0, heads[:, 6].tolist()
    found = [np.frombuffer(part[1], "<u8") for part in parts]
    for i in np.flatnonzero(numeric).tolist():  # on one grid, until the series' level is known
        found[i] = on_finest(found[i], levels[i])
    heads[:, 6] = np.where(numeric, FINEST - heads[:, 6], 0)  # of parts the coarsest counts
    keys = np.concatenate(found) if found else np.zeros(0, np.uint64)
    return heads, _sizes(parts, 1, 8), (keys, gather(parts, 2, "<i8"), gather(parts, 3, "<i8"))


def _write_bins(heads: Heads, rows: Rows, ends: Sequence[int]) -> list[Columns]:
    written = []
    for head, (start, end) in zip(heads.tolist(), zip(ends, ends[1:])):
        a, b, c, d, numeric, capacity, coarse = head
        keys, hits, misses = (column[start:end] for column in rows)
        level = 0
        if numeric:
            level = FINEST - coarse
            keys, (hits, misses) = sum_by_key(at_level(keys, FINEST, level), hits, misses)
            level, keys, (hits, misses) = sharpest(keys, level, hits, misses)
        written.append(
            Bins.keep(
                keys, hits, misses, (a, b), (c, d), is_numeric=bool(numeric), capacity=capacity, level=level
            ).columns()
        )
    return written


def _only(is_kept: NDArray[np.bool_], rows: Rows, ends: Sequence[int]) -> tuple[Rows, Sequence[int]]:
    """Some of the rows, and where each series' rows begin then."""
    if is_kept.all():
        return rows, ends
    places = np.concatenate(([0], np.cumsum(is_kept)))
    return tuple(column[is_kept] for column in rows), places[ends].tolist()


def _cut(column: NDArray[Any], ends: Sequence[int]) -> list[bytes]:
    """The column's bytes, one piece for each series."""
    data, width = column.tobytes(), column.itemsize
    return [data[width * start : width * end] for start, end in zip(ends, ends[1:])]


KEYED: Final[dict[str, Keyed]] = {
    "counts": Keyed(_read_counts, _write_counts),
    "histogram": Keyed(_read_histogram, _write_histogram),
    "distinct": Keyed(_read_distinct, _write_distinct, add=np.maximum),
    "heavy": Keyed(_read_heavy, _write_heavy, largest=(2,)),
    "ids": Keyed(_read_ids, _write_ids, largest=(0,)),
    "bins": Keyed(_read_bins, _write_bins, largest=(4, 5, 6)),
}

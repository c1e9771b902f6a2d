"""The sketches of a whole record checked in a few passes for each kind, instead of one by one.

A check here says only that all parts of a kind are sound. Where it does not, `decode` looks at each: so what is
refused, and in which words, is decided in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.summaries.columns import Columns, are_positive
from streamgauge.tracer.summaries.distinct import HIGHEST, REGISTERS
from streamgauge.tracer.summaries.histogram import LARGEST

Parts = Sequence[Columns]
Joined = tuple[NDArray[Any], NDArray[Any]]  # one column of all parts end to end, and the length of each part


def are_sound(kind: str, parts: Parts) -> bool:
    """Whether all parts of a kind are surely what `decode` takes; False where one may not be.

    >>> are_sound("histogram", [(b"", b"")]), are_sound("histogram", [(b"", b"1")])
    (True, False)
    """
    dtypes, check = _CHECKS.get(kind, ((), None))
    if check is None or set(map(len, parts)) != {len(dtypes)}:
        return False
    joined = [_joined(column, dtype) for column, dtype in zip(zip(*parts), dtypes)]
    whole = [column for column in joined if column is not None]
    return len(whole) == len(dtypes) and check(*whole)


def _counts(heads: Joined) -> bool:
    table = _table(heads, 7)
    return table is not None and bool((table >= 0).all() and (table.max(axis=1) == table[:, 0]).all())


def _moments(heads: Joined) -> bool:
    table = _table(heads, 6)
    if table is None:
        return False
    counts = table[:, 0]
    are_counts = (counts >= 0).all() and (counts < 2**53).all() and (counts % 1 == 0).all()
    return bool(are_counts and np.isfinite(table[:, 1]).all())


def _histogram(keys: Joined, counts: Joined) -> bool:
    is_within = not len(keys[0]) or bool(keys[0].min() >= -LARGEST and keys[0].max() <= LARGEST)
    return is_within and _match(keys, counts) and are_positive(counts[0]) and _increase(keys)


def _distinct(index: Joined, values: Joined) -> bool:
    is_sparse = (index[1] > 0) | (values[1] != REGISTERS)
    if not (index[1] == values[1])[is_sparse].all():
        return False
    are_ranks = not len(values[0]) or int(values[0].max()) <= HIGHEST
    return are_ranks and (not len(index[0]) or int(index[0].max()) < REGISTERS) and _increase(index)


def _heavy(heads: Joined, hashes: Joined, counts: Joined, errors: Joined) -> bool:
    table = _table(heads, 3)
    if table is None or not (table >= 0).all() or not (hashes[1] <= table[:, 2]).all():
        return False
    are_errors_whole = bool(((errors[1] == 0) | (errors[1] == hashes[1])).all())
    return are_errors_whole and _match(hashes, counts) and are_positive(counts[0]) and _increase(hashes)


_CHECKS: Final[dict[str, tuple[Sequence[str], Callable[..., bool]]]] = {
    "counts": (("<i8",), _counts),
    "moments": (("<f8",), _moments),
    "histogram": (("<i4", "<i8"), _histogram),
    "distinct": (("<u2", "u1"), _distinct),
    "heavy": (("<i8", "<u8", "<i8", "<i8"), _heavy),
}


def _joined(column: Sequence[bytes], dtype: str) -> Joined | None:
    """One column of all parts; None where it is torn in one."""
    sizes, width = np.fromiter(map(len, column), np.int64, len(column)), np.dtype(dtype).itemsize
    if (sizes % width).any():
        return None
    return np.frombuffer(b"".join(column), dtype), sizes // width


def _table(heads: Joined, width: int) -> NDArray[Any] | None:
    """Shape [parts, width]; None where a part's head is of another length."""
    return heads[0].reshape(-1, width) if (heads[1] == width).all() else None


def _match(keys: Joined, values: Joined) -> bool:
    return bool((keys[1] == values[1]).all())


def _increase(joined: Joined) -> bool:
    """Whether the keys of each part are sorted and distinct."""
    keys, sizes = joined
    rises = keys[1:] > keys[:-1]
    starts = np.cumsum(sizes)[:-1]
    rises[starts[(starts > 0) & (starts < len(keys))] - 1] = True  # from one part to the next they may fall
    return bool(rises.all())

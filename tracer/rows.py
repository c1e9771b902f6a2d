"""Rows of a call: how many there are, what belongs to them, and names as they may travel."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from streamgauge.tracer.events import Event
from streamgauge.tracer.inputs import Column, Floats, Ragged, Refusal, is_flat
from streamgauge.tracer.tasks import Told

LIMIT: Final = 1e11  # times beyond it are no times: seconds since the epoch, year 5138
LONGEST: Final = 256  # characters of a name


def name_of(value: Any) -> str:
    """A name as it may travel: text of at most 256 characters that UTF-8 can write; longer ones end in a hash.

    >>> name_of("age"), name_of(None), name_of(chr(0xDC80))
    ('age', 'None', '?')
    >>> len(name_of("a" * 300)), name_of("a" * 300) == name_of("a" * 301)
    (256, False)
    """
    text = value if isinstance(value, str) else str(value)
    text = text if text.isascii() else text.encode("utf-8", "replace").decode()
    if len(text) <= LONGEST:
        return text
    digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    return f"{text[: LONGEST - 17]}~{digest}"


def agreed(lengths: Iterable[int], ids: int | None = None) -> int:
    """The number of rows that most columns have; where two are as frequent, that of the ids, then the first.

    >>> agreed([3, 4, 4]), agreed([3, 4], ids=4), agreed([])
    (4, 4, 0)
    """
    votes = Counter(lengths)
    if not votes:
        return 0
    most = max(votes.values())
    leading = [length for length, count in votes.items() if count == most]
    return ids if ids is not None and ids in leading else leading[0]


def misfits(columns: Mapping[str, Column | None], rows: int, *, broadcast: bool = False) -> dict[str, str]:
    """Of which columns the length is another, and how to say so; with `broadcast` one value stands for all rows."""
    found = {}
    for name, column in columns.items():
        if column is not None and len(column) != rows and not (broadcast and len(column) == 1):
            found[name] = f"{len(column):,} {'values' if len(column) != 1 else 'value'} for {rows:,} rows"
    return found


def size_of(event: Event) -> int:
    """Bytes that an event keeps alive, about."""
    size = 200
    for part in event:
        if isinstance(part, np.ndarray):
            size += _bytes(part)
        elif isinstance(part, dict):
            size += 200 * len(part) + sum([_bytes(column) for column in part.values()])
            size += sum([_bytes(column) for told in part.values() if isinstance(told, Told) for column in told])
    return size


def _bytes(column: Any) -> int:
    if is_flat(column):
        return int(column.nbytes)
    if isinstance(column, Ragged):
        return _bytes(column.values) + column.lengths.nbytes
    return column.nbytes + 56 * column.size * column.dtype.hasobject if isinstance(column, np.ndarray) else 0


def each_row(values: Floats | None, rows: int) -> Floats | None:
    """One value a row, where one may stand for all. Raises Refusal for another length."""
    if values is None or len(values) == rows:
        return values
    if len(values) != 1:
        raise Refusal(f"{len(values):,} values for {rows:,} rows")
    return np.full(rows, values[0])

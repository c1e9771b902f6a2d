"""A checksum in each row of the embedded store, so that `verify` tells a flipped bit from what was written.

A CRC-32 of all that the row says, as SQLite gives it back. Rows of numbers are counted as float64, a whole window of
points at a time; others as MessagePack, so that a text is no blob. A rollup gets one when its bucket is full: until
then it is made again with each window. What it costs is in `docs/stores.md`.
"""

from __future__ import annotations

import math
import sqlite3
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamgauge.pipelines.adapters.sqlite.schema import TABLES

_SIGN: Final = 1 << 31  # half of all checksums below zero: SQLite keeps them in 4 bytes
_encode: Final = msgspec.msgpack.Encoder().encode


def row_crc(*values: str | bytes | float | None) -> int:
    """The checksum of a row's values in the order of its columns.

    >>> row_crc("ctr", "train", 10.0) == row_crc("ctr", "train", 10)
    False
    """
    return zlib.crc32(_encode(values)) - _SIGN


def numbers_crc(*values: float | None) -> int:
    """The same of a row that has only numbers, unknown ones among them.

    >>> numbers_crc(7, 60.0, None) == numbers_crc(7, 60.0, 0.0)
    False
    """
    known = [math.nan if value is None else value for value in values]
    return zlib.crc32(struct.pack(f"<{len(known)}d", *known)) - _SIGN


def crcs(columns: Sequence[NDArray[Any]]) -> list[int]:
    """`numbers_crc` of many rows, by their columns of one length."""
    rows = np.column_stack(columns).astype("<f8") + 0.0  # -0.0 comes back as 0.0
    rows[np.isnan(rows)] = math.nan  # one NaN of many
    data, width = memoryview(rows.tobytes()), rows.shape[1] * rows.itemsize
    return [zlib.crc32(data[at : at + width]) - _SIGN for at in range(0, len(data), width)]


def is_sound(table: str, values: Sequence[Any], crc: int) -> bool:
    """Whether a row is what it was."""
    try:
        return bool(_by_kind(table)(*values) == crc)
    except (struct.error, UnicodeEncodeError):  # a text among numbers; a text that is none
        return False


def _by_kind(table: str) -> Callable[..., int]:
    return numbers_crc if set(TABLES[table].columns.values()) <= {"REAL", "INTEGER"} else row_crc


def teach(connection: sqlite3.Connection) -> None:
    """Let a connection's statements call both."""
    for known in (row_crc, numbers_crc):
        connection.create_function(known.__name__, -1, known, deterministic=True)


def crc_of(table: str, values: Iterable[str]) -> str:
    """What the checksum of a new row is, in SQL, by the expressions of its values.

    A whole number comes back from a column of reals as a real, and -0.0 as 0.0: so they are counted.
    """
    kinds = TABLES[table].columns.values()
    given = (f"{value} + 0.0" if kind == "REAL" else value for value, kind in zip(values, kinds, strict=True))
    return f"{_by_kind(table).__name__}({', '.join(given)})"


def row_of(table: str) -> str:
    """Columns and parameters of an INSERT of one row, with its checksum."""
    columns = TABLES[table].columns
    given = [f"?{number}" for number in range(1, len(columns) + 1)]
    return f"{table} ({', '.join(columns)}, crc) VALUES ({', '.join(given)}, {crc_of(table, given)})"


def newest_of(table: str, newer: str, row: str = "") -> str:
    """An INSERT that replaces a row of the same identity unless that has a larger `newer`."""
    identity = TABLES[table].identity
    sets = ", ".join(f"{name} = excluded.{name}" for name in (*TABLES[table].columns, "crc") if name not in identity)
    return (
        f"INSERT INTO {row or row_of(table)} ON CONFLICT ({', '.join(identity)}) DO UPDATE SET {sets}"
        f" WHERE excluded.{newer} >= {newer}"
    )


def counted_row_of(table: str) -> str:
    """As `row_of`, for a caller who gives the checksum as the last value."""
    columns = (*TABLES[table].columns, "crc")
    return f"{table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"

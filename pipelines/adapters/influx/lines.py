"""Records as line protocol, one row a line, and names and times as the store writes them and back; pure but for memory.

Line protocol is built here and not by a client's `Point` objects, which cost ten times as much. No line holds a line
break: control characters are escaped in tags and are blanks in texts, whose exact form is in the row's body.
"""

from __future__ import annotations

import base64
import math
import urllib.parse
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec

from streamgauge.pipelines.adapters.influx.schema import BODY_PIECE, BODY_PIECES, NONE, SHIFT_NS

T = TypeVar("T")
Value = str | float | int | bool

_LAST: Final = 9.2e9  # seconds: what nanoseconds in int64 can say
_CONTROL: Final = [*range(32), 127]
_TAG: Final = str.maketrans(
    {chr(code): f"%{code:02X}" for code in (*_CONTROL, ord("%"), ord("\\"))}
    | {" ": "\\ ", ",": "\\,", "=": "\\="}
)  # fmt: skip
_NAME: Final = str.maketrans({chr(code): f"%{code:02X}" for code in (*_CONTROL, ord("%"), ord("\\"))})
_TEXT: Final = str.maketrans({chr(code): " " for code in _CONTROL} | {"\\": "\\\\", '"': '\\"'})
_encode: Final = msgspec.msgpack.Encoder().encode


def nanoseconds(seconds: float) -> int:
    """A time as the store has it; distinct times of this century stay distinct.

    >>> nanoseconds(1360000800.25), nanoseconds(-0.5)
    (1360000800250000000, -500000000)

    Raises:
        ValueError: it is beyond what the store can say (the year 2261), or not finite.
    """
    if not -_LAST < seconds < _LAST:
        raise ValueError(f"the store keeps times from 1678 to 2261, got {seconds}")
    whole = math.floor(seconds)
    return whole * 10**9 + round((seconds - whole) * 1e9)


def seconds(nanoseconds: int) -> float:
    """The time that `nanoseconds` was made of, to the bit."""
    return nanoseconds / 10**9  # of two int: correctly rounded


def shifted(time: float, identity: str) -> int:
    """A time in nanoseconds, later by what tells this record from others of the same tags and time."""
    return nanoseconds(time) + zlib.crc32(identity.encode()) % SHIFT_NS


def stored_name(name: str) -> str:
    """A name as the value of a tag, before the escapes of line protocol.

    >>> stored_name(""), stored_name("-"), stored_name("100 %")
    ('-', '%2D', '100 %25')
    """
    return NONE if not name else "%2D" if name == NONE else name.translate(_NAME)


def name_of(stored: str) -> str:
    """The name that a tag's value stands for."""
    return "" if stored == NONE else urllib.parse.unquote(stored)


def key(table: str, tags: Mapping[str, str]) -> str:
    r"""The begin of a line: its table and its tags.

    >>> print(key("metric", {"job": "a b", "worker": ""}))
    metric,job=a\ b,worker=-
    """
    return table + "".join(f",{name}={_tag(value)}" for name, value in tags.items())


def fields(values: Mapping[str, Value]) -> str:
    r"""The fields of a line; numbers that are not finite are left out, for they are unknown.

    >>> print(fields({"value": 0.5, "n": 3, "is_known": True, "text": 'say "so"', "low": float("nan")}))
    value=0.5,n=3i,is_known=true,text="say \"so\""
    """
    return ",".join(f"{name}={text}" for name, value in values.items() if (text := _field(value)))


def body(record: msgspec.Struct) -> dict[str, Value]:
    """The fields that hold a whole record. Raises ValueError if it is too long for a row."""
    text = base64.b64encode(zlib.compress(_encode(record))).decode()
    pieces = [text[at : at + BODY_PIECE] for at in range(0, len(text), BODY_PIECE)]
    if len(pieces) > BODY_PIECES:
        kind = type(record).__name__.lower()
        raise ValueError(f"a {kind} has {len(text)} characters, a row holds {BODY_PIECE * BODY_PIECES}")
    return {"bodies": len(pieces), **{_piece(i): text for i, text in enumerate(pieces)}}


def of_body(row: Mapping[str, Any], decoder: msgspec.msgpack.Decoder[T]) -> T:
    """The record in a row that has all the fields of a body."""
    text = "".join(row[_piece(i)] for i in range(row["bodies"]))
    return decoder.decode(zlib.decompress(base64.b64decode(text)))


def joined(keys: Iterable[str], columns: Sequence[Iterable[str]], time: int) -> list[str]:
    """Lines of many rows of one time from their columns of ready fields."""
    end = f" {time}"
    return ["".join(row) + end for row in zip(keys, *columns, strict=True)]


def _piece(index: int) -> str:
    return "body" if index == 0 else f"body_{index}"


def _tag(name: str) -> str:
    return NONE if not name else "%2D" if name == NONE else name.translate(_TAG)


def _field(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value}i"
    if isinstance(value, float):
        return repr(float(value)) if math.isfinite(value) else ""
    return f'"{value.translate(_TEXT)}"'

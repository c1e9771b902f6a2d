"""A graph from CSV: the columns cause and effect, and if they are there delay (seconds) and weight (0..1)."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from streamgauge.anomaly.types import Edge
from streamgauge.pipelines.graphs.edges import Found, GraphError, bounded, is_node


def read(path: Path) -> Found:
    """The edges of a file; lines without both ends are noted, not guessed.

    Raises:
        GraphError: a column is missing, or a value is none.
    """
    missing: list[int] = []
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        rows = csv.DictReader(file)
        columns = [name.strip() for name in rows.fieldnames or ()]
        if not {"cause", "effect"} <= set(columns):
            shown = ", ".join(columns)[:100] or "nothing"
            raise GraphError(f"{path} begins with {shown}; its first line must name the columns cause and effect")
        rows.fieldnames = columns
        edges = bounded(_edges(rows, path, missing), str(path))
    note = f"lines without both ends are left out: {len(missing):,}, the first is line {missing[0]}" if missing else ""
    return Found(edges, [note] if note else [])


def _edges(rows: csv.DictReader[str], path: Path, missing: list[int]) -> Iterator[Edge]:
    for row in rows:
        cause, effect = (str(row[end] or "").strip() for end in ("cause", "effect"))
        if not cause or not effect:
            missing.append(rows.line_num)
            continue
        for node in (cause, effect):
            if not is_node(node):
                text = f"{path}:{rows.line_num}: {node[:100]!r} is no place; write kind, kind:name or kind:name@worker"
                raise GraphError(text)
        yield Edge(cause, effect, _number(row, "delay", 0.0, rows, path), _number(row, "weight", 1.0, rows, path))


def _number(row: Mapping[str, str | None], name: str, usual: float, rows: csv.DictReader[str], path: Path) -> float:
    text = (row.get(name) or "").strip()
    try:
        value = float(text) if text else usual
    except ValueError:
        value = math.nan
    most = 1.0 if name == "weight" else math.inf
    if not 0.0 <= value <= most or math.isinf(value):
        bounds = "0..1" if name == "weight" else ">= 0 s"
        raise GraphError(f"{path}:{rows.line_num}: {name} must be {bounds}, got {text[:100]!r}")
    return value

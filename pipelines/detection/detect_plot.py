"""A page with the charts of what `streamgauge detect` found: one file, no script in it; pure."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Final

from streamgauge.anomaly.selection import Choice
from streamgauge.pipelines.detection.detect_file import Episode, Row
from streamgauge.pipelines.detection.series_file import Series

WIDTH, HEIGHT, EDGE = 1000, 220, 46
POINTS: Final = 1_000  # pixels have room for no more; of several rows the least and the most stay
_STYLE: Final = """\
:root { color-scheme: light dark; --ink: light-dark(#1b2733, #dce6ef); --line: light-dark(#1f6fb2, #6db6f2);
  --band: light-dark(#1f6fb233, #6db6f233); --bad: light-dark(#c0392b, #ff7b6b); --paper: light-dark(#fff, #10161c); }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto;
  max-width: 1040px; padding: 0 1rem; }
svg { width: 100%; height: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #8884; }
.value { fill: none; stroke: var(--line); stroke-width: 1.4; } .band { fill: var(--band); }
.bad { fill: var(--bad); fill-opacity: .28; } .axis { fill: var(--ink); font-size: 12px; }"""
Judged = tuple[Series, Choice, list[Row]]


def page(title: str, judged: Sequence[Judged], found: Sequence[Episode]) -> str:
    """The whole page."""
    name = html.escape(title)
    charts = "\n".join(_chart(*one) for one in judged)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{name}</title><style>{_STYLE}</style><h1>{name}</h1><p>{len(found)} episodes in {len(judged)} series. "
        f"The band is where nothing fires; what fired is marked.</p>{charts}{_table(found)}</html>\n"
    )


def _table(found: Sequence[Episode]) -> str:
    head = "".join(f"<th>{name}</th>" for name in Episode._fields)
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(_cell(value))}</td>" for value in one) + "</tr>" for one in found
    )
    return f'<h2>Episodes</h2><div class="scroll"><table><tr>{head}</tr>{rows}</table></div>'


def _cell(value: object) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _chart(series: Series, choice: Choice, rows: Sequence[Row]) -> str:
    known = [row.value for row in rows if math.isfinite(row.value)]
    if not known:
        return f"<h2>{html.escape(series.name)}</h2><p>No row has a number.</p>"
    low, high = min(known), max(known)
    room = 0.05 * (high - low) or 1.0
    across = (WIDTH - EDGE) / max(len(rows) - 1, 1)

    def x(i: int) -> float:
        return EDGE + i * across

    def y(value: float) -> float:
        share = (min(max(value, low - room), high + room) - low + room) / (high - low + 2 * room)
        return HEIGHT * (1.0 - share)

    drawn = _kept(rows)
    line = " ".join(f"{x(i):.1f},{y(rows[i].value):.1f}" for i in drawn if math.isfinite(rows[i].value))
    tops = [(i, row.high) for i in drawn if (row := rows[i]).high is not None and row.low is not None]
    feet = [(i, rows[i].low) for i, _ in reversed(tops)]
    band = " ".join(f"{x(i):.1f},{y(edge):.1f}" for i, edge in (*tops, *feet) if edge is not None)
    marks = "".join(
        f'<rect class="bad" x="{x(i) - 2:.1f}" y="0" width="4" height="{HEIGHT}"/>'
        for i, row in enumerate(rows) if row.anomaly_score > 0.5
    )  # fmt: skip
    axis = (
        f'<text class="axis" x="0" y="12">{high:.4g}</text><text class="axis" x="0" y="{HEIGHT}">{low:.4g}</text>'
        f'<text class="axis" x="{EDGE}" y="{HEIGHT + 18}">{html.escape(rows[0].timestamp)}</text>'
        f'<text class="axis" x="{WIDTH}" y="{HEIGHT + 18}" text-anchor="end">{html.escape(rows[-1].timestamp)}</text>'
    )
    name = html.escape(series.name)
    return (
        f"<h2>{name}</h2><p>Detector: {html.escape(choice.name)}.</p>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT + 24}" role="img" aria-label="{name} over time">'
        f'<polygon class="band" points="{band}"/>{marks}<polyline class="value" points="{line}"/>{axis}</svg>'
    )


def _kept(rows: Sequence[Row]) -> list[int]:
    """Rows that are drawn: of each pixel's the least and the most, so that no spike is lost."""
    size = max(1, len(rows) * 2 // POINTS)
    if size == 1:
        return list(range(len(rows)))
    kept: set[int] = set()
    for start in range(0, len(rows), size):
        part = [i for i in range(start, min(start + size, len(rows))) if math.isfinite(rows[i].value)]
        if part:
            kept |= {min(part, key=lambda i: rows[i].value), max(part, key=lambda i: rows[i].value)}
    return sorted(kept)

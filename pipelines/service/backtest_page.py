"""What a backtest found, as a table for a terminal, as JSON, and as a page in one file without a script; pure."""

from __future__ import annotations

import html
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from streamgauge.pipelines.service.backtest import Replay, Told, gained

WIDTH, LANE, EDGE = 1000, 40, 90
_STYLE: Final = """\
:root { color-scheme: light dark; --ink: light-dark(#1b2733, #dce6ef); --paper: light-dark(#fff, #10161c);
  --page: light-dark(#1f6fb2, #6db6f2); --true: light-dark(#1e8449, #58d68d); --false: light-dark(#c0392b, #ff7b6b); }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto;
  max-width: 1040px; padding: 0 1rem; }
svg { width: 100%; height: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #8884; vertical-align: top; }
.scroll { overflow-x: auto; } .none { fill: var(--page); } .true_alarm, .missed { fill: var(--true); }
.false_alarm { fill: var(--false); } .axis { fill: var(--ink); font-size: 12px; }"""
_HEAD: Final = (
    "configuration", "told", "pages a day", "tickets a day", "precision", "recall", "median delay", "gained", "lost",
)  # fmt: skip


def rows(current: Replay, other: Replay | None, names: tuple[str, str]) -> list[tuple[str, ...]]:
    """The table, its head first; `gained` and `lost` are incidents against the current configuration."""
    lines = [_HEAD, _row(names[0], current, "", "")]
    if other is not None:
        lines.append(_row(names[1], other, str(len(gained(other, current))), str(len(gained(current, other)))))
    return lines


def text(lines: Sequence[tuple[str, ...]]) -> str:
    """The table for a terminal."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    padded = ([cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines)
    return "\n".join("  ".join(line).rstrip() for line in padded)


def as_json(replay: Replay) -> dict[str, Any]:
    """One replay, JSON-ready; times in seconds since the epoch, None for what no label tells."""
    return {
        "start": replay.start, "end": replay.end, "told": [one._asdict() for one in replay.told],
        "pages_per_day": replay.pages, "tickets_per_day": replay.tickets,
        "precision": replay.precision, "recall": replay.recall, "delay": replay.delay,
    }  # fmt: skip


def page(job: str, current: Replay, other: Replay | None, names: tuple[str, str]) -> str:
    """The whole page."""
    name = html.escape(f"Backtest of {job}")
    lanes = [(names[0], current)] + ([(names[1], other)] if other is not None else [])
    lists = [] if other is None else [
        _list(f"Gained by {names[1]}", gained(other, current)), _list(f"Lost by {names[1]}", gained(current, other)),
    ]  # fmt: skip
    lists += [_list(f"All that {lane} tells", replay.told) for lane, replay in lanes]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{name}</title><style>{_STYLE}</style><h1>{name}</h1>"
        f"<p>{utc(current.start)} to {utc(current.end)}. Labels: {len(current.labels)}.</p>"
        f"{_table(rows(current, other, names))}{_chart(lanes)}{''.join(lists)}</html>\n"
    )


def utc(time: float) -> str:
    """A time in words.

    >>> utc(0.0)
    '1970-01-01 00:00 UTC'
    """
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M} UTC"


def _row(name: str, replay: Replay, more: str, fewer: str) -> tuple[str, ...]:
    delay = "-" if replay.delay is None else f"{replay.delay / 60.0:.0f} min"
    shares = ("-" if share is None else f"{share:.2f}" for share in (replay.precision, replay.recall))
    return name, str(len(replay.told)), f"{replay.pages:.2f}", f"{replay.tickets:.2f}", *shares, delay, more, fewer


def _table(lines: Sequence[tuple[str, ...]]) -> str:
    head, *body = lines
    cells = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    rest = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in line) + "</tr>" for line in body)
    return f'<div class="scroll"><table><tr>{cells}</tr>{rest}</table></div>'


def _chart(lanes: Sequence[tuple[str, Replay]]) -> str:
    start, end = lanes[0][1].start, max(replay.end for _, replay in lanes)
    scale = (WIDTH - EDGE) / max(end - start, 1e-9)
    marks = ""
    for place, (name, replay) in enumerate(lanes):
        top = place * (LANE + 8)
        marks += f'<text class="axis" x="0" y="{top + 24}">{html.escape(name[:14])}</text>'
        marks += "".join(
            f'<rect class="{one.verdict or "none"}" x="{EDGE + scale * (one.start - start):.1f}" y="{top}"'
            f' width="{max(3.0, scale * (one.end - one.start)):.1f}" height="{LANE}">'
            f"<title>{html.escape(one.text)}</title></rect>"
            for one in replay.told
        )
    bottom = len(lanes) * (LANE + 8)
    axis = (
        f'<text class="axis" x="{EDGE}" y="{bottom + 14}">{utc(start)}</text>'
        f'<text class="axis" x="{WIDTH}" y="{bottom + 14}" text-anchor="end">{utc(end)}</text>'
    )
    return f'<svg viewBox="0 0 {WIDTH} {bottom + 20}" role="img" aria-label="what is told">{marks}{axis}</svg>'


def _list(title: str, told: Sequence[Told]) -> str:
    lines = "".join(
        f"<tr><td>{utc(one.time)}</td><td>{one.severity}</td><td>{one.verdict or ''}</td>"
        f"<td>{html.escape(one.text)}</td></tr>"
        for one in told
    )
    return f'<h2>{html.escape(title)}: {len(told)}</h2><div class="scroll"><table>{lines}</table></div>'

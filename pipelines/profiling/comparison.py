"""Two files compared, column by column: drift, what is missing more often, values never seen before; and a verdict.

Drift is the PSI over bins of the first file, told only beyond what chance gives (`psi_floor`). A difference is news
where it is sure (three standard errors) and large enough to matter. That times are later, and that values which hardly
repeat are others, is none.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

from streamgauge.pipelines.metrics import Floats
from streamgauge.pipelines.profiling.columns import Column, ProfileError, column_of
from streamgauge.pipelines.profiling.report import ColumnProfile, summarise
from streamgauge.pipelines.statistics import drift_of, fine_counts, id_counts, id_doubt, numeric_counts
from streamgauge.tracer.summaries import ValueCounts

PSI: Final = 0.1  # nats beyond the noise floor: the usual bound between little and some drift
MISSING: Final = 0.01  # of the rows
NEW: Final = 0.01  # of the rows that have a value
UNIQUE: Final = 0.5  # distinct values a row from which on new ones are no news: ids of rows, of requests
SIGMAS: Final = 3.0
_SHOWN: Final = ("name", "news", "psi", "psi_floor", "missing_before", "missing_after", "new_share", "new_values")
_STYLE: Final = """\
:root { color-scheme: light dark; } body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1040px;
padding: 0 1rem; color: light-dark(#1b2733, #dce6ef); background: light-dark(#fff, #10161c); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #8884; }
.news { color: light-dark(#c0392b, #ff7b6b); font-weight: 600; }"""


def compare(before: Any, after: Any, *, columns: Sequence[str] = ()) -> dict[str, Any]:
    """How the second pandas frame differs from the first: `{differs, rows, gone, came, columns: [...]}`.

    Raises ProfileError for a column that neither has.
    """
    first, second = ({str(name): frame[name] for name in frame.columns} for frame in (before, after))
    for name in columns:
        if name not in first and name not in second:
            raise ProfileError(f"no column {name!r}; there are {', '.join(first)}")
    wanted = list(columns) or list(first)
    both = [name for name in wanted if name in first and name in second]
    pairs = [(column_of(name, first[name]), column_of(name, second[name])) for name in both]
    rows = [_column(*pair) for pair in pairs]
    gone = [name for name in wanted if name in first and name not in second]
    came = [name for name in (columns or second) if name in second and name not in first]
    differs = bool(gone or came or any(row["news"] for row in rows))
    return {"differs": differs, "rows": [len(before), len(after)], "gone": gone, "came": came, "columns": rows}


def render(report: dict[str, Any]) -> str:
    """The report as plain text."""
    lines = [f"{report['rows'][0]:,} rows, then {report['rows'][1]:,}"]
    lines += [f"{name}: the column is gone" for name in report["gone"]]
    lines += [f"{name}: a new column" for name in report["came"]]
    lines += [f"{row['name']}: {', '.join(row['news'])}" for row in report["columns"] if row["news"]]
    sound = sum(not row["news"] for row in report["columns"])
    verdict = f"{sound} of {len(report['columns'])} columns are as they were"
    lines.append(verdict if report["differs"] else "no difference")
    return "\n".join(lines)


def page(title: str, report: dict[str, Any]) -> str:
    """The report as a page in one file, without a script."""
    name = html.escape(title)
    head = "".join(f"<th>{column.replace('_', ' ')}</th>" for column in _SHOWN)
    body = "".join(f"<tr>{''.join(_cell(row, column) for column in _SHOWN)}</tr>" for row in _worst_first(report))
    lines = "".join(f"<li>{html.escape(line)}</li>" for line in render(report).splitlines())
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{name}</title><style>{_STYLE}</style><h1>{name}</h1><ul>{lines}</ul>"
        f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div></html>\n'
    )


def _column(before: Column, after: Column) -> dict[str, Any]:
    first, second = summarise(before), summarise(after)
    row: dict[str, Any] = {"name": before.name, "kinds": [before.kind, after.kind], "news": []}
    if before.kind != after.kind:
        row["news"].append(f"was {before.kind}, is {after.kind}")
    row |= _missing(first, second, row["news"])
    if before.kind == after.kind != "time":
        row |= _drift(first, second, row["news"])
    if before.vocabulary is not None and after.vocabulary is not None:
        row |= _new(before, after, row["news"])
    return row


def _missing(before: ColumnProfile, after: ColumnProfile, news: list[str]) -> dict[str, Any]:
    rates, errors = [], 0.0
    for counts in (before.counts, after.counts):
        rows = max(counts.rows, 1)
        smoothed = (counts.missing + 1.0) / (rows + 2.0)
        rates.append(counts.missing / rows)
        errors += smoothed * (1.0 - smoothed) / rows
    if abs(rates[1] - rates[0]) > max(MISSING, SIGMAS * math.sqrt(errors)):
        news.append(f"missing {_percent(rates[0])}, then {_percent(rates[1])}")
    return {"missing_before": rates[0], "missing_after": rates[1]}


def _drift(before: ColumnProfile, after: ColumnProfile, news: list[str]) -> dict[str, Any]:
    if before.histogram is not None and after.histogram is not None:
        counts, doubt = _numeric(before, after), 0.0
    else:
        counts, doubt = id_counts(after.heavy, before.heavy), id_doubt(after.heavy, before.heavy)
    if not counts[0].sum() or not counts[1].sum():
        return {"psi": None, "psi_floor": None}
    found = drift_of(*counts, doubt)
    if found.value - found.floor > PSI:
        news.append(f"drifted by {found.value:.2f} nats (chance gives {found.floor:.2f})")
    return {"psi": _known(found.value), "psi_floor": _known(found.floor)}


def _numeric(before: ColumnProfile, after: ColumnProfile) -> tuple[Floats, Floats]:
    """Counts of the second and the first file, in bins that the first one fixes; finer ones where both have some."""
    if isinstance(before.numbers, ValueCounts) and isinstance(after.numbers, ValueCounts):
        return fine_counts(after.numbers, before.numbers)
    assert before.histogram is not None
    assert after.histogram is not None
    return numeric_counts(after.histogram, before.histogram)


def _new(before: Column, after: Column, news: list[str]) -> dict[str, Any]:
    """Values that the first file never has, the most frequent ones by name."""
    assert before.vocabulary is not None
    assert after.vocabulary is not None
    old = set(before.vocabulary.tolist())
    codes = after.values[after.values >= 0]
    fresh = [code for code, value in enumerate(after.vocabulary.tolist()) if value not in old]
    tallies = sorted(((int((codes == code).sum()), code) for code in fresh[:1_000]), reverse=True)
    share = sum(count for count, _ in tallies) / max(len(codes), 1)
    names = [str(after.vocabulary[code])[:40] for count, code in tallies[:5] if count]
    if share > NEW and len(old) < UNIQUE * len(before.values):
        news.append(f"{_percent(share)} of the values are new: {', '.join(names)}")
    return {"new_share": share, "new_values": names}


def _worst_first(report: dict[str, Any]) -> Iterable[dict[str, Any]]:
    rows: list[dict[str, Any]] = report["columns"]
    return sorted(rows, key=lambda row: (not row["news"], -(row.get("psi") or 0.0), row["name"]))


def _cell(row: dict[str, Any], column: str) -> str:
    value = row.get(column)
    if column.startswith("missing") or column == "new_share":
        text = "" if value is None else _percent(value)
    elif isinstance(value, list):
        text = ", ".join(value)
    else:
        text = "" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)
    return f"<td{' class=news' if column == 'news' else ''}>{html.escape(text)}</td>"


def _percent(share: float) -> str:
    return f"{100.0 * share:.3g} %"


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None

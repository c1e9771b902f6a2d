"""The table of features as CSV and as lines of text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from streamgauge.pipelines.features.table import COLUMNS
from streamgauge.pipelines.spreadsheets import cell
from streamgauge.tracer.printable import printable


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """One line a feature below the names of the columns.

    >>> as_csv([{"name": "age", "decision": "keep"}]).splitlines()[1][:9]
    'age,keep,'
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_cell(row.get(name)) for name in COLUMNS] for row in rows)
    return out.getvalue()


def as_lines(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """One line a feature: decision, name, utility, missing, owner, reason; similar ones below it."""
    for row in rows:
        numbers = f"IV {_number(row['utility'], 4):>7}  missing {_number(row['missing'], 3):>6}"
        owner = f"  [{row['owner']}]" if row["owner"] else ""
        yield printable(f"{row['decision']:<8} {row['name']:<30} {numbers}{owner}  {row['reason']}")
        if row["decision"] != "keep" and row["similar"]:
            yield printable(f"{'':<8} like {', '.join(one['name'] for one in row['similar'])}")


def _cell(value: Any) -> Any:
    return cell(" ".join(str(one["name"]) for one in value) if isinstance(value, list) else value)


def _number(value: float | None, digits: int) -> str:
    return "unknown" if value is None else f"{value:.{digits}f}"

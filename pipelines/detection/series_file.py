"""Series in files as people have them: separators, decimal commas, any way to write a time, gzip, Parquet, several.

What had to be guessed or mended is told in `notes`. Text is read with the standard library: judging a row costs fifty
times what reading it does. Parquet needs pyarrow (`pip install streamgauge[profile]`).

    FileFault    a file that cannot be read: the message names the line or column and the remedy
"""

from __future__ import annotations

import csv
import gzip
import importlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from streamgauge.anomaly.reference import Floats
from streamgauge.pipelines import text_tables
from streamgauge.pipelines.text_tables import COMMA, PARTS, SAMPLE, decimal_of, is_number, is_row, is_time, separator_of

_TIMES: Final = ("timestamp", "time", "date", "datetime", "ts", "ds")
_VALUES: Final = ("value", "y", "values")
_THOUSANDS: Final = re.compile(r"[-+]?\d{1,3}([,' \u00a0\u202f\u2019]\d{3})+(\.\d+)?")
_EPOCHS: Final = ((1e17, 1e9, "ns"), (1e14, 1e6, "us"), (1e11, 1e3, "ms"))  # above, divided by, unit


class FileFault(ValueError):
    """A file that cannot be read."""


class Dialect(NamedTuple):
    """What is known of a file beforehand; what is not is guessed."""

    time: str = ""
    values: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    separator: str = ""
    decimal: str = ""
    has_header: bool = True
    is_day_first: bool = False


class Series(NamedTuple):
    """One series, oldest first."""

    name: str
    stamps: tuple[str, ...]  # as the file writes them
    times: tuple[datetime, ...]
    values: Floats  # NaN where the file holds no number


def read(path: Path, dialect: Dialect = Dialect()) -> tuple[list[Series], list[str]]:  # noqa: B008 - it is frozen
    """The series of a file, and what had to be guessed or mended. Raises FileFault."""
    if not path.is_file():
        raise FileFault(f"{path}: no such file")
    names, rows, notes = _parquet(path) if _is_parquet(path) else _text(path, dialect)
    if not rows:
        raise FileFault(f"{path}: no rows below the header")
    time, values, by = _columns(path, names, dialect, rows)
    if not dialect.time and names[time].lower() not in _TIMES and names[time] != "column 1":
        notes.append(f"the times are taken from column {names[time]}")
    if len(values) > 1 and not dialect.values:
        told = ", ".join(names[i] for i in values)
        notes.append(f"a series for each column with numbers: {told} (--value names others)")
    decimal = dialect.decimal or decimal_of([row[i] for row in rows[:SAMPLE] for i in values])
    if decimal == "," and not dialect.decimal:
        notes.append("numbers are written with a decimal comma")
    stamps = [row[time] for row in rows]
    times, how = _times(stamps, is_day_first=dialect.is_day_first)
    notes += how
    found = []
    for column in values:
        for group, at in _groups(rows, by):
            name = "/".join([*group, *([names[column]] if len(values) > 1 or not group else [])])
            numbers = [_number(rows[i][column], decimal) for i in at]
            if not by and not np.isfinite(numbers).any():
                cell = next((str(row[column]) for row in rows if row[column] not in (None, "")), "")
                told = f"column {names[column]} holds no number ({cell[:40]!r})"
                raise FileFault(f"{path}: {told}; --value names another")
            found.append(_ordered(Series(
                name, tuple(str(stamps[i]) for i in at), tuple(times[i] for i in at), np.array(numbers, float),
            ), notes))  # fmt: skip
    return found, notes


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() in (".parquet", ".pq")


def _parquet(path: Path) -> tuple[list[str], list[list[Any]], list[str]]:
    try:
        reader = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise FileFault(f"{path}: reading Parquet needs pyarrow: pip install streamgauge[profile]") from None
    try:
        table = reader.read_table(path)
    except (OSError, ValueError) as error:
        raise FileFault(f"{path}: cannot be read as Parquet: {error}") from None
    columns = [column.to_pylist() for column in table.columns]
    return list(table.column_names), [list(row) for row in zip(*columns, strict=True)], []


def _text(path: Path, dialect: Dialect) -> tuple[list[str], list[list[Any]], list[str]]:
    raw = path.read_bytes()
    raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    text, notes = _decoded(path, raw)
    lines = text.splitlines()
    separator = dialect.separator or separator_of(lines[:SAMPLE])
    notes += [] if separator == "," else [f"columns are separated by {separator!r}"]
    reader = csv.reader(lines, delimiter=separator)
    try:
        rows: list[list[Any]] = [row for row in reader if row]
    except csv.Error as error:
        raise FileFault(f"{path}: below line {reader.line_num - 1}: {error}; mend that line") from None
    if rows and (not dialect.has_header or is_row(rows[0])):
        notes.append("there is no header: the columns are numbered")
        return [f"column {i + 1}" for i in range(len(rows[0]))], rows, notes
    names = [name.strip() for name in rows[0]] if rows else []
    for number, row in enumerate(rows[1:], 2):
        row.extend([""] * (len(names) - len(row)))
        if len(row) > len(names):
            raise FileFault(f"{path}: row {number} has {len(row)} cells, the header {len(names)}; mend it")
    return names, rows[1:], notes


def _decoded(path: Path, raw: bytes) -> tuple[str, list[str]]:
    """The text. Raises FileFault."""
    encoding = text_tables.encoding_of(raw)
    if not encoding:
        raise FileFault(f"{path}: holds no text; name a CSV file, plain or as .gz, or Parquet")
    return raw.decode(encoding, "replace"), text_tables.said(",", ".", encoding)


def _columns(
    path: Path, names: Sequence[str], dialect: Dialect, rows: Sequence[Sequence[Any]]
) -> tuple[int, list[int], list[int]]:
    """Places of the time, of the values, and of what tells series apart."""
    lower = [name.lower() for name in names]
    for name in (*dialect.values, *dialect.by, *([dialect.time] if dialect.time else [])):
        if name not in names:
            raise FileFault(f"{path}: no column {name!r}; there are {', '.join(names)}")
    by = [names.index(name) for name in dialect.by]
    time = names.index(dialect.time) if dialect.time else next((lower.index(n) for n in _TIMES if n in lower), -1)
    if time < 0 and lower and lower[0].startswith("column "):
        time = 0
    if time < 0:
        dates = [i for i in range(len(names)) if _holds_dates([row[i] for row in rows[:SAMPLE]])]
        time = dates[0] if len(dates) == 1 else -1
    if time < 0:
        raise FileFault(f"{path}: no column timestamp; name the one with the time: --time NAME, of {', '.join(names)}")
    if dialect.values:
        return time, [names.index(name) for name in dialect.values], by
    rest = [i for i in range(len(names)) if i != time and i not in by]
    found = [lower.index(name) for name in _VALUES if name in lower][:1] or (rest if len(rest) == 1 else [])
    found = found or [i for i in rest if _holds_numbers([row[i] for row in rows[:SAMPLE]])]
    if not found:
        raise FileFault(f"{path}: no column value; name those with the values: --value NAME ..., of {', '.join(names)}")
    return time, found, by


def _holds_numbers(cells: Sequence[Any]) -> bool:
    """Whether most of what is there are numbers, with a point or with a comma."""
    there = [cell for cell in cells if cell is not None and str(cell).strip()]
    numbers = sum(np.isfinite(_number(cell, ".")) or bool(COMMA.fullmatch(str(cell).strip())) for cell in there)
    return bool(numbers > 0.5 * len(there))


def _holds_dates(cells: Sequence[Any]) -> bool:
    """Whether every cell is a date; a number may be anything."""
    return all(isinstance(cell, date) or (isinstance(cell, str) and is_time(cell)) for cell in cells)


def _groups(rows: Sequence[Sequence[Any]], by: Sequence[int]) -> Iterator[tuple[tuple[str, ...], list[int]]]:
    groups: dict[tuple[str, ...], list[int]] = {}
    for i, row in enumerate(rows):
        groups.setdefault(tuple(str(row[column]) for column in by), []).append(i)
    yield from sorted(groups.items())


def _ordered(series: Series, notes: list[str]) -> Series:
    """Oldest first; of rows of one time all stay, in the file's order."""
    order = sorted(range(len(series.times)), key=lambda i: series.times[i])
    if order != list(range(len(order))):
        notes.append(f"{series.name}: rows were out of order and are sorted by time")
    twice = sum(count - 1 for count in Counter(series.times).values() if count > 1)
    if twice:
        apart = "; if they are several series, name what tells them apart: --by COLUMN"
        many = apart if 4 * twice > len(order) else ""
        notes.append(f"{series.name}: {twice} rows have a time that another has, too; all are judged{many}")
    return Series(
        series.name, tuple(series.stamps[i] for i in order), tuple(series.times[i] for i in order), series.values[order]
    )


def _number(cell: Any, decimal: str) -> float:
    text = str(cell).strip() if isinstance(cell, str) else cell
    if isinstance(text, str):
        text = _plain(text, decimal)
    try:
        value = float(text) if text not in (None, "") else float("nan")
    except (TypeError, ValueError):
        return float("nan")
    return value if np.isfinite(value) else float("nan")


def _plain(text: str, decimal: str) -> str:
    """A number as it is written for machines: without signs between its thousands, nor a percent sign."""
    text = text.removesuffix("%").rstrip()
    if decimal == ",":
        text = text.replace(".", "").replace(",", ".")
    return re.sub(r"[,' \u00a0\u202f\u2019]", "", text) if _THOUSANDS.fullmatch(text) else text


def _times(stamps: Sequence[Any], *, is_day_first: bool) -> tuple[list[datetime], list[str]]:
    notes: list[str] = []
    parts = [found for stamp in stamps if isinstance(stamp, str) and (found := PARTS.fullmatch(stamp.strip()))]
    if parts and not is_day_first:
        is_day_first = text_tables.is_day_first(parts)
        notes.append(f"dates are read with the {'day' if is_day_first else 'month'} first")
    numbers = [float(stamp) for stamp in stamps if is_number(stamp)]
    scale, unit = next(((by, unit) for above, by, unit in _EPOCHS if numbers and abs(numbers[0]) > above), (1.0, "s"))
    if unit != "s":
        notes.append(f"times are {unit} since 1970")
    return [_time(stamp, line, scale, is_day_first) for line, stamp in enumerate(stamps, 2)], notes


def _time(stamp: Any, line: int, scale: float, is_day_first: bool) -> datetime:
    if isinstance(stamp, datetime):
        return stamp
    if isinstance(stamp, date):
        return datetime(stamp.year, stamp.month, stamp.day)
    text = str(stamp).strip()
    try:
        if is_number(text):
            return datetime.fromtimestamp(float(text) / scale, UTC)
        found = PARTS.fullmatch(text)
        if found:
            day, month = (int(found[1]), int(found[3])) if is_day_first else (int(found[3]), int(found[1]))
            hour, second = int(found[5] or 0), float(found[7] or 0.0)
            if found[8]:  # 12 AM is midnight
                hour = hour % 12 + 12 * (found[8] in "Pp")
            return datetime(int(found[4]), month, day, hour, int(found[6] or 0), int(second))
        return datetime.fromisoformat(text)
    except (ValueError, TypeError, OverflowError, OSError) as fault:
        told = f"line {line}: timestamp {text[:60]!r} is neither ISO 8601, nor seconds since 1970, nor a date"
        raise FileFault(f"{told}; write one of them, or --day-first") from fault

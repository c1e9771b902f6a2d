"""Walks the embedded store: which rows are not what was written, by their checksums; and takes those out.

Read only and beside a running pipeline, but for `drop_damaged`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

from streamgauge.pipelines.adapters.sqlite.checks import is_sound
from streamgauge.pipelines.adapters.sqlite.rollups import made_of
from streamgauge.pipelines.adapters.sqlite.schema import ROLLUPS, SHAPE, TABLES, levels
from streamgauge.pipelines.adapters.sqlite.verify import PAGES, Finding, Walked, pages, walked
from streamgauge.tracer.local.sqlite_file import open_file

_BY_SERIES: Final = ("points", *ROLLUPS)
_DROP: Final = "what is shown of it is wrong; stop the pipeline, and put back a copy or take it out: verify --drop"
_UNCHECKED: Final = "rows without a checksum"  # of an older release, and of buckets that are not full


class _Row(NamedTuple):
    table: str
    identity: tuple[Any, ...]
    is_checked: bool
    is_sound: bool


def walk_store(path: Path) -> Walked:
    """The store: its pages, and that each row is what was written."""
    return walked(path, _walk)


def drop_damaged(path: Path) -> int:
    """Take the damaged rows out of a store that nobody else uses, and points that belong to no series; how many."""
    with closing(open_file(path, SHAPE, sync="full", busy=5.0)) as connection:
        _read_any_text(connection)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("REINDEX")  # first: a row whose key was damaged is not found in an index of the old key
        gone = _take(connection, [row for table in TABLES for row in _rows(connection, table) if not row.is_sound])
        while made := _unlike(connection):  # of what is gone
            gone += _take(connection, made)
        connection.execute("COMMIT")
    return gone


def _walk(connection: sqlite3.Connection, path: Path) -> Walked:
    _read_any_text(connection)
    findings = [_of_index(found) for found in pages(connection, path)]
    if any(found.remedy == PAGES for found in findings):
        return Walked(path, {}, findings)
    found = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    missing = ", ".join(sorted(set(TABLES) - found))
    if path.stat().st_size and missing:
        return Walked(path, {}, [*findings, Finding(path.name, f"it lacks tables: {missing}", PAGES)])
    counts = dict.fromkeys([*sorted(found & set(TABLES)), _UNCHECKED], 0)
    for table in found & set(TABLES):
        for row in _rows(connection, table):
            counts[table] += 1
            counts[_UNCHECKED] += not row.is_checked
            if not row.is_sound:
                findings.append(Finding(_place(connection, row), "its checksum does not match", _DROP))
    if found:
        findings += [Finding(_place(connection, row), "it is not of its points", _DROP) for row in _unlike(connection)]
        findings += _strays(connection)
    return Walked(path, counts, findings)


def _of_index(found: Finding) -> Finding:
    """An index is made anew from its table."""
    return found._replace(remedy=_DROP) if " index " in found.what else found


def _rows(connection: sqlite3.Connection, table: str) -> Iterator[_Row]:
    columns, identity = TABLES[table].columns, TABLES[table].identity
    places = [list(columns).index(name) for name in identity]
    for *values, crc in connection.execute(f"SELECT {', '.join(columns)}, {_crc(connection, table)} FROM {table}"):
        about = tuple(values[place] for place in places)
        yield _Row(table, about, crc is not None, crc is None or is_sound(table, values, crc))


def _crc(connection: sqlite3.Connection, table: str) -> str:
    """The checksum's column, which is not there in a store that an older release wrote last."""
    columns = connection.execute("SELECT name FROM pragma_table_info(?)", (table,)).fetchall()
    return "crc" if ("crc",) in columns else "NULL"


def _unlike(connection: sqlite3.Connection) -> list[_Row]:
    """Rollups without a checksum, as of a bucket that is not full, that are not what their points make."""
    found = []
    for job, window, step, horizon in connection.execute("SELECT job, window, step, horizon FROM windows").fetchall():
        for level in levels(step):
            (source, parts), crc = made_of(level, step), _crc(connection, level).replace("crc", "r.crc")
            made = (
                f"SELECT {', '.join(parts)} FROM {source} p WHERE p.sid = r.sid AND p.ts > r.ts - ?3 AND p.ts <= r.ts"
            )
            rows = connection.execute(
                f"SELECT r.sid, r.ts FROM series s JOIN {level} r ON r.sid = s.id WHERE s.job = ?1 AND s.window = ?2"
                f" AND r.ts - ?3 >= ?4 AND {crc} IS NULL"
                f" AND (r.n, r.sum, r.min, r.max) IS NOT ({made})",
                (job, window, ROLLUPS[level], horizon),
            )
            found += [_Row(level, place, False, False) for place in rows]
    return found


def _place(connection: sqlite3.Connection, row: _Row) -> str:
    """What a row is about, as far as its damage lets it be read."""
    about = dict(zip(TABLES[row.table].identity, row.identity, strict=True))
    if "sid" in about:
        found = "SELECT job, worker, domain, entity, metric FROM series WHERE id = ?"
        names = connection.execute(found, (about.pop("sid"),)).fetchone()
        about = {"series": "/".join(filter(None, names)) if names else "?"} | about
    return f"{row.table} of " + ", ".join(f"{name} {value}" for name, value in about.items())


def _strays(connection: sqlite3.Connection) -> list[Finding]:
    """Points of no series: the row of that was lost, or its number damaged."""
    counts = {table: int(connection.execute(_stray("SELECT count(*)", table)).fetchone()[0]) for table in _BY_SERIES}
    return [Finding(table, f"{count} rows belong to no series", _DROP) for table, count in counts.items() if count]


def _stray(what: str, table: str) -> str:
    return f"{what} FROM {table} WHERE sid NOT IN (SELECT id FROM series)"


def _take(connection: sqlite3.Connection, rows: list[_Row]) -> int:
    """Delete them, and points of no series."""
    for row in rows:
        _delete(connection, row)
    return len(rows) + sum(connection.execute(_stray("DELETE", table)).rowcount for table in _BY_SERIES)


def _delete(connection: sqlite3.Connection, row: _Row) -> None:
    """By its identity as bytes, as what was damaged may be no text any more."""
    terms, values = [], []
    for name, value in zip(TABLES[row.table].identity, row.identity, strict=True):
        is_text = isinstance(value, (str, bytes))
        terms.append(f"CAST({name} AS BLOB) IS ?" if is_text else f"{name} IS ?")
        values.append(value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value)
    connection.execute(f"DELETE FROM {row.table} WHERE {' AND '.join(terms)}", values)


def _read_any_text(connection: sqlite3.Connection) -> None:
    connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")

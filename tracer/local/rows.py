"""Rows of kept state in the log's file: by consumer, key and name, changed within the transaction that stores offsets.

The table is made with the first row, so that a file without one is the same for every release.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Final

_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, consumer TEXT NOT NULL, key TEXT NOT NULL,"
    " name TEXT NOT NULL, value BLOB NOT NULL, UNIQUE (consumer, key, name))"
)
_PUT: Final = (
    "INSERT INTO rows (consumer, key, name, value) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (consumer, key, name) DO UPDATE SET value = excluded.value"
)


def change(connection: sqlite3.Connection, consumer: str, rows: Mapping[tuple[str, str], bytes | None]) -> None:
    """Put rows, and take away those that are None; within a transaction."""
    connection.execute(_TABLE)
    connection.executemany(
        "DELETE FROM rows WHERE consumer = ? AND key = ? AND name = ?",
        [(consumer, key, name) for (key, name), value in rows.items() if value is None],
    )
    connection.executemany(
        _PUT, [(consumer, key, name, value) for (key, name), value in rows.items() if value is not None]
    )


def of_key(connection: sqlite3.Connection, consumer: str, key: str) -> list[tuple[str, bytes]]:
    """The rows of one key, by name."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'rows'").fetchone():
        return []
    found = "SELECT name, value FROM rows WHERE consumer = ? AND key = ? ORDER BY name"
    return connection.execute(found, (consumer, key)).fetchall()

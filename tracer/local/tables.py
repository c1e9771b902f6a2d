"""The tables of the log's file, and what is asked of them within a transaction."""

from __future__ import annotations

import sqlite3
from typing import Final

from streamgauge.tracer.local.sqlite_file import Shape

SPAN: Final = 1 << 40  # a message's id is topic x span + offset, so a topic is one range of one B-tree
SHAPE: Final = Shape(
    application=0x53474C31,  # "SGL1"
    version=1,
    schema=(
        "CREATE TABLE topics (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, next INTEGER NOT NULL)",
        "CREATE TABLE messages (id INTEGER PRIMARY KEY, time REAL NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL)",
        "CREATE TABLE latest (topic INTEGER, key TEXT, id INTEGER NOT NULL, PRIMARY KEY (topic, key)) WITHOUT ROWID",
        "CREATE TABLE consumers (name TEXT PRIMARY KEY, state BLOB) WITHOUT ROWID",
        "CREATE TABLE offsets (consumer TEXT, topic TEXT, next INTEGER NOT NULL, PRIMARY KEY (consumer, topic))"
        " WITHOUT ROWID",
    ),
)


def number(connection: sqlite3.Connection, topic: str) -> int | None:
    """The number of a topic, None while it has no message."""
    row = connection.execute("SELECT id FROM topics WHERE name = ?", (topic,)).fetchone()
    return int(row[0]) if row else None


def bounds(connection: sqlite3.Connection, topic: str) -> tuple[int, int]:
    """(offset of the oldest message that is still there, of the next one); equal where there is none."""
    row = connection.execute("SELECT id, next FROM topics WHERE name = ?", (topic,)).fetchone()
    if row is None:
        return 0, 0
    base, end = row[0] * SPAN, int(row[1])
    oldest = "SELECT min(id) FROM messages WHERE id >= ? AND id < ?"
    first = connection.execute(oldest, (base, base + SPAN)).fetchone()[0]
    return (end if first is None else int(first) - base), end


def topic(connection: sqlite3.Connection, topic: str) -> tuple[int, int]:
    """(number, next offset) of a topic, which is made if it is new."""
    connection.execute("INSERT OR IGNORE INTO topics (name, next) VALUES (?, 0)", (topic,))
    number, offset = connection.execute("SELECT id, next FROM topics WHERE name = ?", (topic,)).fetchone()
    return int(number), int(offset)


def compact(connection: sqlite3.Connection, topic: int, key: str, message: int) -> None:
    """Make `message` the only one of its key."""
    old = connection.execute("SELECT id FROM latest WHERE topic = ? AND key = ?", (topic, key)).fetchone()
    if old is not None:
        connection.execute("DELETE FROM messages WHERE id = ?", old)
    connection.execute("INSERT OR REPLACE INTO latest VALUES (?, ?, ?)", (topic, key, message))


def used(connection: sqlite3.Connection) -> int:
    """Bytes of the file that hold something."""
    names = ("page_count", "freelist_count", "page_size")
    pages, free, size = (int(connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in names)
    return (pages - free) * size


def total(connection: sqlite3.Connection) -> int:
    """Messages that were ever appended."""
    return int(connection.execute("SELECT coalesce(sum(next), 0) FROM topics").fetchone()[0])


def latest(connection: sqlite3.Connection, topic: str) -> dict[str, bytes]:
    """The last value by key of a compacted topic, keys in order."""
    rows = connection.execute(
        "SELECT l.key, m.value FROM latest l JOIN messages m ON m.id = l.id JOIN topics t ON t.id = l.topic"
        " WHERE t.name = ? AND length(m.value) > 0 ORDER BY l.key",
        (topic,),
    ).fetchall()
    return dict(rows)


def value_of(connection: sqlite3.Connection, topic: str, key: str) -> bytes | None:
    """The last value of one key of a compacted topic."""
    row = connection.execute(
        "SELECT m.value FROM topics t JOIN latest l ON l.topic = t.id JOIN messages m ON m.id = l.id"
        " WHERE t.name = ? AND l.key = ?",
        (topic, key),
    ).fetchone()
    return bytes(row[0]) if row and row[0] else None


def delete_oldest(
    connection: sqlite3.Connection, topic: int, before: int, than: float, most: int
) -> tuple[int, bool]:  # fmt: skip
    """Delete up to `most` messages while offset < before and time < than; how many went, whether there are no more."""
    base = topic * SPAN
    rows = connection.execute(
        "SELECT id, time FROM messages WHERE id >= ? AND id < ? ORDER BY id LIMIT ?", (base, base + before, most)
    ).fetchall()
    kept = next((row for row, time in rows if time >= than), None)
    end = kept if kept is not None else rows[-1][0] + 1 if rows else base
    deleted = connection.execute("DELETE FROM messages WHERE id >= ? AND id < ?", (base, end)).rowcount
    return deleted, kept is not None or len(rows) < most

"""The tables of the log's file, and what is asked of them within a transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from typing import Final

from streamgauge.tracer.local.sqlite_file import Shape
from streamgauge.tracer.transport import COMPACTED

LIMIT: Final = "limit"  # the consumer whose state is the number of bytes that the file may hold
UNREAD: Final = ("tensors",)  # topics that no consumer reads through
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


def limit(connection: sqlite3.Connection) -> int | None:
    """Bytes that the file may hold before those who heed it send no more; None for no limit."""
    row = connection.execute("SELECT state FROM consumers WHERE name = ?", (LIMIT,)).fetchone()
    return int(row[0]) if row else None


def oldest_read(connection: sqlite3.Connection, gone: Collection[str] = ()) -> tuple[int, int] | None:
    """(topic, first offset not read by all) of the topic whose oldest message is the oldest that all have read.

    Who reads a topic is known by its commits, but for those who are `gone`; a topic without any is kept, unless it is
    one of `UNREAD`.
    """
    found: list[tuple[float, int, int]] = []
    floors: dict[str, int] = {}
    for consumer, topic_, offset in connection.execute("SELECT consumer, topic, next FROM offsets").fetchall():
        if consumer not in gone:
            floors[topic_] = min(offset, floors.get(topic_, offset))
    for number_, name, end in connection.execute("SELECT id, name, next FROM topics").fetchall():
        floor = end if name in UNREAD else floors.get(name, 0)
        if name in COMPACTED or not floor:
            continue
        base = number_ * SPAN
        first = "SELECT time FROM messages WHERE id >= ? AND id < ? ORDER BY id LIMIT 1"
        oldest = connection.execute(first, (base, base + floor)).fetchone()
        if oldest is not None:
            found.append((oldest[0], number_, floor))
    return min(found)[1:] if found else None

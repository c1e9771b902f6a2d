"""Who reads the log, and how far: offsets and state by consumer, what all of them have read; within a transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from typing import Final

from streamgauge.tracer.local import tables
from streamgauge.tracer.transport import COMPACTED

LIMIT: Final = "limit"  # the consumer whose state is the number of bytes that the file may hold
UNREAD: Final = ("tensors",)  # topics that no consumer reads through


def commit(connection: sqlite3.Connection, consumer: str, offsets: Mapping[str, int], state: bytes | None) -> None:
    """Store a consumer's next offsets by topic, and its state if there is one."""
    connection.execute("INSERT OR IGNORE INTO consumers VALUES (?, NULL)", (consumer,))
    connection.executemany(
        "INSERT OR REPLACE INTO offsets VALUES (?, ?, ?)",
        [(consumer, topic, offset) for topic, offset in sorted(offsets.items())],
    )
    if state is not None:
        connection.execute("UPDATE consumers SET state = ? WHERE name = ?", (state, consumer))


def committed(connection: sqlite3.Connection, consumer: str) -> tuple[dict[str, int], bytes | None]:
    """What `commit` stored last for a consumer."""
    state = connection.execute("SELECT state FROM consumers WHERE name = ?", (consumer,)).fetchone()
    rows = connection.execute("SELECT topic, next FROM offsets WHERE consumer = ? ORDER BY topic", (consumer,))
    return dict(rows.fetchall()), state[0] if state else None


def names(connection: sqlite3.Connection) -> list[str]:
    """All who ever committed offsets."""
    found = connection.execute("SELECT DISTINCT consumer FROM offsets ORDER BY consumer").fetchall()
    return [name for (name,) in found]


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
        base = number_ * tables.SPAN
        first = "SELECT time FROM messages WHERE id >= ? AND id < ? ORDER BY id LIMIT 1"
        oldest = connection.execute(first, (base, base + floor)).fetchone()
        if oldest is not None:
            found.append((oldest[0], number_, floor))
    return min(found)[1:] if found else None

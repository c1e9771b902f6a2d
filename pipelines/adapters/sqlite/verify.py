"""Walks the log of a data folder, read only: what in it and in the state is damaged, where, and what to do about it.

A record is judged by its CRC, a row of state by its CRC and the manifest, everything else by SQLite's own check of its
pages and indexes. Nothing is changed, and a pipeline may run meanwhile: a file is read as it was at one moment.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from streamgauge.pipelines.engines.keeping import forget, manifests_of
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.frames import fault_of
from streamgauge.pipelines.wire.kept import Manifest, Stored
from streamgauge.tracer import codec
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.local.sqlite_file import explained
from streamgauge.tracer.local.tables import SPAN

_OURS: Final = ("partials", "scores", "anomalies", "alerts", "dead-letters")  # topics of what the pipeline says
_MOST: Final = 20  # findings of one kind that are told one by one
PAGES: Final = "stop what uses it, move the file (with its -wal and -shm) away, put back a copy or begin anew"
_RECORD: Final = "it goes to the dead letters when it is read; what its worker sent there is lost"
_SAID: Final = "who reads it next leaves it out; a replay of traces says it again"
_STATE: Final = "stop the pipeline, put back a copy of the folder, or let the job learn anew: verify --forget {}"


class Finding(NamedTuple):
    """One thing that is damaged."""

    where: str
    what: str
    remedy: str


class Walked(NamedTuple):
    """What was looked at in one file, and what is damaged there."""

    file: Path
    counts: dict[str, int]  # by kind, how many were looked at
    findings: list[Finding]


def walk_log(path: Path) -> Walked:
    """The log and the states beside it."""
    return walked(path, _walk_log)


def walked(path: Path, walk: Callable[[sqlite3.Connection, Path], Walked]) -> Walked:
    """What a walk of a file found; that it cannot be read at all is a finding, too."""
    try:
        with reading(path) as connection:
            return walk(connection, path)
    except sqlite3.Error as error:
        fault = explained(error, path)
        if fault.fault in ("busy", "full", "crowded"):
            raise fault from None
        return Walked(path, {}, [Finding(path.name, f"it cannot be read: {error}", PAGES)])
    except UnicodeDecodeError:  # Python reads SQLite's message, which names a table that is no text
        return Walked(path, {}, [Finding(path.name, "its tables have names that are no text", PAGES)])


def _walk_log(connection: sqlite3.Connection, path: Path) -> Walked:
    findings = pages(connection, path)
    if findings:
        return Walked(path, {}, findings)
    names = dict(connection.execute("SELECT id, name FROM topics").fetchall())
    counts = dict.fromkeys([*sorted(names.values()), "rows of state"], 0)
    for row, key, value in connection.execute("SELECT id, key, value FROM messages ORDER BY id"):
        topic, offset = names.get(row // SPAN, "?"), row % SPAN
        counts[topic] = counts.get(topic, 0) + 1
        fault = _fault_of(topic, key, value)
        if fault:
            findings.append(Finding(f"{topic}, offset {offset}", fault, _SAID if topic in _OURS else _RECORD))
    findings += _places(connection)
    counts["rows of state"] = _walk_states(connection, findings)
    return Walked(path, counts, findings)


def forget_job(path: Path, job: str) -> int:
    """Take away what is kept of a job's state, or of a consumer's own; how many states.

    It learns anew from where its log was read to.
    """
    with reading(path) as connection:
        found = connection.execute("SELECT name, state FROM consumers WHERE state IS NOT NULL").fetchall()
    keys = [(name, key) for name, state in found for key in _keys_of(state) if _owner(name, key) == job]
    log = LocalLog(path)
    for consumer, key in keys:
        forget(log, consumer, key)
    log.close()
    return len(keys)


def told(walked: Walked) -> Iterator[str]:
    """Lines for a person: what was looked at, then what is damaged, the first of many only."""
    looked = ", ".join(f"{count:,} {name}" for name, count in walked.counts.items() if count)
    yield f"{walked.file}: {looked or 'not read further'}"
    for finding in walked.findings[:_MOST]:
        yield f"  {finding.where}: {finding.what}; {finding.remedy}"
    if len(walked.findings) > _MOST:
        yield f"  and {len(walked.findings) - _MOST:,} more"


def _walk_states(connection: sqlite3.Connection, findings: list[Finding]) -> int:
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'rows'").fetchone():
        return 0
    looked = 0
    for consumer, state in connection.execute("SELECT name, state FROM consumers WHERE state IS NOT NULL").fetchall():
        for key, manifest in _keys_of(state).items():
            found = "SELECT name, value FROM rows WHERE consumer = ? AND key = ?"
            frames = dict(connection.execute(found, (consumer, key)).fetchall())
            looked += len(frames)
            place = f"state of {consumer}, job {key}" if key else f"state of {consumer}"
            findings += damaged_rows(place, Stored(frames, manifest), _STATE.format(_owner(consumer, key)))
    return looked


def _keys_of(state: bytes) -> Mapping[str, Manifest]:
    """What is in rows by key; nothing for a consumer whose state is a value of its own, or of another release."""
    try:
        return manifests_of(state)
    except ValueError:
        return {}


def _owner(consumer: str, key: str) -> str:
    """The job whose state it is, or the consumer that has one for all of them."""
    return key.partition("/")[0] or consumer


def damaged_rows(where: str, stored: Stored, remedy: str) -> Iterable[Finding]:
    """The rows of one key that are not what was committed."""
    faults = {name: fault_of(frame) for name, frame in stored.frames.items()}
    found = [Finding(f"{where}, row {name}", fault, remedy) for name, fault in faults.items() if fault]
    if not found and not stored.is_whole():
        text = f"there are {len(faults)} rows that are not the {stored.manifest.rows} of the manifest"
        found = [Finding(where, text, remedy)]
    return found


def _fault_of(topic: str, key: str, value: bytes) -> str:
    """What is wrong with a message; empty if it is sound, or of a topic whose messages are anybody's."""
    try:
        if topic == "traces":
            job = codec.decode(value).job
            return "" if key == job or key.startswith(f"{job}/") else f"its key {key!r} is not of its job {job!r}"
        if topic in _OURS:
            outputs.opened(value)
    except ValueError as error:  # RecordError and msgspec's DecodeError are
        return str(error)
    return ""


def _places(connection: sqlite3.Connection) -> Iterator[Finding]:
    """Ends of topics, offsets of consumers and last messages by key that cannot be."""
    ends: dict[str, int] = {}
    for number, name, end in connection.execute("SELECT id, name, next FROM topics").fetchall():
        ends[name], base = end, number * SPAN
        last = connection.execute("SELECT max(id) FROM messages WHERE id < ?", (base + SPAN,)).fetchone()[0]
        if last is not None and last >= base + end:
            yield Finding(f"topic {name}", f"it ends at {end}, and has a message {last - base}", PAGES)
    for consumer, topic, offset in connection.execute("SELECT consumer, topic, next FROM offsets").fetchall():
        if offset > ends.get(topic, offset):
            text = f"it is {offset}, behind the end {ends[topic]}: what comes is not read until then"
            yield Finding(f"offset of {consumer} in {topic}", text, PAGES)
    lost = "SELECT l.key FROM latest l LEFT JOIN messages m ON m.id = l.id WHERE m.key IS NOT l.key ORDER BY l.key"
    for (key,) in connection.execute(lost).fetchall():
        yield Finding(f"last message of {key}", "it is not there, or another's", PAGES)


def pages(connection: sqlite3.Connection, path: Path) -> list[Finding]:
    """What SQLite says of its pages and indexes."""
    try:
        said = [text for (text,) in connection.execute("PRAGMA integrity_check(100)")]
    except sqlite3.DatabaseError as error:
        said = [str(error)]
    return [Finding(path.name, text, PAGES) for text in said if text != "ok"]


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that writes nothing, in one snapshot; where the disk has no room, with nobody else on the file."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            _begin(connection)
        except sqlite3.OperationalError as error:
            if explained(error, path).fault not in ("failing", "full"):
                raise
        else:
            yield connection
            return
    with closing(sqlite3.connect(path, timeout=0.0)) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # then no shared memory is made beside the file
        _begin(connection)
        yield connection


def _begin(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA query_only = 1")
    connection.execute("BEGIN")
    connection.execute("SELECT 1 FROM sqlite_master").fetchone()

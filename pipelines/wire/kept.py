"""What is kept of one key's state: the rows as they were committed last, by stamp and checksum, and their sum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

from streamgauge.pipelines.wire.frames import StateDamagedError, check_of, fault_of, framed, unframed
from streamgauge.pipelines.wire.rows import InRows, Rows, Stamp, Whole, joined

Marks = Mapping[str, tuple[int, int]]  # size and checksum of each row as it is stored
WHOLE: Final = "state"  # the one row of a state that is not kept in rows


class Manifest(msgspec.Struct, array_like=True, frozen=True):
    """What all rows of a key come to: a row that is lost, old or of another key does not go unnoticed."""

    rows: int = 0
    size: int = 0  # bytes as they are stored
    check: int = 0  # all checksums, by exclusive or
    kind: str = ""  # the form of all rows as one value; empty: the one row is the state


class Values(Mapping[str, bytes]):
    """What sound rows hold, each unpacked when it is asked for, so that a large state is never there twice."""

    def __init__(self, frames: Mapping[str, bytes]) -> None:
        self._frames = frames

    def __getitem__(self, name: str) -> bytes:
        """The value of one row."""
        return unframed(self._frames[name], name)

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self._frames)

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self._frames)


class Stored(NamedTuple):
    """The rows of one key as they are stored, by name."""

    frames: Mapping[str, bytes]
    manifest: Manifest

    def values(self, key: str) -> Values:
        """What the rows hold. Raises StateDamagedError for a row that is damaged, and for rows of another manifest."""
        for name, frame in self.frames.items():
            fault = fault_of(frame)
            if fault:
                raise StateDamagedError(f"the row {key}: {name} of the state is damaged: {fault}; {_REMEDY}")
        if not self.is_whole():
            count = len(self.frames)
            text = f"the state of {key!r} has {count} rows that are not the {self.manifest.rows} of its manifest"
            raise StateDamagedError(f"{text}; {_REMEDY}")
        return Values(self.frames)

    def is_whole(self) -> bool:
        """Whether these are the rows of the manifest, all of them."""
        return _sum(_marks(self.frames), self.manifest.kind) == self.manifest

    def state(self) -> bytes:
        """All of it as one value, as the `snapshot` of a state is."""
        values = self.values("a state")
        return values[WHOLE] if not self.manifest.kind else joined(self.manifest.kind, values)


class Kept(NamedTuple):
    """The rows of one key as they are stored."""

    stamps: Mapping[str, Stamp]
    marks: Marks
    manifest: Manifest


class Change(NamedTuple):
    """What a commit writes of one key, and what is kept after it."""

    rows: Mapping[str, bytes | None]  # as they are stored; None: is not there any more
    kept: Kept


_REMEDY: Final = "run streamgauge verify"
NOTHING: Final = Kept({}, {}, Manifest())


def change(state: InRows | Whole, kept: Kept) -> Change:
    """The rows of a state that are not what is kept of it."""
    rows = Rows(kept.stamps, form=framed)
    _put(rows, state)
    written: dict[str, bytes | None] = dict(rows.changed)
    written |= dict.fromkeys(rows.gone())
    marks = {**kept.marks, **_marks({name: frame for name, frame in written.items() if frame is not None})}
    for name, frame in written.items():
        if frame is None:
            del marks[name]
    return Change(written, Kept(rows.stamps, marks, _sum(marks, _kind(state))))


def stored(state: bytes) -> Stored:
    """A state that a release before rows kept whole."""
    frames = {WHOLE: framed(state)}
    return Stored(frames, _sum(_marks(frames), ""))


def restore(state: InRows | Whole, stored: Stored, key: str) -> None:
    """Make a state what its stored rows say. Raises StateDamagedError, and what the state itself raises."""
    values = stored.values(key)
    if isinstance(state, InRows) and stored.manifest.kind:
        state.take_rows(values)
    else:
        state.restore(values[WHOLE])  # type: ignore[union-attr]


def known(state: InRows | Whole, stored: Stored) -> Kept:
    """What is kept of a state that was just restored from there, and nothing else was done with."""
    rows = Rows(held=stored.frames)
    _put(rows, state)
    return Kept({name: rows.stamps.get(name, ()) for name in stored.frames}, _marks(stored.frames), stored.manifest)


def other(stored: Stored) -> Kept:
    """The same of a state that has nothing to do with what is stored there: all of it is to be replaced."""
    return Kept(dict.fromkeys(stored.frames, ()), _marks(stored.frames), stored.manifest)


def _put(rows: Rows, state: InRows | Whole) -> None:
    if isinstance(state, InRows):
        state.put_rows(rows)
    else:
        rows.put_value(WHOLE, state.snapshot())


def _kind(state: InRows | Whole) -> str:
    return state.KIND if isinstance(state, InRows) else ""


def _marks(frames: Mapping[str, bytes]) -> Marks:
    return {name: (len(frame), check_of(frame)) for name, frame in frames.items()}


def _sum(marks: Marks, kind: str) -> Manifest:
    check = 0
    for _, one in marks.values():
        check ^= one
    return Manifest(len(marks), sum(size for size, _ in marks.values()), check, kind)

"""State as rows: a commit writes the rows that changed, known by their stamps, and does not even encode the others.

A row is one worker, pane, closed window or learnt structure, so none grows with the job, and what a commit costs goes
by what has changed since the last one. A stamp is what a row was made of: objects that are never changed in place, or
an object and the number of its changes. What is small goes without: it is encoded and compared.

Row names are paths (`table/stream/slice/60000000/worker:0`), values versioned MessagePack (`pipelines.wire.states`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar, Final, Protocol, Self, runtime_checkable

import msgspec

from streamgauge.pipelines.wire import states

Stamp = tuple[object, ...]
_PLAIN: Final = frozenset({int, bytes, str, float, bool, type(None)})  # told by value, all else by identity


@runtime_checkable
class InRows(Protocol):
    """A state that is kept in rows; `KIND` is its form in `pipelines.wire.states`, when all rows are one value."""

    KIND: ClassVar[str]

    def put_rows(self, rows: Rows) -> None:
        """Put every row of the state as it is now."""
        ...

    def take_rows(self, rows: Mapping[str, bytes]) -> None:
        """Continue exactly where the rows were put. Raises ValueError for rows that are none of its."""
        ...


class Whole(Protocol):
    """A state that is kept in one row, because it stays small."""

    def snapshot(self) -> bytes:
        """The state as versioned bytes."""
        ...

    def restore(self, data: bytes, /) -> None:
        """Become what `snapshot` described."""
        ...


class Rows:
    """Takes all rows of one state, and encodes those that are not what they were.

    >>> first, size = Rows(), [3]
    >>> first.put("pane/10", lambda: b"three", size, size[0])
    >>> second = Rows(first.stamps)
    >>> second.put("pane/10", lambda: b"three", size, size[0])
    >>> second.put("pane/20", lambda: b"new", size)
    >>> second.changed
    {'pane/20': b'new'}

    Args:
        known: the stamps of the rows that are kept already.
        held: names of rows that a state was just restored from: they are what it would put, whatever their stamp.
        form: what is kept of a row's value, at once, so that no second copy of a large state is ever there.
    """

    def __init__(
        self, known: Mapping[str, Stamp] | None = None, *, held: Collection[str] = (),
        form: Callable[[bytes], bytes] = bytes,
    ) -> None:  # fmt: skip
        self.stamps: dict[str, Stamp] = {}  # of all rows as they are now
        self.changed: dict[str, bytes] = {}
        self._known: Mapping[str, Stamp] = {} if known is None else known
        self._held, self._form = held, form
        self._path = ""

    def put(self, name: str, encode: Callable[[], bytes], *stamp: object) -> None:
        """One row; `encode` is called only where the stamp is another one than that of the row that is kept."""
        name = self._path + name
        self.stamps[name] = stamp
        if name in self._held:
            return
        known = self._known.get(name)
        if known is None or not _is_same(known, stamp):
            self.changed[name] = self._form(encode())

    def put_value(self, name: str, value: bytes) -> None:
        """One small row, told by what is in it."""
        self.put(name, lambda: value, value)

    def under(self, *parts: str) -> Self:
        """The same, for rows whose names begin with these paths."""
        below = copy.copy(self)
        below._path = f"{self._path}{'/'.join(parts)}/"
        return below

    def gone(self) -> list[str]:
        """Names of rows that are kept and are not there any more."""
        return [name for name in self._known if name not in self.stamps]


def name_of(*parts: str | int) -> str:
    """A row's name; a part may be any text.

    >>> name_of("worker", "a/b"), parts_of("worker/a%2Fb")
    ('worker/a%2Fb', ['worker', 'a/b'])
    """
    return "/".join([str(part).replace("%", "%25").replace("/", "%2F") for part in parts])


def parts_of(name: str) -> list[str]:
    """The parts that `name_of` was given."""
    return [part.replace("%2F", "/").replace("%25", "%") for part in name.split("/")]


def below(rows: Mapping[str, bytes], *parts: str) -> dict[str, bytes]:
    """The rows that were put under these paths, by the rest of their names."""
    path = f"{'/'.join(parts)}/"
    return {name[len(path) :]: rows[name] for name in rows if name.startswith(path)}


def put_state(rows: Rows, name: str, state: InRows | Whole) -> None:
    """A state that may or may not be kept in rows, under a name."""
    if isinstance(state, InRows):
        state.put_rows(rows.under(name))
    else:
        rows.put_value(name, state.snapshot())


def take_state(rows: Mapping[str, bytes], name: str, state: InRows | Whole) -> None:
    """Restore what `put_state` put; a release before rows kept it whole."""
    if name in rows:
        state.restore(rows[name])  # type: ignore[union-attr]
    elif isinstance(state, InRows):
        state.take_rows(below(rows, name))


def part_of(rows: Mapping[str, bytes], name: str, kind: str) -> bytes | None:
    """What `put_state` put, as one value; None if nothing was."""
    part = below(rows, name)
    return rows[name] if name in rows else joined(kind, part) if part else None


def packed(state: InRows) -> bytes:
    """All rows of a state as one value."""
    rows = Rows()
    state.put_rows(rows)
    return joined(state.KIND, rows.changed)


def joined(kind: str, rows: Mapping[str, bytes]) -> bytes:
    """The rows of a state of some kind as one value."""
    return msgspec.msgpack.encode([states.written(kind), dict(sorted(rows.items()))])


def unpacked(kind: str, data: bytes) -> dict[str, bytes]:
    """The rows that `packed` or `joined` made one. Raises StateVersionError, or ValueError for damaged bytes."""
    _, rows = msgspec.msgpack.decode(states.current(kind, data), type=tuple[int, dict[str, bytes]])
    return rows


def encoded(kind: str, *items: Any) -> bytes:
    """A row's value: the version in which this kind of row is written, and its items."""
    return msgspec.msgpack.encode([states.written(kind), *items])


def decoded(kind: str, data: bytes) -> list[Any]:
    """The items of a row's value, without its version."""
    items: list[Any] = msgspec.msgpack.decode(states.current(kind, data))
    return items[1:]


def _is_same(one: Stamp, other: Stamp) -> bool:
    if len(one) != len(other):
        return False
    return all(a is b or (type(a) in _PLAIN and a == b) for a, b in zip(one, other, strict=True))

"""The versions of everything that is kept across restarts: an older one is brought to today's form, others are refused.

A state is a MessagePack array that opens with its version. To change a form: raise its version, add the step from the
last one, and write its golden files (`tests/pipelines/stream/golden`); no step is ever taken away. Reading a state of
today's form costs a look at its first item.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from streamgauge.pipelines.wire import whole

T = TypeVar("T")
Step = Callable[[list[Any]], list[Any]]  # the items of one version, its number first, to those of the next


class StateVersionError(ValueError):
    """A state that this release cannot read: of a newer one, or no state at all."""


class Unfit(Exception):
    """A sound state that belongs to nothing configured now; its text says why. It is parked, never dropped."""


class Form(NamedTuple):
    """The form in which one kind of state is written, and the way to it from each older one."""

    version: int
    steps: Mapping[int, Step] = {}  # by the version that they start from


def _with_timely(old: list[Any]) -> list[Any]:
    """Each member gets `timely`, in the far past."""
    *before, workers, gone = old[1:12]
    never = -(10**18)
    workers = [[[*member, never], *rest] for member, *rest in workers]
    return [2, *before, workers, [[*member, never] for member in gone], *old[12:]]


def _with_pieces(old: list[Any]) -> list[Any]:
    """Each inbox of a combiner gets a place for the pieces of a large report."""
    return [2, old[1], [[*inbox, []] for inbox in old[2]], *old[3:]]


def _in_rows(old: list[Any]) -> list[Any]:
    """Every key's state lay whole in the consumer's: such are read, and written in rows."""
    return [2, {}, *old[1:]]


def _with_newer_parts(old: list[Any]) -> list[Any]:
    """The same, with a second stage inside that an older release does not read."""
    return [3, *old[1:]]


def _with_more_learnt(old: list[Any]) -> list[Any]:
    """Something more is kept at the end or in rows of its own: nothing yet, where an older release wrote them."""
    return [old[0] + 1, *old[1:]]


def _with_facts(old: list[Any]) -> list[Any]:
    """The second stage gets the facts that stand, of which there are none yet."""
    return [2, *old[1:], []]


def _with_latest(old: list[Any]) -> list[Any]:
    """Each job gets the time of the furthest anomaly taken: not known."""
    return [2, {name: [*job, math.inf] for name, job in old[1].items()}]


def _with_heirs(old: list[Any]) -> list[Any]:
    """Episodes get what outlived them and edges the metrics they carry: nothing, where an older release wrote them."""
    return [3, *old[1:]]


def _with_budget(old: list[Any]) -> list[Any]:
    """The pager gets the pages spent in each team's shift, none; its episodes when they were told first: not known."""
    return [4, *old[1:], {}]


FORMS: Final[dict[str, Form]] = {
    "chunk": Form(1),
    "combiner": Form(7, {
        1: _with_pieces, 2: _with_newer_parts, 3: whole.combiner, 4: _with_more_learnt, 5: _with_more_learnt,
        6: _with_more_learnt,
    }),
    "combiner head": Form(1),
    "consumer": Form(2, {1: _in_rows}),
    "decay": Form(2, {1: _with_more_learnt}),
    "evaluator": Form(2, {1: whole.evaluator}),
    "explanations": Form(2, {1: _with_more_learnt}),
    "facts": Form(1),
    "serving age": Form(1),
    "folder": Form(1),
    "gone": Form(1),
    "job": Form(1),
    "joining": Form(1),
    "joining pending": Form(1),
    "joining samples": Form(1),
    "ids": Form(1),
    "known": Form(1),
    "memory": Form(1),
    "names": Form(1),
    "operator": Form(8, {
        1: _with_timely, 2: _with_newer_parts, 3: whole.operator, 4: _with_more_learnt, 5: _with_more_learnt,
        6: _with_more_learnt, 7: _with_more_learnt,
    }),
    "outbox": Form(1),
    "own": Form(1),
    "pager": Form(5, {1: _with_latest, 2: _with_heirs, 3: _with_budget, 4: _with_more_learnt}),
    "partial": Form(1),
    "partition": Form(1),
    "piece": Form(1),
    "presences": Form(1),
    "recent": Form(1),
    "reference": Form(1),
    "report": Form(1),
    "ring": Form(1),
    "rows": Form(100),  # lies where a release before rows kept a whole state, of versions that are far below
    "scorer": Form(2, {1: _with_more_learnt}),
    "second stage": Form(6, {
        1: _with_facts, 2: whole.second_stage, 3: _with_more_learnt, 4: _with_more_learnt, 5: _with_more_learnt,
    }),
    "second stage head": Form(1),
    "seen": Form(1),
    "settled": Form(1),
    "today": Form(1),
    "table": Form(1),
    "taught": Form(1),
    "verdicts": Form(3, {1: _with_more_learnt, 2: _with_more_learnt}),
    "watch": Form(5, {2: whole.watch, 3: _with_more_learnt, 4: _with_more_learnt}),  # no release wrote version 1
    "watch keys": Form(1),
    "watch open": Form(1),
    "watch rejected": Form(1),
    "watch series": Form(1),
    "worker": Form(1),
    "writer": Form(1),
}


class _Head(msgspec.Struct, array_like=True):
    version: int


def written(kind: str) -> int:
    """The version in which this release writes a kind of state."""
    return FORMS[kind].version


def current(kind: str, data: bytes, forms: Mapping[str, Form] = FORMS) -> bytes:
    """The same state in today's form.

    >>> forms = {"pager": Form(3, {1: lambda old: [2, old[1] * 60], 2: lambda old: [3, old[1], "s"]})}
    >>> msgspec.msgpack.decode(current("pager", msgspec.msgpack.encode([1, 5]), forms))
    [3, 300, 's']

    Raises:
        StateVersionError: no step leads from its version to today's.
    """
    form = forms[kind]
    version = _version(kind, data)
    if version == form.version:
        return data
    oldest = form.version
    while oldest - 1 in form.steps:
        oldest -= 1
    if not oldest <= version < form.version:
        reads = f"version {form.version}" if oldest == form.version else f"versions {oldest} to {form.version}"
        remedy = "start the release that wrote it, or a newer one"
        raise StateVersionError(f"the state of the {kind} has version {version}, this release reads {reads}; {remedy}")
    items: list[Any] = msgspec.msgpack.decode(data)
    for step in range(version, form.version):
        items = form.steps[step](items)
    return msgspec.msgpack.encode(items)


def is_of(kind: str, data: bytes) -> bool:
    """Whether a state has a version of this kind, and not of one whose versions are far below."""
    return _version(kind, data) >= written(kind)


def read(kind: str, data: bytes, form: type[T]) -> T:
    """A state as a value. Raises StateVersionError for one of another version, ValueError for one that is damaged."""
    return msgspec.msgpack.decode(current(kind, data), type=form)


def _version(kind: str, data: bytes) -> int:
    try:
        return msgspec.msgpack.decode(data, type=_Head).version
    except msgspec.DecodeError as error:
        raise StateVersionError(f"the state of the {kind} cannot be read: {error}") from None

"""Which tensors are traced: collections, regular expressions and lists; pure.

A plan says what is traced in the collections that it names; the others stay as they were at the start (the boot plan).
Arrays (raw, histograms, statistics by unit) are asked for beside the statistics, never instead of them. Of several
plans the union holds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Final, Literal, get_args

import msgspec

from streamgauge.tracer.patterns import fault_of_pattern

Collection = Literal[
    "weights", "gradients", "updates", "activations", "inputs", "metrics", "features", "outputs", "held_out"
]
Emit = Literal["stats", "raw", "histogram", "units"]
When = Literal["", "nonfinite"]

COLLECTIONS: Final[tuple[str, ...]] = get_args(Collection)
ARRAYS: Final[tuple[Emit, ...]] = ("raw", "histogram", "units")  # what goes to the topic `tensors`


class Select(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Some tensors of one collection: all of them, or those that `include` finds or `names` lists, less `exclude`."""

    collection: Collection
    include: str = ""
    exclude: str = ""
    names: tuple[str, ...] = ()
    emit: Emit = "stats"
    every: int = 10  # steps
    group: str = ""  # only what this collection of the graph holds (GraphKeys)
    first: int = 0  # step of the worker from which on, and up to which (0: for ever)
    last: int = 0
    when: When = ""  # "nonfinite": only of a step whose loss is not finite, whatever `every` says
    rows: int = 0  # of an array at most so many rows, evenly spaced; 0: all, of a large table 4,096


class Budget(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a plan may cost one worker."""

    max_tensors: int = 200
    max_bytes_s: float = 2e6


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that can be traced."""

    name: str
    collection: Collection
    shape: tuple[int, ...] = ()
    dtype: str = ""
    bytes: int = 0
    groups: tuple[str, ...] = ()  # collections of the graph that hold it
    unsupported: str = ""  # why it is there and yet cannot be traced


BOOT: Final = (
    Select(collection="weights"),
    Select(collection="gradients"),
    Select(collection="updates"),
    Select(collection="activations"),
    Select(collection="features", every=1),
    Select(collection="metrics", every=1),
)


def matches(select: Select, name: str) -> bool:
    """Whether a select takes a name, in any of its spellings.

    >>> matches(Select(collection="weights", include="^dense", exclude="bias$"), "dense/kernel")
    True
    >>> matches(Select(collection="weights", names=("dense/kernel",)), "dense/kernel/part_1:0")
    True
    """
    names = spellings(name)
    if select.exclude and any(re.search(select.exclude, one) for one in names):
        return False
    if select.names and any(one in select.names for one in names):
        return True
    if select.include:
        return any(re.search(select.include, one) for one in names)
    return not select.names


def spellings(name: str) -> tuple[str, ...]:
    """A name, and what people call it: without the number of a TensorFlow output, without the part of a variable.

    >>> spellings("layer1/weights/part_1:0")
    ('layer1/weights/part_1:0', 'layer1/weights/part_1', 'layer1/weights')
    >>> spellings("tower.weight/shard_3")
    ('tower.weight/shard_3', 'tower.weight')
    """
    bare = re.sub(r":\d+$", "", name)
    return tuple(dict.fromkeys((name, bare, re.sub(r"/(part|shard)_\d+$", "", bare))))


def resolved(selects: Iterable[Select], catalogue: Iterable[Entry]) -> tuple[Select, ...]:
    """The selects with each collection of the graph replaced by the names that it holds and the select takes."""
    entries = tuple(catalogue)
    return tuple(_listed(select, entries) if select.group else select for select in selects)


def _listed(select: Select, entries: Iterable[Entry]) -> Select:
    names = sorted(entry.name for entry in entries if select.group in entry.groups and matches(select, entry.name))
    nothing = ("",)  # no names at all would mean everything
    return msgspec.structs.replace(select, group="", include="", exclude="", names=tuple(names) or nothing)


def fault_of(select: Select) -> str:
    """Why a select cannot be used, or "".

    >>> fault_of(Select(collection="weights", include="(a+)+$"))
    "include '(a+)+$' repeats a group that repeats or chooses inside: matching it could take for ever"
    """
    for field, value, least in (("every", select.every, 1), ("first", select.first, 0), ("rows", select.rows, 0)):
        if value < least:
            return f"{field} must be >= {least}, got {value}"
    if select.last and select.last < select.first:
        return f"last must be >= first, got {select.last} and {select.first}"
    if select.when and select.emit == "stats":
        return f"when={select.when!r} keeps arrays: emit must be raw, histogram or units"
    for field, pattern in (("include", select.include), ("exclude", select.exclude)):
        fault = fault_of_pattern(pattern)
        if fault:
            shown = pattern if len(pattern) <= 80 else pattern[:77] + "..."
            return f"{field} {shown!r} {fault}"
    return ""


class Selection:
    """What is traced now; swapped as a whole at a step boundary.

    >>> now = Selection(BOOT, [Select(collection="weights", include="kernel", every=5)])
    >>> now.takes("weights", "dense/kernel", step=5), now.takes("weights", "dense/bias", step=5)
    (True, False)
    >>> now.takes("gradients", "dense/bias", step=10)
    True
    """

    def __init__(
        self, boot: Sequence[Select], selects: Sequence[Select] = (), plans: tuple[tuple[str, int], ...] = (),
        off: bool = False, min_step: int = 0,
    ) -> None:  # fmt: skip
        self.plans = plans
        self.off = off
        self.min_step = min_step  # of the worker, at which it begins
        named = {select.collection for select in selects if select.emit == "stats"}
        kept = [select for select in boot if select.emit != "stats" or select.collection not in named]
        self.selects = () if off else (*kept, *selects)
        self.thin = 1  # every so manieth of the due steps only: what the breaker makes of a plan that costs too much
        self.control = 0  # every so manieth step traces no tensor, so that there is something to compare with; 0: none
        self._cache: dict[tuple[str, str, str], tuple[tuple[int, int, float], ...]] = {}
        self._awaited: dict[tuple[str, str], bool] = {}
        self._rows: dict[tuple[str, str], int] = {}
        self._arrays = frozenset(select.collection for select in self.selects if select.emit != "stats")
        per_tensor = [s for s in self.selects if s.collection in _PER_TENSOR]
        self.is_watchful = any(select.when for select in per_tensor)
        self._waits = any(select.when for select in self.selects)
        self._steps = _times_of(select for select in per_tensor if not select.when)
        self._by_form: dict[tuple[str, str], list[Select]] = {}
        for select in self.selects:
            if not select.when:
                self._by_form.setdefault((select.collection, select.emit), []).append(select)
        self._of_all = {
            form: _times_of(mine) for form, mine in self._by_form.items() if all(map(_takes_all, mine))
        }  # whatever the name is

    @property
    def is_always_due(self) -> bool:
        """Whether there is no step without a traced tensor."""
        return self.thin == 1 and (self.is_watchful or _ALWAYS in self._steps)

    def takes(self, collection: Collection, name: str, step: int, emit: Emit = "stats") -> bool:
        """Whether this is traced at this step."""
        times = self._times(collection, name, emit)
        if collection == "held_out":  # at each call: the job says when it looks at such rows
            return bool(times)
        if collection in _PER_TENSOR:
            return _is_among(times, step, self.thin) and not self._is_control(step)
        return _is_among(times, step, 1)

    def is_usual(self, feature: str) -> bool:
        """Whether this input feature is traced at every step, and nothing but its statistics."""
        return self._times("features", feature, "stats") == (_ALWAYS,) and "inputs" not in self._arrays

    def takes_array(self, collection: Collection, name: str, step: int) -> bool:
        """Whether the array itself is needed at this step: it is sent, reduced, or kept until the loss is known."""
        if collection not in self._arrays:
            return False
        if self.awaits(collection, name, step):
            return True
        return any(self.takes(collection, name, step, emit) for emit in ARRAYS)

    def awaits(self, collection: Collection, name: str, step: int) -> bool:
        """Whether this is kept of this step until it is known whether its loss is finite."""
        if not self._waits or step % self.thin or self._is_control(step):
            return False
        return self._is_awaited(collection, name)

    def _is_awaited(self, collection: Collection, name: str) -> bool:
        if not self._waits:
            return False
        key = (collection, name)
        found = self._awaited.get(key)
        if found is None:
            found = any(s.when and s.collection == collection and matches(s, name) for s in self.selects)
            if len(self._awaited) < _MOST:
                self._awaited[key] = found
        return found

    def rows(self, collection: Collection, name: str) -> int:
        """How many rows of an array are sent at most; 0: all."""
        key = (collection, name)
        found = self._rows.get(key)
        if found is None:
            arrays = (s for s in self.selects if s.emit != "stats" and s.collection == collection)
            asked = [select.rows for select in arrays if matches(select, name)]
            found = 0 if 0 in asked else max(asked, default=0)
            if len(self._rows) < _MOST:
                self._rows[key] = found
        return found

    def covers(self, collection: Collection, name: str, emit: Emit = "stats") -> bool:
        """Whether this is traced at some step; "raw": whether the array itself is needed at some."""
        if emit == "stats":
            return bool(self._times(collection, name, emit))
        return self._is_awaited(collection, name) or any(self._times(collection, name, one) for one in ARRAYS)

    def is_due(self, step: int) -> bool:
        """Whether any tensor is traced at this step: the one test that an untraced step pays."""
        if not self._steps and not self.is_watchful:
            return False
        is_watched = self.is_watchful and step % self.thin == 0
        return (is_watched or _is_among(self._steps, step, self.thin)) and not self._is_control(step)

    def has_raw(self, collection: Collection) -> bool:
        """Whether arrays of a collection are asked for."""
        return collection in self._arrays

    def _is_control(self, step: int) -> bool:
        return self.control > 0 and step % self.control == 0

    def _times(self, collection: str, name: str, emit: str) -> tuple[tuple[int, int, float], ...]:
        mine = self._by_form.get((collection, emit))
        if mine is None:
            return ()
        of_all = self._of_all.get((collection, emit))
        if of_all is not None:
            return of_all
        key = (collection, name, emit)
        found = self._cache.get(key)
        if found is None:
            found = _times_of(select for select in mine if matches(select, name))
            if len(self._cache) < _MOST:
                self._cache[key] = found
        return found


_ALWAYS: Final = (1, 0, math.inf)
_MOST: Final = 131_072  # names whose answer is remembered: three collections and four forms of 10,000 tensors
_PER_TENSOR: Final = frozenset({"weights", "gradients", "updates", "activations"})


def _takes_all(select: Select) -> bool:
    return not (select.include or select.exclude or select.names or select.group)


def _times_of(selects: Iterable[Select]) -> tuple[tuple[int, int, float], ...]:
    """Every how manieth step, from and up to which one."""
    return tuple(sorted({(select.every, select.first, select.last or math.inf) for select in selects}))


def _is_among(times: tuple[tuple[int, int, float], ...], step: int, thin: int) -> bool:
    if len(times) == 1:  # mostly: a generator would cost as much as the copy of a column
        every, first, last = times[0]
        return step % (every * thin) == 0 and first <= step <= last
    return any(step % (every * thin) == 0 and first <= step <= last for every, first, last in times)

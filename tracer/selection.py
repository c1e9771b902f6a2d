"""Which tensors are traced: collections, regular expressions and lists, and what that would cost; pure.

A plan says what is traced in the collections that it names; the others stay as they were at the start (the boot plan).
Raw arrays are asked for beside the statistics, never instead of them. Of several plans the union holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple

import msgspec

Collection = Literal["weights", "gradients", "updates", "activations", "inputs", "metrics", "features"]
Emit = Literal["stats", "raw"]

MAX_PATTERN: Final = 512
MAX_REPEATS: Final = 3  # unbounded repeats in one pattern: matching costs len(name)^repeats at worst
STATS_BYTES: Final = 64  # a traced tensor costs about three points and their share of the names


class Select(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Some tensors of one collection: all of them, or those that `include` finds or `names` lists, less `exclude`."""

    collection: Collection
    include: str = ""
    exclude: str = ""
    names: tuple[str, ...] = ()
    emit: Emit = "stats"
    every: int = 10  # steps
    group: str = ""  # only what this collection of the graph holds (GraphKeys)


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


class Cost(NamedTuple):
    """What a list of selects would trace."""

    matched: int
    bytes_s: float


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
    if select.every < 1:
        return f"every must be >= 1, got {select.every}"
    for field, pattern in (("include", select.include), ("exclude", select.exclude)):
        fault = _fault_of_pattern(pattern)
        if fault:
            shown = pattern if len(pattern) <= 80 else pattern[:77] + "..."
            return f"{field} {shown!r} {fault}"
    return ""


def cost_of(selects: Iterable[Select], catalogue: Iterable[Entry], steps_s: float) -> Cost:
    """How many things the selects match, and the bytes a second that sending them would take."""
    entries = sorted((e for e in catalogue if not e.unsupported), key=lambda entry: (entry.collection, entry.name))
    matched: set[tuple[str, str]] = set()
    bytes_s = 0.0
    for select in selects:
        for entry in entries:
            if entry.collection == select.collection and matches(select, entry.name):
                matched.add((entry.collection, entry.name))
                bytes_s += (entry.bytes if select.emit == "raw" else STATS_BYTES) * steps_s / select.every
    return Cost(len(matched), bytes_s)


def unsupported(selects: Iterable[Select], catalogue: Iterable[Entry]) -> str:
    """Why something that the selects ask for cannot be traced, or ""."""
    entries = sorted((e for e in catalogue if e.unsupported), key=lambda entry: entry.name)
    found = (e for s in selects for e in entries if e.collection == s.collection and matches(s, e.name))
    return next((f"{entry.name} is unsupported: {entry.unsupported}" for entry in found), "")


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
        off: bool = False,
    ) -> None:
        self.plans = plans
        self.off = off
        named = {select.collection for select in selects if select.emit == "stats"}
        kept = [select for select in boot if select.emit == "raw" or select.collection not in named]
        self.selects = () if off else (*kept, *selects)
        self._cache: dict[tuple[str, str, str], tuple[int, ...]] = {}
        self._raw = frozenset(select.collection for select in self.selects if select.emit == "raw")
        self._steps = tuple(sorted({s.every for s in self.selects if s.collection in _PER_TENSOR}))

    def takes(self, collection: Collection, name: str, step: int, emit: Emit = "stats") -> bool:
        """Whether this is traced at this step."""
        everies = self._everies(collection, name, emit)
        if len(everies) == 1:  # at every step, mostly: a generator would cost as much as the copy of a column
            return step % everies[0] == 0
        return any(step % every == 0 for every in everies)

    def covers(self, collection: Collection, name: str, emit: Emit = "stats") -> bool:
        """Whether this is traced at some step."""
        return bool(self._everies(collection, name, emit))

    def is_due(self, step: int) -> bool:
        """Whether any tensor is traced at this step: the one test that an untraced step pays."""
        return any(step % every == 0 for every in self._steps)

    def has_raw(self, collection: Collection) -> bool:
        """Whether raw arrays of a collection are asked for."""
        return collection in self._raw

    def _everies(self, collection: str, name: str, emit: str) -> tuple[int, ...]:
        key = (collection, name, emit)
        found = self._cache.get(key)
        if found is None:
            fitting = (s for s in self.selects if s.collection == collection and s.emit == emit)
            found = tuple(sorted({select.every for select in fitting if matches(select, name)}))
            if len(self._cache) < 16_384:
                self._cache[key] = found
        return found


_PER_TENSOR: Final = frozenset({"weights", "gradients", "updates", "activations"})


def _fault_of_pattern(pattern: str) -> str:
    if len(pattern) > MAX_PATTERN:
        return f"has {len(pattern)} characters, at most {MAX_PATTERN} are allowed"
    try:
        re.compile(pattern)
    except re.error as error:
        return f"is no regular expression: {error}"
    return _fault_of_repeats(re.sub(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", "x", pattern))


def _fault_of_repeats(pattern: str) -> str:
    """Catastrophic backtracking, refused by shape. `pattern` has its escapes and character classes replaced."""
    inside = [False]  # by open group: does it repeat or choose?
    unbounded = 0
    for i, character in enumerate(pattern):
        following = pattern[i + 1 : i + 2]
        if character == "(":
            inside.append(False)
        elif character == ")" and len(inside) > 1:
            risky = inside.pop()
            if risky and following and following in "*+{":
                return "repeats a group that repeats or chooses inside: matching it could take for ever"
            inside[-1] = inside[-1] or risky
        elif character in "*+{":
            unbounded += 1
            inside[-1] = True
        elif character == "|":
            inside[-1] = True
    return f"has {unbounded} repeats, at most {MAX_REPEATS} are allowed" if unbounded > MAX_REPEATS else ""

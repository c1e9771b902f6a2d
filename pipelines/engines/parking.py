"""Kept states that nothing configured wants: a job was removed, renamed or re-sharded. They are parked, with their age.

A parked state is committed with the others, byte for byte as it was, and taken up again as soon as it fits what is
configured. Nothing but `streamgauge jobs forget` takes it away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, NamedTuple, TypeVar

import msgspec

from streamgauge.pipelines.wire.kept import Stored, restore
from streamgauge.pipelines.wire.rows import InRows, Whole
from streamgauge.pipelines.wire.states import Unfit

R = TypeVar("R", bound=InRows | Whole)


class Parked(msgspec.Struct, array_like=True, frozen=True):
    """What is said of a parked state."""

    key: str  # what it was the state of
    since: float  # wall time, seconds
    why: str


class Held(NamedTuple):
    """A parked state."""

    about: Parked
    stored: Stored

    @property
    def state(self) -> bytes:
        """The state as one value; made as it is asked for."""
        return self.stored.state()


class Taken(NamedTuple, Generic[R]):
    """A state that was taken up."""

    state: R
    name: str  # that it was kept under


class Parking(Generic[R]):
    """The parked states of one consumer, by the names that they are committed under: a key, or KEY@SECONDS.

    Args:
        make: what lives behind a key. Raises Unfit for one that nothing configured wants.
        wall: wall time, seconds.
    """

    def __init__(self, make: Callable[[str], R], wall: Callable[[], float]) -> None:
        self.kept: dict[str, Held] = {}
        self.is_news = False  # what is parked differs from what was committed
        self._make, self._wall = make, wall

    def restore(self, saved: Mapping[str, Stored], parked: Mapping[str, Parked]) -> dict[str, Taken[R]]:
        """Take up what fits, by key, those in use before those that were parked; park the others.

        Raises StateDamagedError for what is not as it was committed.
        """
        found: dict[str, Taken[R]] = {}
        self.kept = {}
        for name in sorted(saved, key=lambda name: (name in parked, name)):
            was = parked.get(name)
            key = was.key if was else name
            is_wanted = False
            try:
                made = self._make(key)
                is_wanted = True
                restore(made, saved[name], name)
                if key in found:
                    raise Unfit("another state of the same job is in use")
            except Unfit as unfit:
                about = Parked(key, was.since if was else self._wall(), str(unfit))
                self.kept[_name(name, about, is_wanted)] = Held(about, saved[name])
            else:
                found[key] = Taken(made, name)
        self.is_news = {name: held.about for name, held in self.kept.items()} != dict(parked)
        return found


def _name(name: str, about: Parked, is_wanted: bool) -> str:
    """A name that no state in use can have: the key itself only where nothing configured wants it."""
    return f"{about.key}@{about.since:.3f}" if is_wanted and name == about.key else name

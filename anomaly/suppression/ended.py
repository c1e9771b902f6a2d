"""Told roots that are over, still open or closed lately, by entity: what may follow from their end finds them here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from streamgauge.anomaly.suppression.episodes import ENDED, NEVER, Episode, Waits
from streamgauge.anomaly.suppression.topology import base_of


class Ended:
    """All open ones and at most `ENDED` closed ones; a look costs what there is at the entities asked for."""

    def __init__(self, waits: Waits) -> None:
        self._waits = waits
        self._open: dict[str, dict[str, Episode]] = {}
        self._closed: dict[int, Episode] = {}  # by number; the last closed stands last
        self._closed_at: dict[str, dict[int, Episode]] = {}
        self._number = 0
        self._next = NEVER  # nothing is to be forgotten before

    @property
    def closed(self) -> tuple[Episode, ...]:
        """The closed ones, the last closed last."""
        return tuple(self._closed.values())

    def restore(self, closed: Iterable[Episode]) -> None:
        """Become what a snapshot knew of closed roots; open ones are added one by one."""
        self._closed, self._closed_at, self._next = {}, {}, NEVER
        for root in closed:
            self.close(root)

    def add(self, root: Episode) -> None:
        """A root is over, or what is over became a root."""
        self._open.setdefault(base_of(root.alert.node), {})[root.id] = root

    def drop(self, root: Episode) -> None:
        """It is no longer that: closed, or back again."""
        base = base_of(root.alert.node)
        entries = self._open.get(base)
        if entries is not None and entries.pop(root.id, None) is not None and not entries:
            del self._open[base]

    def clear(self) -> None:
        """Forget the open ones."""
        self._open = {}

    def close(self, root: Episode) -> None:
        """A root was closed: it is remembered until nothing can follow from it, or `ENDED` others were closed."""
        self._number += 1
        self._closed[self._number] = root
        self._closed_at.setdefault(base_of(root.alert.node), {})[self._number] = root
        if len(self._closed) > ENDED:
            self._forget(next(iter(self._closed)))
        self._next = min(self._next, self._aftermath(root))

    def forget(self, now: float) -> None:
        """Drop closed roots that nothing can follow from any more."""
        if now < self._next:
            return
        for number in [number for number, root in self._closed.items() if now >= self._aftermath(root)]:
            self._forget(number)
        self._next = min(map(self._aftermath, self._closed.values()), default=NEVER)

    def at(self, bases: Sequence[str]) -> list[Episode]:
        """Those at some entities: open ones in order of arrival, then closed ones, the last closed first."""
        open_ = [root for base in bases if base in self._open for root in self._open[base].values()]
        closed = [item for base in bases if base in self._closed_at for item in self._closed_at[base].items()]
        return sorted(open_, key=_order) + [root for _, root in sorted(closed, key=_number, reverse=True)]

    def _forget(self, number: int) -> None:
        base = base_of(self._closed.pop(number).alert.node)
        del self._closed_at[base][number]
        if not self._closed_at[base]:
            del self._closed_at[base]

    def _aftermath(self, root: Episode) -> float:
        """Until when something may follow from a closed root."""
        waits = self._waits
        later = waits.max_hops * waits.hop_delay
        return (root.ended or 0.0) + waits.clear_hold + waits.recover + later + waits.tolerance


def _order(root: Episode) -> int:
    return root.order


def _number(item: tuple[int, Episode]) -> int:
    return item[0]

"""Every learnt way in which a window may be normal, and how rare it is if none holds: what a watch asks and teaches.

In the order in which they are asked, each only where the one before it finds the window unusual:

    usual     the slot's median and the cell's usual excess (`anomaly.reference`, `anomaly.cycle`)
    other     an excess that came at this cell before
    clock     the pattern of an hour before or after, within a week of a clock change elsewhere
    recent    the last hours, for a series of which the seasonal reference has failed (`anomaly.nature`)

A window is news if it is far from all of them, and rarer than the series' own past allows (`anomaly.tails`), or if
six in a row are off together (`anomaly.sustained`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np

from streamgauge.anomaly.columns import Column, empty, pack, pick, unpack
from streamgauge.anomaly.cycle import Cycle, Offsets, Place
from streamgauge.anomaly.nature import NAMES, STEADY, Nature
from streamgauge.anomaly.reference import Bools, Expected, Floats, Moment, Part, Rows
from streamgauge.anomaly.sustained import Sustained
from streamgauge.anomaly.tails import Tail

WAYS: Final = ("usual", "other", "clock", "recent")
USUAL, OTHER, CLOCK, RECENT = range(4)
UNUSUAL: Final = 4.0  # sigmas from which another explanation is asked for
BLURRED: Final = 1.5
LOOSE: Final = 0.1  # of another excess, beside the noise
RARE: Final = 4.0  # -log10 of the days on which one window may look like a page: once in 30 years
RAREST: Final = 6.0  # the same for what is below the threshold
UNSEEN: Final = 2.5  # how much rarer than one in all windows seen a window can be believed to be
KNOWN: Final = 0.6  # share of the threshold that is enough then
RARE_TOGETHER: Final = 2.5
TOGETHER: Final = 5.0  # sigmas of six windows in a row
OVER: Final = 3.0  # and below this they are no news any more
GROWN: Final = 800  # windows before a series' own past is believed
SETTLED: Final = 8.0  # days of windows before scores say how rare one is
HIGHEST: Final = 1e6  # sigmas


_OWN: Final = {  # known windows; whether the last one was far, was off together with others, is part of what lasts
    "windows": Column("<i4"), "far": Column("|u1"), "off": Column("|u1"), "lasting": Column("|u1"),
    "steady_far": Column("|u1"),  # from the level of the last half day
}  # fmt: skip


class Explained(NamedTuple):
    """A window as its series' best explanation has it; every array has shape [n]."""

    center: Floats
    s: Floats
    z: Floats  # sigmas from `center`, NaN unknown
    way: Rows  # the place in WAYS
    excess: Floats  # over the slot's own center
    seasonal: Floats  # sigmas from the usual, whatever explains it
    usual: Floats  # what the cell adds to the slot
    jump: Floats  # sigmas from the usual and from the last hours alike, the smaller of them
    floor: Floats  # the least standard deviation


class News(NamedTuple):
    """What a window has changed in what is known of its series."""

    again: Rows  # series of which something that comes back became known
    moved: Floats  # by how much each series' center of this slot must move; shape [series]
    spoken: Rows  # series that another detector speaks for from now on
    counted: Bools  # whether the window's score is one of its series' past now; shape [series]


class Explanations:
    """All that is learnt of `series` series beside their reference.

    Args:
        series: how many series.
        cells: parts of the day, as fine as the windows.
        slots: parts of the day that the reference tells apart.
        memory: windows of a day, for the selection of a detector.
        apart: windows do not overlap: only then is the last one an independent witness of the next.
    """

    def __init__(
        self, series: int = 0, cells: int = 96, slots: int = 24, memory: float = 96.0, apart: bool = True
    ) -> None:
        self.apart, self._daily = apart, float(np.log10(memory))
        self._cycle, self._nature = Cycle(series, cells, slots), Nature(series, memory)
        self._sustained, self._tail = Sustained(series), Tail(series)
        self._together, self._jumps, self._steady = Tail(series), Tail(series), Tail(series)
        self._own = empty(_OWN, series)
        self._changes = 0  # of what lies in no cell; not part of the state

    def detector(self, row: int) -> str:
        """The name of the detector that speaks for a series."""
        return NAMES[int(self._nature.chosen[row])]

    def losses(self, row: int) -> dict[str, float]:
        """What each detector has been worth for a series lately: nats a window, less is better."""
        return dict(zip(NAMES, self._nature.losses()[row].tolist(), strict=True))

    def explain(
        self, level: Floats, expected: Expected, s: Floats, floor: Floats, at: Moment, shifted: Floats | None
    ) -> Explained:
        """The best explanation of one window.

        `s` is the reference's standard deviation, `floor` what no detector's goes below; `shifted` is the center by the
        shifted clock, None while there is none.
        """
        self._cycle.begin(at)
        known = expected.entries >= 4
        excess = level - expected.center
        offsets = self._cycle.offsets(at.cell, s)
        center = expected.center + offsets.usual
        z = _sigmas(level, center, s, known)
        way, seasonal, wide = np.zeros(len(level), np.int64), z, s
        for place, other, loose in self._others(expected, offsets, s, shifted):
            apart = _sigmas(level, other, loose, known)
            better = (np.abs(z) > UNUSUAL) & (np.abs(apart) <= UNUSUAL) & (np.abs(apart) < np.abs(z))
            z, center = np.where(better, apart, z), np.where(better, other, center)
            way, wide = np.where(better, place, way), np.where(better, loose, wide)
        explained = self._recent(level, Explained(center, wide, z, way, excess, seasonal, offsets.usual, z, floor))
        return explained._replace(jump=self._jump(level, at, explained))

    def shifted_cell(self, cell: int, s: Floats) -> Floats:
        """What another cell adds to its slot."""
        return self._cycle.offsets(cell, s).usual

    def is_news(self, explained: Explained, away: Floats, threshold: Floats, rarer: float = 0.0) -> Bools:
        """Whether a window is beyond its threshold and rarer than the series' own past allows.

        `away` is how far it is in the direction that is bad, in sigmas. A series whose tail is known needs less than
        its threshold, if its past says that such a window comes once in a lifetime. `rarer` is in decades.
        """
        known = self._tail.known()
        grown = (known >= GROWN) & self.apart
        jump = np.abs(np.nan_to_num(explained.jump))
        rows = np.flatnonzero(away > np.where(grown, KNOWN, 1.0) * threshold)
        rows = np.union1d(rows, np.flatnonzero(grown & (away > 0.0) & (jump > KNOWN * threshold)))
        news = np.zeros(len(away), dtype=bool)
        if len(rows):
            surprise = self._tail.surprise(np.nan_to_num(explained.z))[rows]
            believed = np.minimum(RARE + self._daily + min(rarer, 0.0), UNSEEN + np.log10(known[rows] + 1.0))
            rarest = RAREST + self._daily + rarer
            news[rows] = surprise > np.where(away[rows] > threshold[rows], believed + max(rarer, 0.0), rarest)
            leap = grown & (jump > KNOWN * threshold) & (self._jumps.surprise(jump) > rarest)
            news[rows] |= leap[rows]
        return news

    def together(self, explained: Explained, threshold: Floats, rarer: float = 0.0) -> Floats:
        """Sigmas of six windows in a row where they are news, NaN elsewhere; `threshold` is the multiplier."""
        u = self._sustained.score(explained.z)
        grown = (self._together.known() >= GROWN) & self.apart
        level = (explained.way == USUAL) | (explained.way == RECENT) & (self._nature.chosen == STEADY)
        far = grown & (np.abs(np.nan_to_num(u)) > TOGETHER * threshold) & level
        if not far.any():
            return np.full(len(u), np.nan)
        # One value cannot be a change that lasts: it must be unusual itself, and in the way of the others.
        size, way = np.nan_to_num(u), np.sign(np.nan_to_num(u))
        rare = self._together.surprise(size) > RARE_TOGETHER + self._daily + rarer
        far &= (way * np.nan_to_num(explained.z) > 2.0) & rare
        return np.where(far, u, np.nan)

    def is_over(self, explained: Explained, row: int) -> bool:
        """Whether the last six windows of a series are together as usual again."""
        return not abs(float(self._sustained.score(explained.z)[row])) > OVER

    def learn(
        self, at: Moment, level: Floats, s: Floats, own: Bools, explained: Explained, keep: Bools, odd: Bools,
        lasting: Bools, mature: Bools,
    ) -> News:
        """Take in one window: `keep` as normal, `odd` as rejected, unless it is part of a `lasting` change."""
        self._changes += 1
        self._cycle.undo(np.flatnonzero(lasting & ~self._own["lasting"].astype(bool)), at.day)
        self._own["lasting"] = lasting.astype("|u1")
        by_cycle = (explained.way == OTHER) | (explained.way == CLOCK)
        usual = keep & own & ~by_cycle & (explained.way == USUAL)
        taught = self._cycle.learn(at, explained.excess, s, usual, (odd & own & ~lasting) | (keep & by_cycle))
        failed = odd | (explained.way == RECENT) & (np.abs(np.nan_to_num(explained.seasonal)) > 2.0 * UNUSUAL)
        changed = np.zeros(0, dtype=np.int64)
        if self.apart:
            seasonal = np.where(by_cycle, explained.z, explained.seasonal)
            steady = self._nature.steady(level, at, explained.floor)
            changed = self._nature.learn(level, at, seasonal, s, explained.floor, failed, mature)
            self._hand_over(changed)
            self._learn_steady(steady)
        return News(taught.again, taught.moved, changed, self._count(explained, keep, odd))

    def revise(self, row: int, scores: Sequence[tuple[float, float]], places: Collection[Place], by: int) -> None:
        """Take back what windows of one series taught (`by` -1), or in again (1).

        `scores` are `z` and `jump` of those that were counted, `places` the cells in which they all lay.
        """
        self._changes += 1
        for z, jump in scores:
            self._tail.revise(row, z, by)
            if jump == jump:
                self._jumps.revise(row, jump, by)
        for day, cell in places:
            self._cycle.revise(row, cell, day, by)

    def teaches(self, explained: Explained) -> Bools:
        """Which windows may teach the slot's median: not those that only something else explains."""
        teaches: Bools = (explained.way == USUAL) | (explained.way == RECENT)
        return teaches

    def settle(self, rows: Rows) -> None:
        """A lasting change of these series is the new normal."""
        self._changes += 1
        self._sustained.forget(rows)

    def reindex(self, index: Rows) -> None:
        """Keep the series `index`, in that order; -1 is a new one."""
        self._changes += 1
        self._cycle.reindex(index)
        for part in self._small():
            part.reindex(index)
        self._own = pick(_OWN, self._own, index)

    def parts(self) -> Iterator[Part]:
        """All state in parts that change apart: what every window changes, and the cells of each slot of the day."""
        yield "now", self._changes, self._now
        yield from self._cycle.parts()

    def take(self, parts: Mapping[str, bytes]) -> None:
        """Continue where `parts` were taken. Raises KeyError where one is missing."""
        opened, nature, sustained, *tails, own = msgspec.msgpack.decode(parts["now"], type=list[bytes])
        self._cycle, self._nature = Cycle.of_open(opened), Nature.restore(nature)
        for slot in range(self._cycle.slots):
            self._cycle.take(slot, parts[str(slot)])
        arrays = unpack(own)
        self._sustained, self._own = Sustained.restore(sustained), empty(_OWN, len(arrays["windows"])) | arrays
        self._tail, self._together, self._jumps, *steady = (Tail.restore(tail) for tail in tails)
        self._steady = steady[0] if steady else Tail(len(arrays["windows"]))  # an older release had none

    def _now(self) -> bytes:
        small = (part.snapshot() for part in self._small())
        return msgspec.msgpack.encode([self._cycle.open(), *small, pack(self._own)])

    def _small(self) -> tuple[Nature, Sustained, Tail, Tail, Tail, Tail]:
        return self._nature, self._sustained, self._tail, self._together, self._jumps, self._steady

    def _hand_over(self, rows: Rows) -> None:
        """Another detector speaks for these series: its scores have another past, which is known of the steady one."""
        is_steady = self._nature.chosen[rows] == STEADY
        self._tail.forget(rows)
        self._tail.take(rows[is_steady], self._steady)
        self._together.forget(rows[~is_steady])

    def _learn_steady(self, score: Floats) -> None:
        """How rare the scores of the steady detector are, as those of the one that speaks are counted."""
        own, known = self._own, np.isfinite(score)
        far = np.abs(np.nan_to_num(score)) > UNUSUAL
        settled = known & (own["windows"] >= SETTLED * self._nature.memory) & ~(far & (own["steady_far"] > 0))
        self._steady.learn(np.nan_to_num(score), settled)
        own["steady_far"] = np.where(known, far, own["steady_far"]).astype("|u1")

    def _count(self, explained: Explained, keep: Bools, odd: Bools) -> Bools:
        """Learn how rare scores are; which of them have counted.

        While the day is being learnt, they are larger than they ever will be again.
        Of unusual windows in a row only the first counts: an incident is one, however long.
        """
        own, z, known = self._own, np.nan_to_num(explained.z), np.isfinite(explained.z)
        u = np.nan_to_num(self._sustained.score(explained.z))
        far = odd | (np.abs(z) > UNUSUAL)
        settled = known & (own["windows"] >= SETTLED * self._nature.memory) & ~(far & (own["far"] > 0))
        self._tail.learn(z, settled)
        self._jumps.learn(np.nan_to_num(explained.jump), settled & np.isfinite(explained.jump))
        off = np.abs(u) > UNUSUAL
        self._together.learn(u, settled & keep & ~far & (u != 0.0) & ~(off & (own["off"] > 0)))
        self._sustained.learn(explained.z, keep)
        own["far"] = np.where(known, far, own["far"]).astype("|u1")
        own["off"] = np.where(known, off, own["off"]).astype("|u1")
        own["windows"] = np.minimum(own["windows"] + known, 1_000_000).astype("<i4")
        return settled

    def _jump(self, level: Floats, at: Moment, explained: Explained) -> Floats:
        """The smaller of both distances; half as much again from the usual, which noise that remembers blurs."""
        z, recent = explained.z, self._nature.recent(level, at, explained.floor)
        jump = np.minimum(BLURRED * np.abs(z), np.abs(recent))
        return np.where(np.sign(z) == np.sign(recent), np.sign(z) * jump, 0.0)

    def _others(
        self, expected: Expected, offsets: Offsets, s: Floats, shifted: Floats | None
    ) -> list[tuple[int, Floats, Floats]]:
        """The other explanations of the seasonal reference: place in WAYS, center, spread."""
        loose = np.sqrt(np.square(s) + np.square(LOOSE * offsets.other))
        others = [(OTHER, expected.center + offsets.other, np.where(np.isnan(loose), s, loose))]
        return others if shifted is None else [*others, (CLOCK, shifted, s)]

    def _recent(self, level: Floats, explained: Explained) -> Explained:
        chosen = (self._nature.chosen > 0) & (explained.way == USUAL) & np.isfinite(explained.z)
        if not chosen.any():
            return explained
        center, spread = self._nature.center(), np.maximum(self._nature.spread(explained.floor), 1e-12)
        z = np.clip((level - center) / spread, -HIGHEST, HIGHEST)
        return explained._replace(
            center=np.where(chosen, center, explained.center), s=np.where(chosen, spread, explained.s),
            z=np.where(chosen, z, explained.z), way=np.where(chosen, RECENT, explained.way),
        )


def _sigmas(level: Floats, center: Floats, s: Floats, known: Bools) -> Floats:
    with np.errstate(invalid="ignore", over="ignore"):
        z = np.clip((level - center) / s, -HIGHEST, HIGHEST)
    return np.where(known, z, np.nan)

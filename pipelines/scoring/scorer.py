"""From metrics to scores: what each value costs, the 0..100 of every domain and the whole, and who lost which points.

Losses come from the rules; a node of the tree (entity, domain, job) loses
`beta * max_i(c_i l_i) + (1 - beta) * sum(w_i l_i) / sum(w_i)`, beta 0.7 from metric to entity and 0.5 above, so that
one dead entity of forty cannot hide. A breakdown adds up to 100 minus the score exactly, in integers of 1e-6 point.
What goes missing holds its loss and never raises a score; what has rows, but too few in one window, holds it for a time
unless something is open of it. Sums are `math.fsum` in the order of the names.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from streamgauge.anomaly.columns import Column, empty, pack, pick, unpack
from streamgauge.anomaly.reference import Bools, Floats, Rows
from streamgauge.anomaly.types import Part, Score, SeriesKey
from streamgauge.pipelines.config.schema import JobConfig
from streamgauge.pipelines.detection.closed import Closed, thinness
from streamgauge.pipelines.metrics import Pipeline
from streamgauge.pipelines.scoring.losses import COUNTS, DAILY_SWING
from streamgauge.pipelines.scoring.ruled import Ruled, lost, overridden, ruled_of
from streamgauge.pipelines.scoring.tree import Leaf, Tree, divide
from streamgauge.pipelines.wire import states

if TYPE_CHECKING:
    from streamgauge.pipelines.detection.judging import Judged

HOLD: Final = 3  # expected windows that a missing metric holds its last loss for
EXPECTED: Final = 0.5  # share of the slot's days with a value from which on one is expected: it counts for coverage
SURE: Final = 0.9  # and from which on its absence is news; at one half, four absences in a row come by chance
LOW: Final = 75.0  # a score below this is watched, and its lossy metrics are not learnt
FULL: Final = 100_000_000  # micropoints of a perfect score
_COLUMNS: Final = {
    "loss": Column("<f8"),
    "missing": Column("<i4"),  # expected windows in a row without a value
    "known": Column("|b1"),  # had a value in its last window
    "expected": Column("|b1"),  # should have had one
    "window": Column("<i4"),  # index of the window that carries it
    "thin": Column("<f8"),  # rows since it was last known, in those that one value asks for
}


class Losses(msgspec.Struct, array_like=True, frozen=True):
    """What one closed window says of the leaves it carries."""

    window: str
    end: float
    keys: tuple[SeriesKey, ...]
    loss: bytes  # float64, NaN unknown
    expected: bytes  # bool: a value is expected, or there is one
    sure: bytes  # bool: nearly every day had one
    alive: tuple[str, ...]  # domains of which this window knows anything
    unjudged: bytes = b""  # bool: there is a value, and nothing to judge it by (no SLO, no reference)
    thin: bytes = b""  # float64: unknown for want of rows, and nothing is told of it; the share that it had of them


class _State(msgspec.Struct, array_like=True, frozen=True):
    version: int
    leaves: tuple[tuple[SeriesKey, str], ...]
    arrays: bytes
    kept: tuple[tuple[str, str], ...]
    waiting: tuple[Losses, ...]
    scores: dict[str, float]


class Scorer:
    """The losses of a job's leaves, held between windows, and the scores at each close of the first short window."""

    def __init__(self, config: JobConfig, pipelines: Iterable[Pipeline]) -> None:
        pipelines = tuple(pipelines)
        self.config = config
        self.weights = {str(pipeline.domain): pipeline.weight for pipeline in pipelines}
        self._rules = {
            (str(pipeline.domain), rule.metric): overridden(rule, config.rules.get(rule.metric, {}))
            for pipeline in pipelines for rule in pipeline.rules
        }
        self._optional = frozenset(f"feature:{feature.name}" for feature in config.features if feature.optional)
        self._emitting = next((spec.name for spec in config.windows if spec.kind == "short"), "")
        self._leaves: dict[SeriesKey, str] = {}  # and the window that carries each, sorted by key
        self._arrays = empty(_COLUMNS, 0)
        self._kept: dict[str, str] = {}  # the child that each node's maximum is attributed to
        self._waiting: tuple[Losses, ...] = ()  # of windows that close by another clock
        self._scores: dict[str, float] = {}
        self._tree: Tree | None = None
        self._ruled_by: dict[str, Ruled] = {}  # by window, a cache
        self._aligned: dict[str, tuple[SeriesKey, ...]] = {}  # by window the keys that the leaves follow, a cache

    def score(
        self, closed: Closed, judged: Judged, excused: Collection[str] = (), told: Collection[SeriesKey] = ()
    ) -> list[Score]:
        """Take in one closed window; the scores, if it is one that scores are given for.

        What is `excused` costs nothing. What is `told` of something is open: its loss is held while it is unknown.

        Windows of another class count from the next short window on that ends after them: then the answer does not
        depend on which of two windows with one end was closed first.
        """
        losses = self._losses(closed, judged, excused, told)
        if closed.window != self._emitting:
            if not closed.revision:
                self._waiting = (*self._waiting, losses)
            return []
        if closed.revision:
            return self._revised(closed, losses)
        due = [waiting for waiting in self._waiting if waiting.end < closed.end]
        self._waiting = tuple(waiting for waiting in self._waiting if waiting.end >= closed.end)
        for one in (*due, losses):
            self._apply(one)
        scores = self._tell(closed, self._arrays["loss"], self._kept)
        self._scores = {score.domain: score.value for score in scores}
        return scores

    def frozen(self, keys: tuple[SeriesKey, ...]) -> Bools:
        """Series that cost points while their domain's score is low: their normal is not learnt."""
        low = {domain for domain, score in self._scores.items() if score < LOW}
        if not low:
            return np.zeros(len(keys), dtype=bool)
        lossy = np.flatnonzero(self._arrays["loss"] > 0.0).tolist()
        leaves = tuple(self._leaves)
        frozen = {leaves[row] for row in lossy if leaves[row].domain in low}
        return np.array([key in frozen for key in keys], dtype=bool)

    def snapshot(self) -> bytes:
        """All state, exactly."""
        return msgspec.msgpack.encode(_State(
            states.written("scorer"),
            tuple(self._leaves.items()), pack(self._arrays), tuple(sorted(self._kept.items())),
            self._waiting, self._scores,
        ))

    def restore(self, data: bytes) -> None:
        """Take the state that `snapshot` gave; leaves that this configuration has no rule for are left out."""
        state = states.read("scorer", data, _State)
        ruled = [row for row, (key, _) in enumerate(state.leaves) if self._has_rule(key)]
        self._leaves = {key: window for key, window in state.leaves if self._has_rule(key)}
        arrays = empty(_COLUMNS, len(state.leaves)) | unpack(state.arrays)  # an older release counted no thin rows
        self._arrays = pick(_COLUMNS, arrays, np.array(ruled, np.int64))
        self._waiting = tuple(losses for losses in state.waiting if all(map(self._has_rule, losses.keys)))
        self._kept, self._scores = dict(state.kept), state.scores
        self._tree, self._aligned = None, {}

    def _has_rule(self, key: SeriesKey) -> bool:
        return (key.domain, key.metric) in self._rules

    def rename(self, job: str) -> None:
        """The same leaves of a job of another name."""
        self._leaves = {key._replace(job=job): window for key, window in self._leaves.items()}
        self._waiting, self._tree, self._aligned = (), None, {}

    def _losses(
        self, closed: Closed, judged: Judged, excused: Collection[str], told: Collection[SeriesKey]
    ) -> Losses:
        _, ruled, rows, keys = self._ruled(closed)
        loss = np.full(len(closed.keys), np.nan)
        # A count whose slot has no days yet is compared with the last windows, and so with another time of the day.
        young = np.where(judged.expected.own, 0.0, DAILY_SWING)
        for rule, at in ruled:
            if rule.metric in excused:
                continue  # it is there, and nothing judges it yet
            floor = young if rule.form in COUNTS else closed.floor
            loss[at] = lost(rule, *(column[at] for column in (
                closed.value, judged.reference, closed.error, floor, closed.rows
            )))
        reach = judged.expected.reach
        expected = ((reach >= EXPECTED) & np.isnan(closed.value)) | np.isfinite(loss)
        known = np.flatnonzero(np.isfinite(closed.value)).tolist()
        alive = tuple(sorted({closed.keys[row].domain for row in known}))
        thin = thinness(closed, self.config.minimum)[rows]
        thin[[row for row in np.flatnonzero(thin).tolist() if keys[row] in told]] = 0.0
        return Losses(
            closed.window, closed.end, keys, loss[rows].tobytes(), expected[rows].tobytes(),
            (reach >= SURE)[rows].tobytes(), alive, (np.isfinite(closed.value) & np.isnan(loss))[rows].tobytes(),
            thin.tobytes(),
        )

    def _ruled(self, closed: Closed) -> Ruled:
        ruled = self._ruled_by.get(closed.window)
        if ruled is None or ruled.keys is not closed.keys:
            ruled = self._ruled_by[closed.window] = ruled_of(
                closed.keys, closed.metrics, self._rules, self._optional
            )
        return ruled

    def _apply(self, losses: Losses) -> None:
        """The leaves take their new losses; the missing hold theirs."""
        self._align(losses)
        arrays, rows = self._arrays, self._layout().rows_of(losses.window, losses.keys)
        loss, expected = np.frombuffer(losses.loss), np.frombuffer(losses.expected, dtype=bool)
        known = np.isfinite(loss)
        carried = np.array([window == losses.window for window in self._leaves.values()], dtype=bool)
        said = np.zeros(len(self._leaves), dtype=bool)
        said[rows] = True
        silent = carried & ~said  # its series left, but so did all of its domain
        arrays["known"][rows], arrays["expected"][rows] = known, expected
        arrays["known"][silent], arrays["expected"][silent] = False, True
        arrays["loss"][rows[known]] = loss[known]
        arrays["missing"][rows[known]] = 0
        unjudged = rows[np.frombuffer(losses.unjudged, dtype=bool)] if losses.unjudged else rows[:0]
        arrays["loss"][unjudged], arrays["missing"][unjudged] = 0.0, 0  # it is there: what it lost while away is over
        sure = np.frombuffer(losses.sure, dtype=bool)
        thin = np.frombuffer(losses.thin) if losses.thin else np.zeros(len(rows))
        gone = np.concatenate([rows[sure & expected & ~known & (thin == 0.0)], np.flatnonzero(silent)])
        arrays["missing"][gone] += 1
        self._let_go(rows, thin, known)
        unknown = self._layout().unknown
        late = gone[arrays["missing"][gone] > HOLD]
        arrays["loss"][late] = np.maximum(arrays["loss"][late], unknown[late])

    def _let_go(self, rows: Rows, thin: Floats, known: Bools) -> None:
        """What was lost when a thin series was last known is over once rows for `HOLD` more values came without one.

        Else a series that rarely has rows enough in one window holds what the last burst said until chance brings more.
        """
        seen = self._arrays["thin"]
        seen[rows] = np.where(known, 0.0, seen[rows] + thin)
        over = rows[(thin > 0.0) & (seen[rows] > HOLD)]
        self._arrays["loss"][over] = 0.0

    def _align(self, losses: Losses) -> None:
        """Leaves appear with their series; one leaves with it while its domain lives on."""
        if self._aligned.get(losses.window) is losses.keys:
            return
        named = set(losses.keys)
        left = {
            key for key, window in self._leaves.items()
            if window == losses.window and key not in named and key.domain in losses.alive
        }
        came = {key: losses.window for key in losses.keys if self._leaves.get(key) != losses.window}
        carried = sum(window == losses.window for window in self._leaves.values()) - len(left)
        if carried + len(came) == len(named):
            self._aligned[losses.window] = losses.keys
        if not left and not came:
            return
        old = {key: row for row, key in enumerate(self._leaves)}
        leaves = {**{key: window for key, window in self._leaves.items() if key not in left}, **came}
        self._leaves = dict(sorted(leaves.items()))
        index = np.array([old.get(key, -1) for key in self._leaves], dtype=np.int64)
        self._arrays, self._tree = pick(_COLUMNS, self._arrays, index), None
        self._aligned = {name: keys for name, keys in self._aligned.items() if name == losses.window}

    def _layout(self) -> Tree:
        if self._tree is None:
            leaves = [Leaf(key, self._rules[key.domain, key.metric]) for key in self._leaves]
            self._tree = Tree(leaves, self.config, self.weights)
        return self._tree

    def _revised(self, closed: Closed, losses: Losses) -> list[Score]:
        """The scores with this window's losses in place of the last ones; nothing is remembered."""
        tree = self._layout()
        loss, new = self._arrays["loss"].copy(), np.frombuffer(losses.loss)
        known = np.array([key in self._leaves for key in losses.keys], dtype=bool) & np.isfinite(new)
        keys = tuple(key for key, is_known in zip(losses.keys, known.tolist(), strict=True) if is_known)
        loss[tree.rows_of("", keys)] = new[known]
        return self._tell(closed, loss, dict(self._kept))

    def _tell(self, closed: Closed, loss: Floats, kept: dict[str, str]) -> list[Score]:
        tree, arrays = self._layout(), self._arrays
        late = arrays["missing"] > HOLD
        scores = []
        for domain in tree.domains:
            total, parts, cap = tree.domain(domain, loss, late, kept)
            coverage = tree.coverage(domain, arrays["known"], arrays["expected"])
            scores.append(_score(self.config.name, closed, domain, total, parts, cap, coverage))
        return [*scores, _overall(self.config.name, closed, scores, tree, loss, kept)] if scores else []


def _score(
    job: str, closed: Closed, domain: str, total: int, parts: Sequence[Part], cap: str, coverage: float
) -> Score:
    return Score(
        job=job, domain=domain, start=closed.start, end=closed.end,
        micropoints=FULL - total, coverage=coverage, parts=tuple(parts), cap=cap, revision=closed.revision,
    )


def _overall(
    job: str, closed: Closed, scores: Sequence[Score], tree: Tree, loss: Floats, kept: dict[str, str]
) -> Score:
    """The node rule once more, over the domains as they are after their caps."""
    weights = [tree.weights[score.domain] for score in scores]
    lost_points = [(FULL - score.micropoints) / FULL for score in scores]
    factors, total = tree.node("overall", [score.domain for score in scores], lost_points, weights, 0.5, kept)
    parts = [
        (part, factor * part.micropoints)
        for score, factor in zip(scores, factors, strict=True) for part in score.parts
    ]
    micropoints, divided = divide(total, parts)
    micropoints, divided, cap = tree.capped(None, loss, micropoints, divided)
    coverage = math.fsum(w * score.coverage for w, score in zip(weights, scores, strict=True)) / math.fsum(weights)
    return _score(job, closed, "overall", micropoints, divided, cap, coverage)

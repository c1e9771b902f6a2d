"""How old the model in service is, by what is told of pushes; older than four push intervals is a fact that pages.

The interval is declared (`push_interval`), or it is learnt: the second longest of the last 512, once pushes have come
for two days, so that nights without a push count and one outage does not. A version that is told again within ten
minutes, as each worker of a job does, is the same push. After a `rolled_back` the one before it serves again.
"""

from __future__ import annotations

import itertools
import math
from typing import Final

import msgspec

from streamgauge.anomaly.suppression.wording import duration
from streamgauge.anomaly.types import SeriesKey
from streamgauge.pipelines.config.schema import DAY, JobConfig
from streamgauge.pipelines.stream.absolutes import Condition
from streamgauge.pipelines.wire import states
from streamgauge.pipelines.wire.outputs import Change
from streamgauge.pipelines.wire.releases import PUSHED, TAKEN_BACK, version_of

METRIC: Final = "serving_model_age"
MOST_INTERVALS: Final = 4.0
KEPT: Final = 513  # pushes
LEAST: Final = 5  # pushes, and
LEARNING: Final = 2 * DAY  # of them, before which no interval is learnt
AGAIN: Final = 600.0  # seconds
NAMES: Final = PUSHED | {"serving", TAKEN_BACK}


class Push(msgspec.Struct, array_like=True, frozen=True, order=True):
    """A version that began to serve."""

    time: float
    version: str


class _State(msgspec.Struct, array_like=True, frozen=True):
    version: int
    pushes: tuple[Push, ...]
    first: float
    since: float


class ServingAge:
    """The pushes of one job, oldest first, whatever order they are told in."""

    def __init__(self) -> None:
        self._pushes: tuple[Push, ...] = ()
        self._first = math.inf  # time of the first push ever
        self._since = math.nan  # the clock at the first window with a declared interval: no push is missed before

    def take(self, change: Change) -> None:
        """An event of the job; only those that tell of a push, or of one taken back, matter."""
        version = version_of(change.text)
        if change.name == TAKEN_BACK:
            self._take_back(version, change.time)
        elif change.name in NAMES:
            same = [push for push in self._pushes if _is_same(push, version, change.time)]
            self._first = min(self._first, change.time)
            first = min([change.time, *(push.time for push in same)])
            others = [push for push in self._pushes if push not in same]
            self._pushes = tuple(sorted((*others, Push(first, version)))[-KEPT:])

    def condition(self, config: JobConfig, clock: float) -> Condition | None:
        """Whether the model in service is too old at `clock`; None while no interval is known."""
        if config.push_interval and math.isnan(self._since):
            self._since = clock
        interval = config.push_interval or self._learnt()
        last = self._pushes[-1] if self._pushes else None
        if interval is None or METRIC in config.unpaged:
            return None
        age = clock - (last.time if last is not None else self._since)
        text = f"no push of a model was told for {duration(age)}"
        if last is not None:
            text = f"the model in service is {duration(age)} old ({last.version or 'no version told'})"
        usual = f"one every {duration(interval)} is " + ("declared" if config.push_interval else "usual")
        bound = MOST_INTERVALS * interval
        return Condition(_key(config.name), age > bound, age, f"{text}; {usual}", bound=bound)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known that must be kept."""
        return not self._pushes and math.isnan(self._since)

    def snapshot(self) -> bytes:
        """All state, exactly."""
        return msgspec.msgpack.encode(_State(states.written("serving age"), self._pushes, self._first, self._since))

    def restore(self, data: bytes) -> None:
        """Take the state that `snapshot` gave. Raises StateVersionError."""
        state = states.read("serving age", data, _State)
        self._pushes, self._first, self._since = state.pushes, state.first, state.since

    def _take_back(self, version: str, time: float) -> None:
        """The newest push of a version until then did not last."""
        mine = [push for push in self._pushes if push.version == version and push.time <= time]
        self._pushes = tuple(push for push in self._pushes if push not in mine[-1:])

    def _learnt(self) -> float | None:
        times = [push.time for push in self._pushes]
        if len(times) < LEAST or times[-1] - self._first < LEARNING:
            return None
        return sorted(after - before for before, after in itertools.pairwise(times))[-2] or None


def _is_same(push: Push, version: str, time: float) -> bool:
    return push.version == version and abs(push.time - time) <= AGAIN


def _key(job: str) -> SeriesKey:
    return SeriesKey(job, "", "train", "", METRIC)

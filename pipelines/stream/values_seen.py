"""What is remembered of the values of categorical features, to know an odd one: a sketch a feature, or a network a job.

Learnt from the job's longer windows that do not overlap and were normal; windows of another length are not judged by
them, as what moves by chance in an hour does not in a day.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

from streamgauge.anomaly.categorical.autoencoder import Autoencoder, Block
from streamgauge.anomaly.categorical.rates import Rates
from streamgauge.anomaly.categorical.spread import Odd
from streamgauge.pipelines.config.schema import DAY
from streamgauge.tracer.summaries import Heavy

HALF_LIFE: Final = 28 * DAY
LEAST_BLOCKS: Final = 7.0  # and a whole day
LEAST_ROWS: Final = 2000.0
MOST_FEATURES: Final = 8  # of a network
_SAME: Final = 0.1  # of a length: a day of 23 hours is a day


class ValuesSeen:
    """The values of one feature."""

    def __init__(self, length: float = DAY) -> None:
        self.end, self.length = -math.inf, length
        self._rates = Rates(_half_life(length))

    def judge(self, heavy: Heavy, length: float) -> Odd | None:
        """The oddest value of a window, its surprise for as many values as were looked at; None: too little known."""
        if not _is_known(self._rates.spread.blocks, self.length, length) or self._rates.total < LEAST_ROWS:
            return None
        return _oddest(self._rates.judge(heavy.hashes, heavy.counts))

    def learn(self, end: float, heavy: Heavy) -> None:
        """A normal window that ends at `end`."""
        self._rates.learn(heavy.hashes, heavy.counts)
        self.end = end

    def state(self) -> list[Any]:
        """Everything."""
        return [self.end, self.length, self._rates.state()]

    @classmethod
    def from_state(cls, state: Sequence[Any]) -> Self:
        """The values as they were."""
        seen = cls(state[1])
        seen.end = state[0]
        seen._rates.restore(state[2])
        return seen


class ValuesNetwork:
    """The values of all features of a job, the first 8 by name; another feature begins it anew."""

    def __init__(self, length: float = DAY) -> None:
        self.end, self.length = -math.inf, length
        self._network: Autoencoder | None = None

    def judge(self, found: Mapping[str, Heavy], length: float) -> dict[str, Odd]:
        """The oddest value of each feature in a window; none while too little is known."""
        if self._network is None or not _is_known(float(self._network.blocks), self.length, length):
            return {}
        judged = self._network.judge(_block(found))
        return {name: one for name, odd in judged.items() if (one := _oddest(odd)) is not None}

    def pass_by(self, end: float, found: Mapping[str, Heavy], *, is_normal: bool) -> None:
        """A window that ends at `end`; it teaches only where all of it was normal."""
        features = tuple(sorted(found)[:MOST_FEATURES])
        if self._network is None or not set(features) <= set(self._network.features):
            self._network = Autoencoder(features, _half_life(self.length))
        (self._network.learn if is_normal else self._network.pass_by)(_block(found))
        self.end = end

    def state(self) -> list[Any]:
        """Everything."""
        network = self._network
        return [self.end, self.length, None if network is None else [list(network.features), network.state()]]

    @classmethod
    def from_state(cls, state: Sequence[Any]) -> Self:
        """The network as it was."""
        kept = cls(state[1])
        kept.end = state[0]
        if state[2] is not None:
            features, inner = state[2]
            kept._network = Autoencoder(tuple(features), _half_life(kept.length))
            kept._network.restore(inner)
        return kept


def _half_life(length: float) -> float:
    return max(HALF_LIFE / length, 2.0 * LEAST_BLOCKS)


def _is_known(blocks: float, learnt: float, length: float) -> bool:
    return blocks >= max(LEAST_BLOCKS, DAY / learnt) and abs(length - learnt) <= _SAME * learnt


def _oddest(odd: Sequence[Odd]) -> Odd | None:
    if not odd:
        return None
    return odd[0]._replace(surprise=max(0.0, odd[0].surprise - math.log10(len(odd))))


def _block(found: Mapping[str, Heavy]) -> Block:
    return {name: (heavy.hashes, heavy.counts) for name, heavy in found.items()}

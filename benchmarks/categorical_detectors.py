"""What finds shifts in categorical streams: our sketch and our network, PSI with its noise floor, half-space trees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import numpy as np
from river.anomaly import HalfSpaceTrees

from benchmarks.categorical_plants import FEATURES, Block
from streamgauge.anomaly.categorical.autoencoder import Autoencoder
from streamgauge.anomaly.categorical.rates import Rates
from streamgauge.anomaly.categorical.spread import Counts, Floats, Hashes, Odd
from streamgauge.pipelines.statistics import drift_of, id_counts
from streamgauge.pipelines.statistics.binning import id_vocabulary
from streamgauge.tracer.summaries import Heavy
from streamgauge.tracer.summaries.columns import Columns

DAYS: Final = 28
BUCKETS: Final = 16
_NOBODY: Final = 0  # all values beyond the vocabulary; no value's code
Verdict = Mapping[str, tuple[float, int]]  # by feature: a score, and the value that it is about


class Detector(Protocol):
    """One that judges a block by its past and then learns it."""

    def judge(self, block: Block) -> Verdict:
        """A score and the oddest value of each feature."""
        ...

    def pass_by(self, block: Block) -> None:
        """A block that teaches nothing."""
        ...

    def learn(self, block: Block) -> None:
        """A block is part of the past."""
        ...


class Sketch:
    """`Rates` of each feature."""

    def __init__(self) -> None:
        self._rates = {name: Rates(DAYS) for name in FEATURES}

    def judge(self, block: Block) -> Verdict:
        """A score and the oddest value of each feature."""
        found = {name: self._rates[name].judge(*of) for name, of in block.items()}
        return {name: _first(odd) for name, odd in found.items() if odd}

    def pass_by(self, block: Block) -> None:
        """A block that teaches nothing."""

    def learn(self, block: Block) -> None:
        """A block is part of the past."""
        for name, of in block.items():
            self._rates[name].learn(*of)


class Network:
    """`Autoencoder` of all features."""

    def __init__(self) -> None:
        self._network = Autoencoder(FEATURES, DAYS)

    def judge(self, block: Block) -> Verdict:
        """A score and the oddest value of each feature."""
        return {name: _first(odd) for name, odd in self._network.judge(block).items()}

    def pass_by(self, block: Block) -> None:
        """A block that teaches nothing."""
        self._network.pass_by(block)

    def learn(self, block: Block) -> None:
        """A block is part of the past."""
        self._network.learn(block)


class Psi:
    """The metric `psi` of each feature: the window against the folded last 28 days, which change once a day."""

    def __init__(self) -> None:
        self._days: dict[str, list[Columns]] = {name: [] for name in FEATURES}
        self._reference: dict[str, Heavy] = {}

    def judge(self, block: Block) -> Verdict:
        """PSI over its floor, and the bin with the largest term."""
        found = {}
        for name, of in block.items():
            if name in self._reference:
                current, past = id_counts(_heavy(*of), self._reference[name])
                drift = drift_of(current, past)
                found[name] = drift.value / drift.floor, self._largest(name, current, past)
        return found

    def pass_by(self, block: Block) -> None:
        """Only days make a difference."""

    def learn(self, block: Block) -> None:
        """The last 28 days are folded anew."""
        for name, of in block.items():
            self._days[name] = [*self._days[name], _heavy(*of).columns()][-DAYS:]
            self._reference[name] = Heavy.fold(self._days[name])

    def _largest(self, name: str, current: Floats, past: Floats) -> int:
        p, q = (side + 0.5 for side in (current, past))
        p, q = p / p.sum(), q / q.sum()
        words = [*id_vocabulary(self._reference[name]).tolist(), _NOBODY]
        return int(words[int(np.argmax((p - q) * np.log(p / q)))])


class Trees:
    """river's half-space trees of each feature."""

    def __init__(self) -> None:
        self._trees = {name: HalfSpaceTrees(n_trees=25, height=6, window_size=DAYS, seed=1) for name in FEATURES}

    def judge(self, block: Block) -> Verdict:
        """A score, and no value."""
        return {name: (float(self._trees[name].score_one(_hashed(*of))), -1) for name, of in block.items()}

    def pass_by(self, block: Block) -> None:
        """Trees know no order."""

    def learn(self, block: Block) -> None:
        """A block is part of the past."""
        for name, of in block.items():
            self._trees[name].learn_one(_hashed(*of))


def _heavy(codes: Hashes, counts: Counts) -> Heavy:
    return Heavy.keep(codes, counts, np.zeros_like(counts), int(counts.sum()), 0, 256)


def _hashed(codes: Hashes, counts: Counts) -> dict[int, float]:
    bucket = (codes >> np.uint64(60)).astype(np.int64)
    shares = np.sqrt(np.bincount(bucket, weights=counts, minlength=BUCKETS) / counts.sum())
    return dict(enumerate(shares.tolist()))


def _first(odd: Sequence[Odd]) -> tuple[float, int]:
    return odd[0].surprise - float(np.log10(len(odd))), odd[0].value

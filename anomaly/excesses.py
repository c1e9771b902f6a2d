"""How rare a raw score of any unit is: a wide histogram that fades, and a generalised Pareto tail over its quantile.

For channels whose scores have no unit in common (a run of equal values, a new record); `anomaly.tails` needs sigmas.
Bins of an eighth of an octave from 2^-30 to 2^20; the excesses over the `1 - share` quantile follow a generalised
Pareto law, its shape by moments (Hosking and Wallis 1987), at most 0.45, drawn towards an exponential while few. What
more than one score in 100 reaches is as rare as it was seen: counts of 0 and 1 have no tail that a law describes.

Cost: 3.2 kB a series.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from streamgauge.anomaly.columns import Arrays, Column, empty, pack, pick, unpack
from streamgauge.anomaly.reference import Floats, Rows

BINS: Final = 400
ZERO: Final = 240  # the bin of 1
PER_OCTAVE: Final = 8
WARM: Final = 51  # scores before one is judged
FEW: Final = 20.0  # excesses for the shape to count half
PRIOR: Final = 2.0  # excesses of a fifth of the quantile, for the mean
RARE: Final = 0.01  # share of the scores that is counted: no law of a tail makes of it less
MOST: Final = 40.0
_COLUMNS: Final = {"counts": Column("<f8", (BINS,)), "seen": Column("<i4")}
_MIDDLES: Final = np.exp2((np.arange(BINS) + 0.5 - ZERO) / PER_OCTAVE)


class Excesses:
    """The raw scores of `series` series.

    Args:
        series: how many series.
        share: of the scores whose excesses shape the tail.
        fade: weight that a score keeps after each next one.
    """

    def __init__(self, series: int, share: float = 0.05, fade: float = 1.0) -> None:
        self.share, self.fade = share, fade
        self._arrays: Arrays = empty(_COLUMNS, series)

    def surprise(self, score: Floats) -> Floats:
        """`-log10` of the share of scores as high, shape [series]; 0 below the tail and while little is known."""
        counts = self._arrays["counts"]
        out = np.zeros(len(score))
        rows = np.flatnonzero((self._arrays["seen"] >= WARM) & (score > 0.0))
        if not len(rows):
            return out
        above = np.zeros((len(rows), BINS + 1))
        above[:, :-1] = np.cumsum(counts[rows, ::-1], axis=1)[:, ::-1]
        total = above[:, 0]
        edge = np.count_nonzero(above[:, 1:BINS] >= (self.share * total)[:, None], axis=1) + 1
        start = np.exp2((edge - ZERO) / PER_OCTAVE)
        far = np.flatnonzero(score[rows] > start)
        if len(far):
            few = above[far, edge[far]]
            told = _beyond(score[rows[far]], start[far], edge[far], counts[rows[far]], few, total[far])
            as_high = above[far, _bin(score[rows[far]])] / total[far]
            out[rows[far]] = np.where(as_high > RARE, np.minimum(told, -np.log10(np.maximum(as_high, RARE))), told)
        return out

    def learn(self, score: Floats) -> None:
        """Count one score a series; NaN teaches nothing."""
        rows = np.flatnonzero(score == score)
        counts = self._arrays["counts"]
        if self.fade < 1.0:
            counts[rows] *= self.fade
        counts.reshape(-1)[rows * BINS + _bin(score[rows])] += 1.0
        self._arrays["seen"][rows] += 1

    def reindex(self, index: Rows) -> None:
        """Keep the series `index`, in that order; -1 is a new one."""
        self._arrays = pick(_COLUMNS, self._arrays, index)

    def snapshot(self) -> bytes:
        """All state, exactly."""
        return np.array([self.share, self.fade], dtype="<f8").tobytes() + pack(self._arrays)

    @classmethod
    def restore(cls, data: bytes) -> Excesses:
        """What `snapshot` was taken of."""
        share, fade = np.frombuffer(data[:16], "<f8").tolist()
        excesses = cls(0, share, fade)
        excesses._arrays = unpack(data[16:])
        return excesses


def _bin(score: Floats) -> Rows:
    with np.errstate(divide="ignore"):
        place = np.floor(np.log2(np.maximum(score, 1e-300)) * PER_OCTAVE) + ZERO
    binned: Rows = np.where(score > 1e-9, np.clip(place, 1, BINS - 1), 0).astype(np.int64)
    return binned


def _beyond(score: Floats, start: Floats, edge: Rows, counts: Floats, few: Floats, total: Floats) -> Floats:
    excess = np.where(np.arange(BINS) >= edge[:, None], _MIDDLES[None, :] - start[:, None], 0.0)
    first, second = np.sum(counts * excess, axis=1), np.sum(counts * np.square(excess), axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        raw = first / few
        variance = np.maximum(second / few - np.square(raw), 1e-12 * np.square(raw))
        mean = (first + PRIOR * 0.2 * start) / (few + PRIOR)
        shape = np.clip(0.5 * (1.0 - np.square(mean) / variance), 0.0, 0.45) * few / (few + FEW)
    some = few > 0.0
    shape = np.where(some, shape, 0.0)
    away = (score - start) / np.where(some, mean * (1.0 - shape), 0.2 * start)
    curved = np.log1p(shape * away) / np.maximum(shape, 1e-3)
    share = (few + 0.5) / (total + 1.0)
    surprise: Floats = (np.where(shape < 1e-3, away, curved) - np.log(share)) / np.log(10.0)
    return np.minimum(surprise, MOST)


class Running:
    """The same with an exponential tail over a running 98 % quantile: for scores that are nearly always 0.

    The quantile follows the scores in steps of their mean (stochastic approximation, Robbins and Monro 1951).
    """

    def __init__(self, series: int, share: float = 0.02) -> None:
        self.share = share
        self._arrays: Arrays = empty(_RUNNING, series)

    def surprise(self, score: Floats) -> Floats:
        """`-log10` of the share of scores as high, shape [series]; 0 below the tail and while little is known."""
        arrays = self._arrays
        ready = (arrays["seen"] >= WARM) & (score > arrays["edge"]) & (arrays["excess"] > 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            surprise = ((score - arrays["edge"]) / arrays["excess"] - np.log(self.share)) / np.log(10.0)
        return np.where(ready, np.minimum(surprise, MOST), 0.0)

    def learn(self, score: Floats) -> None:
        """Take in one score a series; NaN teaches nothing."""
        arrays, known = self._arrays, score == score
        value = np.where(known, score, 0.0)
        seen = arrays["seen"] + known
        slow = np.maximum(1.0 / np.maximum(seen, 1), 1.0 / 2000)
        arrays["mean"] = np.where(known, arrays["mean"] + slow * (value - arrays["mean"]), arrays["mean"])
        step = np.maximum(arrays["mean"], 1e-12) * np.maximum(2.0 / np.sqrt(np.maximum(seen, 1)), 0.02)
        above = known & (value > arrays["edge"])
        edge = arrays["edge"] + np.where(above, step * (1.0 - self.share), -step * self.share)
        edge = np.where(known, np.maximum(edge, 0.0), arrays["edge"])
        counted = arrays["counted"] + above
        far = above & (value > edge)
        reach = np.where(counted > 20, 10.0 * arrays["excess"], np.inf)
        gain = np.maximum(1.0 / np.maximum(counted, 1), 1.0 / 500)
        moved = arrays["excess"] + gain * (np.minimum(value - edge, reach) - arrays["excess"])
        arrays["excess"] = np.where(far, moved, arrays["excess"])
        arrays["edge"], arrays["seen"], arrays["counted"] = edge, seen.astype("<i4"), counted.astype("<i4")


_RUNNING: Final = {
    "edge": Column("<f8"), "excess": Column("<f8"), "mean": Column("<f8"), "seen": Column("<i4"),
    "counted": Column("<i4"),
}  # fmt: skip

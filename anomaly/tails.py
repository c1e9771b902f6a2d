"""How rare a score is by a series' own past: a histogram of scores and a generalised Pareto tail beyond it.

A score in sigmas promises nothing: on Student's t with 3 degrees of freedom one value in 350 exceeds eight. Here a
score becomes `-log10 p`. Where the past has at least 30 scores as high, p is their share; beyond, the excesses over the
95 % quantile follow a generalised Pareto law (Pickands 1975), its shape and scale by the first two moments of their
logarithms (Dekkers, Einmahl and de Haan 1989), drawn towards a normal law's while there are few.

Guarantee, after 10,000 points: the stated rate holds within a factor of two at 1e-2, 1e-3 and 1e-4 on normal, Student-t
(3) and seasonal streams, as a mean over series (tested). Cost: 260 bytes a series; scores below 1 cost one comparison.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from streamgauge.anomaly.columns import Arrays, Column, empty, pack, pick, unpack
from streamgauge.anomaly.reference import Bools, Floats, Rows

PER_OCTAVE: Final = 8
LOWEST: Final = -1.0  # log2 of the first edge
BINS: Final = 64  # up to 2^7; the last is open
SHARE: Final = 0.05  # of the scores, those whose excesses shape the tail
ENOUGH: Final = 30.0  # scores above one, for their share to be believed
PRIOR: Final = 40.0  # excesses that the exponential of a normal law is worth
NORMAL_FIRST: Final = 0.1472  # mean of log(|x| / 1.96) beyond 1.96 for a normal law, and of its square
NORMAL_SECOND: Final = 0.0387
SHAPES: Final = (-0.3, 0.6)  # of a tail: bounded to so heavy that it has no variance
ROUGH: Final = 1.5  # of a logarithm, for a first idea of their mean
FARTHEST: Final = 5.0  # means that one may count
RAREST: Final = 300.0  # -log10 p is at most this
_COLUMNS: Final = {"below": Column("<f4"), "counts": Column("<f4", (BINS,))}
_EDGES: Final = np.exp2(LOWEST + np.arange(BINS + 1) / PER_OCTAVE)
_MIDDLES: Final = np.sqrt(_EDGES[:-1] * _EDGES[1:])
_HALVED: Final = 1 << 15  # points after which the past counts half


class Tail:
    """The scores of `series` series and what they say of a new one.

    Args:
        series: how many series.
        memory: small scores after which the past counts half; no part of the state.

    >>> tail = Tail(1)
    >>> for score in np.random.default_rng(1).normal(size=20_000):
    ...     tail.learn(np.array([score]), np.array([True]))
    >>> bool(2.5 < tail.surprise(np.array([3.29]))[0] < 3.5)  # one in a thousand, on either side
    True
    """

    def __init__(self, series: int = 0, memory: float = _HALVED) -> None:
        self.memory = memory
        self._arrays: Arrays = empty(_COLUMNS, series)

    def surprise(self, score: Floats) -> Floats:
        """`-log10` of the share of scores as far from 0, shape [series]; 0 for the unknown."""
        size = np.abs(score)
        out = np.zeros(len(score))
        rows = np.flatnonzero(size >= 1.0)
        if len(rows):
            out[rows] = _surprise(size[rows], self._arrays["counts"][rows], self._arrays["below"][rows])
        return out

    def learn(self, score: Floats, keep: Bools) -> None:
        """Count one score a series, where `keep`."""
        arrays, size = self._arrays, np.abs(score)
        low = keep & (size < _EDGES[0])
        arrays["below"] += low
        rows = np.flatnonzero(keep & (size >= _EDGES[0]))
        arrays["counts"].reshape(-1)[rows * BINS + _bin(size[rows])] += 1.0
        full = np.flatnonzero(arrays["below"] > self.memory)
        for name in _COLUMNS:
            arrays[name][full] *= 0.5

    def revise(self, row: int, score: float, by: int) -> None:
        """Take a score of one series that was learnt back (`by` -1), or in again (1)."""
        size = np.abs(np.array([score]))
        is_low = bool(size[0] < _EDGES[0])
        place = row if is_low else (row, int(_bin(size)[0]))
        counts = self._arrays["below" if is_low else "counts"]
        counts[place] = max(0.0, float(counts[place]) + by)

    def known(self) -> Floats:
        """How many scores stand behind the tail, shape [series]."""
        counts: Floats = self._arrays["below"] + self._arrays["counts"].sum(axis=1)
        return counts

    def forget(self, rows: Rows) -> None:
        """The scores of these series mean something else from now on."""
        for name in _COLUMNS:
            self._arrays[name][rows] = 0.0

    def take(self, rows: Rows, other: Tail) -> None:
        """The scores of these series in another tail are what is known here."""
        for name in _COLUMNS:
            self._arrays[name][rows] = other._arrays[name][rows]

    def reindex(self, index: Rows) -> None:
        """Keep the series `index`, in that order; -1 is a new one."""
        self._arrays = pick(_COLUMNS, self._arrays, index)

    def snapshot(self) -> bytes:
        """All state, exactly."""
        return pack(self._arrays)

    @classmethod
    def restore(cls, data: bytes, memory: float = _HALVED) -> Tail:
        """The tail that `snapshot` was taken of."""
        tail = cls(0, memory)
        tail._arrays = unpack(data)
        return tail


def _bin(size: Floats) -> Rows:
    place: Rows = np.clip((np.log2(size) - LOWEST) * PER_OCTAVE, 0, BINS - 1).astype(np.int64)
    return place


def _surprise(size: Floats, counts: Floats, below: Floats) -> Floats:
    """For scores of at least 1 [rows] and their series' counts [rows, BINS]."""
    rows = np.arange(len(size))
    above = np.zeros((len(size), BINS + 1))
    above[:, :-1] = np.cumsum(counts[:, ::-1].astype(np.float64), axis=1)[:, ::-1]
    total = above[:, 0] + below
    place = _bin(size)
    # Within a bin the share falls geometrically from edge to edge.
    part = np.clip((np.log2(np.minimum(size, _EDGES[-1])) - LOWEST) * PER_OCTAVE - place, 0.0, 1.0)
    high, low = above[rows, place], above[rows, place + 1]
    with np.errstate(divide="ignore"):
        as_high = np.exp((1.0 - part) * np.log(np.maximum(high, 0.5)) + part * np.log(np.maximum(low, 0.5)))
        known = -np.log10((as_high + 0.5) / (total + 1.0))
    start, beyond = _beyond(size, counts, above, total)
    seen = (low >= ENOUGH) | (size < start)
    return np.clip(np.where(seen, known, beyond), 0.0, RAREST)


def _beyond(size: Floats, counts: Floats, above: Floats, total: Floats) -> tuple[Floats, Floats]:
    """Where the tail begins, and the surprise by the law of the excesses."""
    edge = np.argmax(above <= np.maximum(SHARE * total, 1.0)[:, None], axis=1)  # the first edge with few above it
    start = np.maximum(_EDGES[edge], 1.0)
    few = above[np.arange(len(size)), edge]
    excess = np.maximum(_MIDDLES[None, :] - start[:, None], 0.0) * (np.arange(BINS) >= edge[:, None])
    away = np.maximum(np.log(_MIDDLES)[None, :] - np.log(start)[:, None], 0.0) * (np.arange(BINS) >= edge[:, None])
    # An incident or two weigh like the far end of the usual tail, so that they do not make the next one usual.
    rough = (np.sum(counts * np.minimum(away, ROUGH), axis=1) + PRIOR * NORMAL_FIRST) / (few + PRIOR)
    away = np.minimum(away, FARTHEST * rough[:, None])
    first = (np.sum(counts * away, axis=1) + PRIOR * NORMAL_FIRST) / (few + PRIOR)
    second = (np.sum(counts * np.square(away), axis=1) + PRIOR * NORMAL_SECOND) / (few + PRIOR)
    curve = 1.0 - 0.5 / np.maximum(1.0 - np.square(first) / second, 1e-3)
    shape = np.clip(first + curve, *SHAPES)
    scale = start * first * (1.0 - np.minimum(curve, 0.0))
    excess = np.maximum(size - start, 0.0) / scale
    flat = np.abs(shape) < 1e-3
    with np.errstate(divide="ignore", invalid="ignore"):
        curved = np.log1p(np.maximum(shape * excess, -0.999)) / np.where(flat, 1.0, shape)
    p = (few + 0.5) / (total + 1.0)
    out: Floats = (np.where(flat, excess, curved) - np.log(np.minimum(p, 1.0))) / np.log(10.0)
    return start, out

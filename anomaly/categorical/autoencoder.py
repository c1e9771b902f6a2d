"""A network that learns within the stream what the blocks of a job look like, all features together, and judges them.

What `network` decodes is what is expected of each bucket of each feature; how surprising a bucket is follows as in
`rates`, by how far it usually lies from that. So it answers at two resolutions: the feature of a block, and the value
in it that made it odd. It takes eight steps of descent for every block learnt, on sequences of the last `KEPT`.

Another machine may round otherwise in the last bits, and a network remembers: scores are rounded to 1e-6, and equal on
one machine whatever engine or batch size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamgauge.anomaly.categorical import network
from streamgauge.anomaly.categorical.network import ADVERSARY, CODE, HIDDEN, SCALES, Adam
from streamgauge.anomaly.categorical.spread import HALF_LIFE, NEW, Counts, Floats, Hashes, Odd, Spread, ranked
from streamgauge.anomaly.categorical.tape import Node, derive

WIDTH: Final = 64  # buckets of a feature
KEPT: Final = 224  # blocks that sequences are drawn from
LENGTH: Final = 6  # blocks of a sequence
BATCH: Final = 8
STEPS: Final = 8  # for each block that is learnt
WARM: Final = 28  # blocks before it judges
LEAST: Final = 1e-4  # share that every bucket is taken to have
Block = Mapping[str, tuple[Hashes, Counts]]  # codes and rows of each feature


class Autoencoder:
    """What a job's blocks look like.

    Args:
        features: their names, in the order in which they are read.
        half_life: blocks after which what is known of the spread counts half.
    """

    def __init__(self, features: tuple[str, ...], half_life: float = HALF_LIFE) -> None:
        self.features, self.size = features, len(features) * WIDTH
        self.weights = network.fresh(self.size, np.random.default_rng(0))
        self.adam, self.against = Adam(self.weights), Adam(self.weights)
        self.memory = np.zeros((1, HIDDEN))
        self.means = np.zeros((len(SCALES), self.size))
        self.past = np.zeros((0, len(SCALES), self.size), np.float32)
        self.spread = Spread((len(features), WIDTH), half_life)
        self.blocks = 0

    def judge(self, block: Block) -> dict[str, list[Odd]]:
        """The values of each feature, the most surprising first; nothing while it has seen too little."""
        if self.blocks < WARM:
            return {}
        rows = self._rows(block)
        expected = self._expected(rows)
        every = np.broadcast_to(np.arange(WIDTH), rows.shape)
        surprise = self.spread.surprise(rows, expected, np.full(rows.shape, np.inf), every)
        found = {}
        for place, name in enumerate(self.features):
            if name in block and len(block[name][0]):
                codes, counts = block[name]
                bucket = _bucket(codes)
                own = np.where(_is_largest(bucket, counts), surprise[place][bucket], 0.0)
                gone = np.where(rows[place] > 0.0, 0.0, surprise[place])  # no value of the block stands for these
                found[name] = ranked(
                    np.append(codes, np.uint64(NEW)), np.append(counts, 0.0),
                    np.append(expected[place][bucket], expected[place][gone.argmax()]),
                    np.append(own, gone.max()).round(6),
                )  # fmt: skip
        return found

    def pass_by(self, block: Block) -> None:
        """A block went by that teaches nothing."""
        shares = _root(self._rows(block))
        scaled = self._scaled(shares)
        _, _, memory = network.step(
            network.nodes(self.weights), [one[None, :] for one in scaled], Node(self.memory), WIDTH
        )
        self.means, self.memory = scaled, memory.value

    def learn(self, block: Block) -> None:
        """A block is part of the past."""
        rows = self._rows(block)
        if self.blocks >= WARM // 2:
            self.spread.learn(rows, self._expected(rows), np.full(rows.shape, np.inf))
        self.pass_by(block)
        self.past = np.concatenate([self.past, self.means[None].astype(np.float32)])[-KEPT:]
        self.blocks += 1
        if len(self.past) > LENGTH:
            for part in range(STEPS):
                self._descend(np.random.default_rng((self.blocks, part)))

    def state(self) -> list[Any]:
        """Everything that is not an argument of the constructor."""
        tables = [_packed(table) for table in (self.weights, *self.adam.tables(), *self.against.tables())]
        steps = [self.adam.steps, self.against.steps]
        past = self.past.astype("<f4").tobytes()
        return [self.blocks, tables, steps, _packed({"memory": self.memory, "means": self.means}), past,
                self.spread.state()]  # fmt: skip

    def restore(self, state: Sequence[Any]) -> None:
        """Continue where the state was taken."""
        self.blocks, tables, steps, kept, past, spread = state
        self.weights, *moments = ({name: _unpacked(*of) for name, of in table} for table in tables)
        self.adam.restore(moments[:2], steps[0])
        self.against.restore(moments[2:], steps[1])
        self.memory, self.means = (_unpacked(*of) for _, of in kept)
        self.past = np.frombuffer(past, "<f4").reshape(-1, len(SCALES), self.size)
        self.spread.restore(spread)

    def _descend(self, generator: np.random.Generator) -> None:
        starts = generator.integers(0, len(self.past) - LENGTH + 1, BATCH)
        drawn = [self.past[starts + k].astype(np.float64) for k in range(LENGTH)]
        sequence = [[one[:, scale] for scale in range(len(SCALES))] for one in drawn]
        at = network.nodes(self.weights)
        loss, codes = network.losses(at, sequence, WIDTH)
        derive(loss)
        self.adam.descend(self.weights, at, of_adversary=False)
        if ADVERSARY:
            at, told = network.nodes(self.weights), np.concatenate([code.value for code in codes])
            derive(network.exposed(at, told, generator.normal(size=(len(told), CODE))))
            self.against.descend(self.weights, at, of_adversary=True)

    def _rows(self, block: Block) -> Floats:
        """Rows by feature and bucket."""
        rows = np.zeros((len(self.features), WIDTH))
        for place, name in enumerate(self.features):
            codes, counts = block.get(name, (np.zeros(0, np.uint64), np.zeros(0, np.int64)))
            rows[place] = np.bincount(_bucket(codes), weights=counts, minlength=WIDTH)
        return rows

    def _scaled(self, shares: Floats) -> Floats:
        """The block and its means over longer scales; the first block is its own mean."""
        if not self.blocks:
            return np.repeat(shares[None, :], len(SCALES), axis=0)
        scaled: Floats = self.means + (shares - self.means) / np.array(SCALES)[:, None]
        return scaled

    def _expected(self, rows: Floats) -> Floats:
        scaled = [one[None, :] for one in self._scaled(_root(rows))]
        shares, _, _ = network.step(network.nodes(self.weights), scaled, Node(self.memory), WIDTH)
        likely = shares.value.reshape(rows.shape)
        expected: Floats = (likely + LEAST) / (1.0 + LEAST * WIDTH) * rows.sum(axis=1, keepdims=True)
        return expected


def _packed(table: Mapping[str, Floats]) -> list[Any]:
    return [[name, [list(value.shape), value.astype("<f8").tobytes()]] for name, value in table.items()]


def _unpacked(shape: Sequence[int], data: bytes) -> Floats:
    value: Floats = np.frombuffer(data, "<f8").reshape(shape).copy()
    return value


def _root(rows: Floats) -> Floats:
    """The root of each bucket's share of its feature, in one row."""
    root: Floats = np.sqrt(rows / np.maximum(rows.sum(axis=1, keepdims=True), 1.0)).ravel()
    return root


def _bucket(codes: Hashes) -> Counts:
    return (codes >> np.uint64(58)).astype(np.int64)


def _is_largest(bucket: Counts, counts: Counts) -> NDArray[np.bool_]:
    """Which values have most rows of their bucket: they stand for it."""
    order = np.lexsort((-counts, bucket))
    first = np.ones(len(order), bool)
    first[1:] = bucket[order][1:] != bucket[order][:-1]
    largest = np.zeros(len(order), bool)
    largest[order[first]] = True
    return largest

"""Claims about the network: its derivatives are right, it learns, it names what is odd, two lives of it are one."""

from __future__ import annotations

import numpy as np
import pytest

from streamgauge.anomaly.categorical import network, tape
from streamgauge.anomaly.categorical.autoencoder import WARM, Autoencoder, Block
from streamgauge.tracer.summaries import hash_values

WIDTH, SIZE = 4, 8
VALUES = np.sort(hash_values(np.arange(40)))


def sequence(generator: np.random.Generator) -> list[list[network.Floats]]:
    """Three blocks of a batch of three, at every scale."""
    drawn = generator.dirichlet(np.ones(WIDTH), (3, len(network.SCALES), 3, SIZE // WIDTH))
    return [[np.sqrt(one).reshape(3, SIZE) for one in scales] for scales in drawn]


def blocks(count: int, seed: int = 1) -> list[Block]:
    generator = np.random.default_rng(seed)
    return [
        {name: (VALUES, generator.poisson(rate, len(VALUES)) + 1) for name, rate in (("x", 20), ("y", 10))}
        for _ in range(count)
    ]


def taught(count: int = WARM + 4) -> Autoencoder:
    found = Autoencoder(("x", "y"))
    for block in blocks(count):
        found.learn(block)
    return found


@pytest.mark.parametrize("side", ["encoder", "adversary"])
def test_derivatives_are_those_that_differences_show(side: str) -> None:
    generator = np.random.default_rng(1)
    weights, drawn = network.fresh(SIZE, generator), sequence(generator)
    codes, normal = generator.normal(size=(5, network.CODE)), generator.normal(size=(5, network.CODE))

    def cost(at: network.Nodes) -> tape.Node:
        return network.losses(at, drawn, WIDTH)[0] if side == "encoder" else network.exposed(at, codes, normal)

    at, small = network.nodes(weights), 1e-5
    tape.derive(cost(at))
    for name in weights if side == "encoder" else network.OF_ADVERSARY:
        place = tuple(int(generator.integers(0, n)) for n in weights[name].shape)
        around = []
        for moved in (small, -small):
            other = {key: value.copy() for key, value in weights.items()}
            other[name][place] += moved
            around.append(float(cost(network.nodes(other)).value))
        assert at[name].gradient[place] == pytest.approx((around[0] - around[1]) / (2 * small), abs=1e-8, rel=1e-4)


def test_it_learns_what_the_blocks_look_like() -> None:
    found, held_out = Autoencoder(("x", "y")), blocks(1, seed=9)[0]
    before = _distance(found, held_out)
    for block in blocks(20):
        found.learn(block)
    assert _distance(found, held_out) < 0.5 * before


def test_the_value_that_comes_more_often_is_named_in_its_feature_alone() -> None:
    found, block = taught(), dict(blocks(1, seed=9)[0])
    usual = found.judge(block)
    counts = block["x"][1].copy()
    counts[7] += 500
    odd = found.judge({**block, "x": (VALUES, counts)})
    assert odd["x"][0].value == VALUES[7]
    assert odd["x"][0].surprise > 10.0 > 4.0 > max(usual["x"][0].surprise, odd["y"][0].surprise)


def test_it_says_nothing_while_it_is_cold() -> None:
    assert taught(WARM - 1).judge(blocks(1)[0]) == {}


def test_a_restored_network_goes_on_to_the_bit() -> None:
    whole = taught()
    part = Autoencoder(("x", "y"))
    part.restore(taught(WARM).state())
    for block in blocks(WARM + 4)[WARM:]:
        part.learn(block)
    assert whole.state() == part.state()
    assert whole.judge(blocks(1, seed=9)[0]) == part.judge(blocks(1, seed=9)[0])


def _distance(found: Autoencoder, block: Block) -> float:
    rows = found._rows(block)
    return float(np.abs(found._expected(rows) - rows).sum() / rows.sum())

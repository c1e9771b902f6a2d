"""Claims about the sketch of what values are usual: what is odd is named, what moves by itself is not odd."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamgauge.anomaly.categorical.rates import Rates
from streamgauge.anomaly.categorical.spread import NEW, Counts, Hashes
from streamgauge.tracer.summaries import hash_values
from streamgauge.tracer.summaries.hashing import tally

VALUES = np.sort(hash_values(np.arange(400)))
SHARES = 1.0 / np.arange(1, 401) / np.sum(1.0 / np.arange(1, 401))


def block(generator: np.random.Generator, rows: int = 2000, shares: np.ndarray = SHARES) -> tuple[Hashes, Counts]:
    counts = generator.multinomial(rows, shares)
    return VALUES[counts > 0], counts[counts > 0]


def taught(blocks: int = 40) -> tuple[Rates, np.random.Generator]:
    generator, rates = np.random.default_rng(1), Rates()
    for _ in range(blocks):
        rates.learn(*block(generator))
    return rates, generator


def test_usual_blocks_are_as_rare_as_they_say() -> None:
    rates, generator = taught()
    surprises = [
        max(0.0, odd[0].surprise - np.log10(len(odd))) for _ in range(300) if (odd := rates.judge(*block(generator)))
    ]
    assert len(surprises) == 300
    assert np.mean(np.array(surprises) > 1.0) < 0.2  # at most twice what one in ten says
    assert max(surprises) < 4.0


@pytest.mark.parametrize("place", [2, 40, 300])
def test_the_value_that_comes_more_often_is_named(place: int) -> None:
    rates, generator = taught()
    moved = 0.95 * SHARES
    moved[place] += 0.05
    odd = rates.judge(*block(generator, shares=moved))[0]
    assert odd.value == VALUES[place]
    assert odd.rows > odd.expected
    assert odd.surprise > 4.0


def test_a_usual_value_that_is_gone_is_named() -> None:
    rates, generator = taught()
    shares = SHARES.copy()
    shares[1] = 0.0
    odd = rates.judge(*block(generator, shares=shares / shares.sum()))[0]
    assert (odd.value, odd.rows) == (VALUES[1], 0.0)
    assert odd.surprise > 10.0


def test_values_never_seen_are_odd_together_though_each_comes_once() -> None:
    rates, generator = taught()
    codes, counts = block(generator)
    fresh = tally(generator.integers(1, 1 << 63, 60, np.uint64))
    odd = rates.judge(np.concatenate([codes, fresh.hashes]), np.concatenate([counts, fresh.counts]))[0]
    assert (odd.value, odd.rows) == (NEW, 60.0)
    assert odd.surprise > 4.0


def test_a_value_that_moves_by_itself_surprises_less() -> None:
    generator, calm, restless = np.random.default_rng(1), Rates(), Rates()
    for number in range(60):
        swung = SHARES.copy()
        swung[2] *= 3.0 if number % 2 else 0.3
        calm.learn(*block(generator))
        restless.learn(*block(generator, shares=swung / swung.sum()))
    shares = SHARES.copy()
    shares[2] *= 2.5
    odd = block(generator, shares=shares / shares.sum())
    found = [next(one for one in rates.judge(*odd) if one.value == VALUES[2]) for rates in (calm, restless)]
    assert found[0].surprise > 10.0
    assert found[1].surprise < 2.0


def test_nothing_is_said_before_there_is_a_past_or_of_an_empty_block() -> None:
    none = np.zeros(0, np.uint64), np.zeros(0, np.int64)
    assert Rates().judge(*block(np.random.default_rng(1))) == []
    rates, _ = taught(2)
    before = rates.state()
    rates.learn(*none)
    assert rates.state() == before
    assert rates.judge(*none) == []


@given(seed=st.integers(0, 1000), split=st.integers(1, 6))
@settings(deadline=None)
def test_a_restored_sketch_goes_on_to_the_bit(seed: int, split: int) -> None:
    generator = np.random.default_rng(seed)
    blocks = [block(generator, rows=int(generator.integers(1, 300))) for _ in range(8)]
    whole, part = Rates(), Rates()
    for number, one in enumerate(blocks):
        whole.learn(*one)
        part.learn(*one)
        if number == split:
            state, part = part.state(), Rates()
            part.restore(state)
    assert whole.state() == part.state()
    assert whole.judge(*blocks[0]) == part.judge(*blocks[0])

"""The laws of the stream core hold; `LAWS=2000` raises the number of examples."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.pipelines.stream import laws

RANDOMS = st.integers(0, 2**32).map(Random)


@given(RANDOMS)
def test_one_log_gives_the_same_bytes_however_it_is_read(random: Random) -> None:
    laws.one_log_gives_one_answer(random)


@given(RANDOMS)
def test_interleaving_of_workers_does_not_show(random: Random) -> None:
    laws.interleaving_does_not_show(random)


@given(RANDOMS)
def test_order_of_shards_does_not_show(random: Random) -> None:
    laws.order_of_shards_does_not_show(random)

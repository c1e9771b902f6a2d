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
def test_coarse_ticks_equal_fine_ones(random: Random) -> None:
    laws.coarse_ticks_equal_fine_ones(random)


@given(RANDOMS)
def test_interleaving_of_workers_does_not_show(random: Random) -> None:
    laws.interleaving_does_not_show(random)


@given(RANDOMS)
def test_order_of_shards_does_not_show(random: Random) -> None:
    laws.order_of_shards_does_not_show(random)


@given(RANDOMS)
def test_a_job_in_shards_gives_what_it_gives_under_one_key(random: Random) -> None:
    laws.shards_give_what_one_key_gives(random)


@given(RANDOMS)
def test_every_window_closes_with_what_came_in_time(random: Random) -> None:
    laws.every_window_closes_with_what_came_in_time(random)


@given(RANDOMS)
def test_closes_go_on_after_a_year_and_memory_is_bounded(random: Random) -> None:
    laws.closes_go_on(random)

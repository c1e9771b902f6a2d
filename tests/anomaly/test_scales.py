"""Claims about scales: inverse functions, and sampling noise that does not depend on the value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.anomaly import scales

CODES = np.array([0, 1, 2, 3], dtype=np.int8)
ONES = np.ones(1)


@given(st.floats(1e-6, 1.0))
def test_inverse_undoes_forward(value: float) -> None:
    values = np.full(4, value)
    np.testing.assert_allclose(scales.inverse(CODES, scales.forward(CODES, values)), values, rtol=1e-9)


@given(st.sampled_from([np.nan, np.inf, -np.inf]))
def test_what_is_not_finite_is_unknown(value: float) -> None:
    assert np.isnan(scales.forward(CODES, np.full(4, value))).all()


@pytest.mark.parametrize("rate", [10.0, 30.0, 1000.0])
def test_root_of_a_poisson_count_has_noise_one_half(rate: float) -> None:
    counts = np.random.default_rng(1).poisson(rate, 20_000).astype(float)
    measured = scales.forward(np.ones(20_000, np.int8), counts).std()
    told = scales.noise(CODES[1:2], ONES * rate, ONES, ONES, 0 * ONES, ONES)[0]
    assert measured == pytest.approx(told, rel=0.2)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_arcsine_of_a_share_has_noise_by_its_rows_only(share: float) -> None:
    shares = np.random.default_rng(2).binomial(200, share, 20_000) / 200.0
    measured = scales.forward(np.full(20_000, 2, np.int8), shares).std()
    told = scales.noise(CODES[2:3], ONES * share, ONES * 200.0, 0 * ONES, 0 * ONES, ONES)[0]
    assert measured == pytest.approx(told, rel=0.1)


def test_a_rate_has_the_noise_of_the_count_behind_it() -> None:
    hour = scales.noise(CODES[1:2], ONES, ONES, ONES, 0 * ONES, ONES * 3600.0)[0]
    assert hour == pytest.approx(0.5 / 60.0)


def test_a_declared_error_larger_than_that_of_a_share_counts() -> None:
    assert scales.noise(CODES[2:3], ONES * 0.5, ONES * 1e6, ONES * 0.1, 0 * ONES, ONES)[0] == pytest.approx(0.1)

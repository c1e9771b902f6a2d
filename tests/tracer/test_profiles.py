"""How columns become profiles."""

from __future__ import annotations

import numpy as np
import pytest

from streamgauge.tracer.profiles import Feature, Profiles
from streamgauge.tracer.summaries import Moments


@pytest.mark.parametrize("first", [np.zeros(500), np.full(500, 1e12), np.zeros(0)])
def test_the_spread_of_values_is_kept_whatever_the_pane_before_them_held(first: np.ndarray) -> None:
    build = Profiles([], b"").build(Feature(name="time", kind="numeric"))
    list(build(first))
    values = 1.7e9 + np.random.default_rng(0).normal(0.0, 1.0, 2_000)
    parts = [part for half in (values[:1_000], values[1_000:]) for part in build(half) if isinstance(part, Moments)]
    assert Moments.merge(parts).std() == pytest.approx(values.std(ddof=1), rel=1e-6)

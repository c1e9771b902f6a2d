"""Claims about all channels together: no look ahead, no mixing of series, an event told once, nonsense survived."""

from __future__ import annotations

import numpy as np
import pytest

from streamgauge.anomaly.surprise import Surprise

ROWS = 1200


def read(values: np.ndarray, step: int = 300) -> tuple[np.ndarray, np.ndarray]:
    detector = Surprise(values.shape[1])
    readings = [detector.read(row, np.full(values.shape[1], number * step)) for number, row in enumerate(values)]
    return np.array([one.score for one in readings]), np.array([one.is_alert for one in readings])


@pytest.fixture(scope="module")
def streams() -> np.ndarray:
    generator = np.random.default_rng(1)
    values = generator.normal(100.0, 3.0, (ROWS, 3))
    values[:, 1] += 40.0 * np.sin(np.arange(ROWS) / 288.0 * 2.0 * np.pi)
    values[900:904] += 60.0
    return values


def test_an_event_is_told_once_and_stands_out(streams: np.ndarray) -> None:
    scores, alerts = read(streams)
    assert [np.flatnonzero(column[100:]).tolist() for column in alerts.T] == [[800]] * 3
    assert (scores[900] > 0.5).all()
    assert (scores[901:905] == 0.0).all()
    assert ((scores >= 0.0) & (scores < 1.0)).all()


def test_scores_of_a_prefix_are_the_prefix_of_the_scores(streams: np.ndarray) -> None:
    other = streams.copy()
    other[700:] = 1e9
    np.testing.assert_array_equal(read(streams)[0][:700], read(other)[0][:700])


def test_series_are_independent_of_their_company(streams: np.ndarray) -> None:
    together = read(streams)[0]
    apart = [read(streams[:, [column]])[0][:, 0] for column in range(3)]
    np.testing.assert_allclose(together, np.array(apart).T, rtol=1e-9)


@pytest.mark.parametrize("value", [0.0, 5.0, np.nan, 1e300])
def test_a_series_that_never_moves_or_is_unknown_is_quiet(value: float) -> None:
    scores, alerts = read(np.full((400, 1), value))
    assert not alerts.any()
    assert np.isfinite(scores).all()


def test_what_is_said_of_an_alert_moves_its_own_threshold_only_within_bounds() -> None:
    detector = Surprise(3)
    for _ in range(200):
        detector.teach(np.array([0, 1]), np.array([True, False, False]))
    assert (detector.threshold / Surprise(3).threshold).round(3).tolist() == [0.6, 4.0, 1.0]


def test_rare_counts_and_what_a_constant_becomes_are_told_once_and_a_burst_is() -> None:
    generator, late = np.random.default_rng(5), np.arange(ROWS) >= 600
    counts = (generator.random((ROWS, 3)) < [0.02, 0.3, 0.02]).astype(float)
    counts[900:905, 2] = 30.0
    noise = 100.0 + np.where(late, generator.normal(0.0, 1.0, ROWS), 0.0)
    _, alerts = read(np.column_stack([counts, noise, 100.0 + late]))
    assert [np.flatnonzero(column[200:]).tolist() for column in alerts.T] == [[], [], [700], [400], [400]]

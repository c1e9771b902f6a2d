"""Claims about references that wait for their series: they are kept across a restart, and given when those come."""

from __future__ import annotations

import numpy as np

from streamgauge.pipelines.detection.taught import teach
from streamgauge.pipelines.detection.watch import Watch
from tests.pipelines.windows import SPEC, closed, config, key, metric, shares

DAY = 8  # windows of three hours
LATER = 40 * DAY  # the window from which on the series is seen


def taught() -> Watch:
    """A watch that was taught a series which it has not seen."""
    watch, values = Watch(config(), SPEC), np.array(shares(np.random.default_rng(1), 0.05, LATER))
    starts = np.arange(LATER) * SPEC.slide
    watch.teach(teach([key()], [metric()], starts, values[:, None], config(), SPEC, LATER * SPEC.slide))
    return watch


def restored(watch: Watch) -> Watch:
    found = Watch(config(), SPEC)
    found.restore(watch.snapshot())
    return found


def test_a_reference_of_a_series_not_yet_seen_is_kept_across_a_restart() -> None:
    window = closed({key(): 1.0}, metric(), LATER)
    for watch in (taught(), restored(taught()), restored(restored(taught()))):
        judged = watch.judge(window)
        assert watch.anomalies_of(window, judged, window.end), "a reference of 40 days knows that it is news"
        assert restored(watch).snapshot() == watch.snapshot()


def test_a_reference_that_was_given_is_kept_no_longer() -> None:
    watch = taught()
    assert b"taught/keys" in watch.snapshot()
    watch.judge(closed({key(): 0.05}, metric(), LATER))
    assert b"taught/keys" not in watch.snapshot()

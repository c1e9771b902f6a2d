"""Storms on a graph of a thousand nodes: how much is told, whether the true roots are, and that the cost is linear."""

from __future__ import annotations

import time

from tests.anomaly.suppression.night import WAITS, Night
from tests.anomaly.suppression.storm import Storm, storm


def play(played: Storm, every: float = 5.0) -> tuple[Night, float]:
    night = Night(played.edges, waits=WAITS._replace(clear_hold=120.0, recover=300.0))
    begin = time.process_time()
    night.play(played.arrivals, until=played.until, every=every)
    return night, time.process_time() - begin


def test_a_storm_is_told_as_its_roots_and_few_others() -> None:
    played = storm(2000, hours=6)
    night, _ = play(played)
    told = {(n.root.node, n.root.metric) for n in night.notifications if n.status == "firing"}
    roots = {name for name, is_root in played.roots.items() if is_root}
    assert len(told) < 0.2 * len(played.roots), "reduction"
    assert len(told & roots) > 0.9 * len(roots), "root recall"
    outlived = {(n.root.node, n.root.metric) for n in night.notifications if n.reason.decision == "outlived cause"}
    assert len(told & (roots | outlived)) > 0.9 * len(told), "justified pages"
    assert not night.ledger.episodes


def test_the_cost_of_an_alert_does_not_grow_with_the_storm() -> None:
    _, small = play(storm(1000, hours=6), every=30.0)
    _, large = play(storm(4000, hours=6), every=30.0)
    assert large < 10 * max(small, 0.05)

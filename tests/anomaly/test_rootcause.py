"""Ranking: the place where it began comes first, by the graph, by correlation, and on broken data."""

from __future__ import annotations

import math
import random

from hypothesis import given
from hypothesis import strategies as st

from streamgauge.anomaly.rootcause import CERTAIN, Points, rank, score

EDGES = [("db", "api"), ("cache", "api"), ("api", "page"), ("ads", "page")]


def series(chance: random.Random, *, jump: float = 0.0, after: float = 50.0, n: int = 80) -> Points:
    return [(float(t), chance.gauss(10, 1) + (jump if t >= after else 0.0)) for t in range(n)]


def metrics(chance: random.Random, broken: dict[str, float]) -> dict[tuple[str, str], Points]:
    return {(name, "ms"): series(chance, jump=broken.get(name, 0.0)) for name in ("db", "cache", "api", "page", "ads")}


def test_the_anomalous_cause_without_an_anomalous_cause_is_first() -> None:
    found = rank(EDGES, metrics(random.Random(1), {"db": 30.0, "api": 60.0, "page": 90.0}), "page", 50.0)
    assert [one.node for one in found] == ["db", "api", "page"]
    assert found[0].path == ("db", "api", "page")
    assert found[0].is_root


def test_of_two_roots_that_with_the_larger_correlation_is_first() -> None:
    values = metrics(random.Random(2), {"api": 60.0, "page": 90.0, "db": 40.0})
    values["ads", "ms"] = [(float(t), 10.0 + (5.0 * math.sin(t) + 9.0 if t > 70 else 0.1 * (t % 3))) for t in range(80)]
    assert [one.node for one in rank(EDGES, values, "page", 50.0) if one.is_root] == ["db", "ads"]


def test_any_change_of_a_constant_series_is_certain() -> None:
    assert score([(float(t), 1.0) for t in range(9)], 5.0) == (0.0, None)
    assert score([(float(t), 1.0 + (t == 7)) for t in range(9)], 5.0) == (CERTAIN, 7.0)


def test_nothing_known_before_says_nothing_and_nan_is_a_change() -> None:
    assert score([(6.0, 1.0), (7.0, 9.0)], 5.0) == (0.0, None)
    assert score([*((float(t), float(t % 2)) for t in range(5)), (5.0, math.nan)], 5.0)[0] == CERTAIN
    assert score([], 5.0) == (0.0, None)


def test_a_cycle_and_a_target_without_data_are_ranked_too() -> None:
    edges = [*EDGES, ("page", "db")]
    assert rank(edges, metrics(random.Random(3), {"db": 30.0, "page": 30.0, "api": 30.0}), "page", 50.0)
    assert [one.node for one in rank(EDGES, {}, "page", 50.0)] == ["page"]


@given(st.integers(0, 1000), st.permutations(EDGES))
def test_the_order_of_the_edges_changes_nothing(seed: int, edges: list[tuple[str, str]]) -> None:
    values = metrics(random.Random(seed), {"db": 30.0, "api": 60.0, "page": 90.0})
    assert rank(edges, values, "page", 50.0) == rank(EDGES, values, "page", 50.0)


def test_the_nodes_of_an_anomalous_cycle_are_roots_together() -> None:
    edges = [("db", "cache"), ("cache", "db"), ("cache", "api")]
    found = rank(edges, metrics(random.Random(4), {"db": 30.0, "cache": 30.0, "api": 60.0}), "api", 50.0)
    assert {one.node for one in found if one.is_root} == {"db", "cache"}

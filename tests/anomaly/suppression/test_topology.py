"""The graph: what lies upstream, which paths count, and the order in which causes stand before effects."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamgauge.anomaly.suppression.components import components
from streamgauge.anomaly.suppression.topology import LARGEST_CYCLE, Graph, base_of, worker_of
from streamgauge.anomaly.types import Edge, Topology
from tests.growth import lines

NODES = ("a", "b", "c", "a@x", "b@x", "a@y", "b@y", "d")
edges = st.lists(st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)).filter(lambda e: e[0] != e[1]), max_size=16)


def graph_of(*pairs: tuple[str, str], hops: int = 2, nodes: tuple[str, ...] = (), weight: float = 1.0) -> Graph:
    topology = Topology(job="ctr", revision=1, edges=tuple(Edge(*p, 0.0, weight) for p in pairs), nodes=nodes)
    return Graph(topology, max_hops=hops, hop_delay=40.0)


def test_a_path_has_at_most_max_hops_edges() -> None:
    graph = graph_of(("a", "b"), ("b", "c"), ("c", "d"))
    assert list(graph.causes("d")) == ["c", "b"]
    assert graph.causes("d")["b"].path == ("b", "c", "d")
    assert graph.causes("d")["b"].delay == 80.0


def test_trouble_at_one_worker_shows_at_the_job_but_never_at_another_worker() -> None:
    graph = graph_of(("a@x", "a"), ("a", "a@y"), ("a@y", "b@y"), ("a", "a@x"), hops=4)
    assert "a" in graph.effects("a@x")
    assert not {"a@y", "b@y"} & set(graph.effects("a@x"))
    assert {"a@y", "b@y", "a@x"} <= set(graph.effects("a"))


def test_an_edge_straight_from_worker_to_worker_is_followed() -> None:
    assert "a@y" in graph_of(("a@x", "a@y")).effects("a@x")


def test_a_weak_edge_explains_its_direct_effect_only() -> None:
    edges = (Edge("a", "b", 0.0, 0.1), Edge("b", "c"), Edge("c", "a"))
    graph = Graph(Topology(job="ctr", revision=1, edges=edges), max_hops=3, hop_delay=1.0)
    assert list(graph.effects("a")) == ["b"]
    assert list(graph.causes("b")) == ["a"]
    assert list(graph.causes("c")) == ["b"]
    assert graph.depth("b") < graph.depth("c") < graph.depth("a")
    assert graph.is_top("b")


def test_inside_a_giant_cycle_only_neighbours_explain_each_other() -> None:
    names = [f"n{i:02d}" for i in range(LARGEST_CYCLE + 1)]
    ring = graph_of(*zip(names, names[1:] + names[:1], strict=True), hops=3)
    assert list(ring.causes("n05")) == ["n04"]
    small = graph_of(*zip(names[:5], names[1:5] + names[:1], strict=True), hops=3)
    assert list(small.causes("n04")) == ["n03", "n02", "n01"]


@given(edges)
def test_causes_and_effects_are_two_views_of_one_relation(pairs: list[tuple[str, str]]) -> None:
    graph = graph_of(*pairs, hops=3)
    down = {(a, b, way.hops, way.delay) for a in NODES for b, way in graph.effects(a).items()}
    up = {(a, b, way.hops, way.delay) for b in NODES for a, way in graph.causes(b).items()}
    assert down == up


@given(edges)
def test_every_way_is_a_path_of_edges_that_never_comes_down_to_a_worker_twice(pairs: list[tuple[str, str]]) -> None:
    graph = graph_of(*pairs, hops=3)
    known = set(pairs)
    for b in NODES:
        for a, way in graph.causes(b).items():
            assert way.path[0] == a
            assert way.path[-1] == b
            steps = list(zip(way.path, way.path[1:], strict=False))
            assert set(steps) <= known
            been = False
            for one, other in steps:
                been = been or bool(worker_of(one))
                assert not (been and not worker_of(one) and worker_of(other))


@given(edges)
def test_a_cause_never_stands_below_its_effect(pairs: list[tuple[str, str]]) -> None:
    graph = graph_of(*pairs, nodes=NODES)
    bases = components({base_of(n) for n in NODES}, [(base_of(a), base_of(b)) for a, b in pairs])
    for a, b in pairs:
        is_apart = base_of(a) != base_of(b) and not graph.is_cyclic(a, b)
        if bases[base_of(a)] != bases[base_of(b)] or is_apart:
            assert graph.depth(a) < graph.depth(b)


@given(edges, st.randoms(use_true_random=False))
def test_the_order_of_the_edges_changes_nothing(pairs: list[tuple[str, str]], random: object) -> None:
    shuffled = list(pairs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = graph_of(*pairs, hops=3), graph_of(*shuffled, hops=3)
    for node in NODES:
        assert list(one.causes(node).items()) == list(other.causes(node).items())
        assert one.depth(node) == other.depth(node)


def test_nodes_are_built_and_searched_in_a_time_that_grows_with_their_number() -> None:
    def cost(nodes: int) -> int:
        pairs = [(f"n{i:04d}", f"n{j:04d}") for i in range(nodes) for j in (i + 1, i + 7) if j < nodes]

        def search() -> None:
            graph = graph_of(*pairs, hops=6)
            for i in range(nodes):
                graph.causes(f"n{i:04d}")

        return lines(search)

    assert cost(800) < 5 * cost(200)

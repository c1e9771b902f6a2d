"""The built-in lineage: where metrics live, and what may explain what in a job with workers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.anomaly.suppression.topology import Graph, worker_of
from streamgauge.anomaly.types import Domain, Edge, SeriesKey
from streamgauge.pipelines.config.schema import Feature, JobConfig
from streamgauge.pipelines.paging import lineage

JOB = JobConfig(
    name="flights",
    features=(
        Feature(name="tailnum", kind="id", source="planes"),
        Feature(name="seats", kind="numeric"),
        Feature(name="temp", kind="numeric", source="weather"),
    ),
    topology=(Edge("feature:tailnum", "feature:seats"), Edge("feature:temp@LGA", "train@JFK", 5.0)),
)
TOPOLOGY = lineage.topology(JOB, ("EWR", "JFK", "LGA"))
GRAPH = Graph(TOPOLOGY, max_hops=2, hop_delay=40.0)


@pytest.mark.parametrize(
    ("domain", "entity", "metric", "place"),
    [
        ("sample", "feature:tailnum", "missing_rate", "feature:tailnum"),
        ("sample", "feature:user@home", "psi", "feature:user%40home"),
        ("sample", "source:weather", "missing_rate", "source:weather"),
        ("sample", "", "label_arrivals", "labels"),
        ("sample", "label:positive", "label_delay_p95", "labels"),
        ("sample", "", "volume", "samples"),
        ("sample", "", "duplicate_rate", "samples"),
        ("train", "tensor:dense/kernel", "nonfinite", "model"),
        ("train", "loss", "nonfinite", "model"),
        ("train", "tensor:dense/kernel", "gradient_norm", "model"),
        ("train", "", "loss", "train"),
        ("train", "", "auc", "train"),
        ("train", "prediction", "prediction_mean", "prediction"),
        ("system", "heartbeat", "missing", "heartbeat"),
        ("system", "watermark", "behind", "watermark"),
        ("system", "", "watermark_lag", "watermark"),
        ("system", "", "restarts", "restart"),
        ("system", "", "step_time_p95", "machine"),
        ("system", "", "queue_delay_p50", "queue"),
        ("system", "", "something_new", "heartbeat"),
        ("train", "head:ctr", "something_new", "head:ctr"),
    ],
)
def test_each_metric_watches_one_place(domain: Domain, entity: str, metric: str, place: str) -> None:
    assert lineage.place(domain, entity, metric) == place


@pytest.mark.parametrize(
    ("cause", "effect"),
    [
        ("source:planes", "feature:tailnum"),
        ("source:planes", "source:planes@LGA"),
        ("source:planes@LGA", "feature:tailnum@LGA"),
        ("source:planes@LGA", "source:planes"),
        ("feature:tailnum", "feature:tailnum@LGA"),
        ("feature:tailnum@LGA", "feature:seats@LGA"),
        ("feature:tailnum@LGA", "samples@LGA"),
        ("feature:tailnum@LGA", "train@LGA"),
        ("feature:tailnum", "labels"),
        ("labels", "train@LGA"),
        ("labels@LGA", "train"),
        ("heartbeat@EWR", "feature:temp@EWR"),
        ("watermark@EWR", "labels@EWR"),
        ("watermark@EWR", "samples"),
        ("samples@JFK", "train@JFK"),
        ("model@JFK", "prediction@JFK"),
        ("model@JFK", "restart@JFK"),
        ("model@JFK", "heartbeat@JFK"),
        ("train", "serving"),
        ("feature:temp@LGA", "train@JFK"),
    ],
)
def test_what_explains_what(cause: str, effect: str) -> None:
    assert cause in GRAPH.causes(effect)


@pytest.mark.parametrize(
    ("cause", "effect"),
    [
        ("feature:tailnum@LGA", "feature:seats@JFK"), ("watermark@EWR", "samples@LGA"), ("train@LGA", "labels@LGA"),
        ("labels@LGA", "labels@JFK"), ("samples@LGA", "heartbeat@LGA"), ("labels", "samples"),
        ("model@JFK", "watermark@LGA"), ("feature:temp", "feature:tailnum"),
        ("source:planes@LGA", "feature:tailnum@JFK"), ("feature:tailnum@LGA", "source:planes@LGA"),
    ],
)  # fmt: skip
def test_what_does_not_explain_what(cause: str, effect: str) -> None:
    assert cause not in GRAPH.causes(effect)


def test_a_dead_worker_has_nothing_to_wait_for() -> None:
    assert GRAPH.is_top("heartbeat@EWR")
    assert not GRAPH.is_top("watermark@EWR")


def test_every_place_of_the_table_is_a_node_and_no_order_is_circular() -> None:
    assert set(lineage.PLACES) <= GRAPH.nodes
    assert all(GRAPH.depth(place)[1] == 0 for place in lineage.PLACES)


@given(st.data())
def test_the_part_about_some_workers_keeps_every_way_between_their_places(data: st.DataObject) -> None:
    """For any edges of the configuration, between places, from worker to worker, and at one worker alone."""
    places = st.sampled_from(["queue", "train", "serving", "feature:a", "source:x", "queue@w1", "train@w2", "x:y@w3"])
    edges = data.draw(st.lists(st.tuples(places, places).filter(lambda pair: pair[0] != pair[1]), max_size=5))
    job = JobConfig(name="ctr", topology=tuple(Edge(*pair) for pair in edges))
    whole = lineage.topology(job, ("w1", "w2", "w3", "w4"), features=("a", "b"))
    workers = data.draw(st.sets(st.sampled_from(["w1", "w2", "w3", "w4"])))
    part = lineage.within(whole, workers)
    near = {node for node in part.nodes if worker_of(node) in {"", *workers}}
    kept, all_ = (Graph(one, max_hops=6, hop_delay=0.0) for one in (part, whole))
    for node in sorted(near):
        ways = {
            cause: way for cause, way in all_.causes(node).items()
            if cause in near and not all_.is_cyclic(node, cause)  # a cycle is smaller where there are fewer workers
        }  # fmt: skip
        assert {cause: kept.causes(node)[cause] for cause in ways} == ways
    if not edges:
        assert {worker_of(node) for node in part.nodes} == {"", *workers}


def test_the_topology_does_not_depend_on_the_order_of_the_workers() -> None:
    assert lineage.topology(JOB, ("LGA", "EWR", "JFK", "LGA", "")) == TOPOLOGY


def test_the_node_of_an_anomaly_is_its_place_at_its_worker() -> None:
    key = SeriesKey("flights", "LGA", "sample", "feature:tailnum", "missing_rate")
    assert f"{lineage.place(key.domain, key.entity, key.metric)}@LGA" == key.node

"""The ranking within an incident: upstream anomalies with their evidence, one line a place; it decides nothing."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streamgauge.anomaly.rootcause import Points
from streamgauge.anomaly.types import Edge
from streamgauge.pipelines.config.schema import Feature, JobConfig
from streamgauge.pipelines.paging import causes, lineage

JOB = JobConfig(name="ctr", features=(Feature(name="city", kind="id", source="geo"),))
TOPOLOGY = lineage.topology(JOB, ("w0", "w1"))


def row(entity: str, metric: str, start: float, *, worker: str = "", domain: str = "sample", score: float = 9.0) -> Any:
    node = lineage.node_of(lineage.place(domain, entity, metric), worker)
    return {
        "job": "ctr", "worker": worker, "domain": domain, "entity": entity, "metric": metric, "start": start,
        "end": None, "score": score, "text": f"{metric} moved", "node": node,
    }  # fmt: skip


LOSS = row("", "loss", 100.0, domain="train")
CITY = row("feature:city", "missing_rate", 60.0)


def ranked(*anomalies: Any, root: Any = LOSS, curves: dict[str, Points] | None = None) -> list[causes.Cause]:
    known = curves or {}
    return causes.rank(TOPOLOGY, root, anomalies, lambda one: known.get(one["metric"], ()), tolerance=60.0)


def test_an_anomaly_upstream_is_before_what_was_paged_with_its_evidence() -> None:
    curves = {"loss": [(float(t), float(t)) for t in range(9)], "missing_rate": [(float(t), 2.0 * t) for t in range(9)]}
    first, second = ranked(CITY, LOSS, curves=curves)
    assert (first.node, first.lag, first.correlation, first.is_root) == ("feature:city", 40.0, 1.0, True)
    assert first.path == ("feature:city", "train")
    assert (second.node, second.is_paged, second.is_root) == ("train", True, False)


def test_without_an_anomaly_upstream_it_began_where_it_was_paged() -> None:
    (only,) = ranked(LOSS)
    assert (only.node, only.is_paged, only.is_root) == ("train", True, True)


def test_a_source_is_the_root_of_its_feature() -> None:
    found = ranked(CITY, row("source:geo", "missing_rate", 30.0))
    assert [(one.node, one.is_root) for one in found] == [
        ("source:geo", True), ("feature:city", False), ("train", False),
    ]  # fmt: skip


def test_one_place_is_one_line_that_names_its_workers() -> None:
    found = ranked(*(row("feature:city", "missing_rate", 60.0 + i, worker=f"w{i}") for i in range(2)))
    assert [(one.node, one.workers) for one in found] == [("feature:city", ("w0", "w1")), ("train", ())]
    assert found[0].start == 60.0
    assert ranked(row("feature:city", "missing_rate", 60.0, worker="w1"))[0].node == "feature:city@w1"


def test_what_began_later_stands_behind_what_was_paged() -> None:
    found = ranked(row("feature:city", "missing_rate", 500.0))
    assert [one.node for one in found] == ["train", "feature:city"]
    assert found[0].is_root


def test_a_value_does_not_explain_a_worker_that_stopped() -> None:
    missing = row("", "missing", 100.0, worker="w1", domain="system")
    assert [one.node for one in ranked(CITY, missing, root=missing)] == ["heartbeat@w1"]


def test_a_place_that_no_other_can_have_moved_is_a_root_beside_it() -> None:
    found = ranked(CITY, row("", "volume", 70.0), root=row("", "throughput", 100.0, domain="train"))
    assert [(one.node, one.is_root) for one in found] == [("samples", True), ("train", False)]
    found = ranked(CITY, row("", "volume", 70.0))
    assert {one.node for one in found if one.is_root} == {"feature:city", "samples"}


def test_an_anomaly_behind_a_quiet_place_is_told_as_such() -> None:
    source = row("source:geo", "missing_rate", 30.0)
    found = ranked(source)
    assert [(one.node, one.is_direct) for one in found] == [("train", True), ("source:geo", False)]


def test_places_on_a_cycle_are_roots_together() -> None:
    job = JobConfig(name="ctr", topology=(Edge("a", "b"), Edge("b", "a"), Edge("b", "train")))
    rows = [row("a", "x", 10.0), row("b", "x", 20.0)]
    found = causes.rank(lineage.topology(job, ()), LOSS, rows, lambda one: (), tolerance=60.0)
    assert [(one.node, one.is_root) for one in found] == [("a", True), ("b", True), ("train", False)]


PLACES = ("feature:city", "source:geo", "", "feature:age")
ANOMALIES = st.lists(
    st.builds(
        lambda entity, metric, start, worker: row(entity, metric, float(start), worker=worker),
        st.sampled_from(PLACES), st.sampled_from(("missing_rate", "volume", "nonfinite", "label_rate")),
        st.integers(0, 300), st.sampled_from(("", "w0", "w1")),
    ),
    max_size=12,
)  # fmt: skip


@given(ANOMALIES, st.randoms())
def test_the_order_of_anomalies_changes_nothing_and_the_paged_place_is_there(rows: list[Any], chance: Any) -> None:
    found = ranked(*rows)
    mixed = list(rows)
    chance.shuffle(mixed)
    assert [one.node for one in ranked(*mixed)] == [one.node for one in found]
    assert sum(one.is_paged for one in found) == 1
    assert len({one.node for one in found}) == len(found)
    assert all(one.path[-1] == "train" for one in found)

"""Learnt edges: found in what happened, shown with evidence, ranking, and folding nothing until a person says so."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.anomaly.types import Anomaly, Confirm, Decision, Edge, Notification, Topology
from streamgauge.pipelines.config.schema import Config, JobConfig
from streamgauge.pipelines.paging import actions, confirmations, learnt_edges, lineage
from streamgauge.pipelines.paging.learnt_edges import Learnt, learn, weak
from streamgauge.pipelines.paging.pager import KINDS, Pager
from streamgauge.pipelines.wire import outputs
from streamgauge.tracer.records import Tick
from streamgauge.tracer.transport import MemoryLog
from tests import growth

JOB = JobConfig(name="ctr")
HOUR = 3600.0
KNOWN = lineage.topology(JOB, (), features=("a", "b"))


def row(entity: str, start: float, severity: str = "ticket") -> dict[str, Any]:
    return {"domain": "sample", "entity": entity, "metric": "psi", "worker": "", "start": start, "severity": severity}


def together(times: int, lag: float = 30.0, alone: int = 0) -> list[dict[str, Any]]:
    """So often `b` after `a`, and `a` alone."""
    rows = [row("feature:a", HOUR * i) for i in range(times + alone)]
    return rows + [row("feature:b", HOUR * i + lag) for i in range(times)]


def test_what_follows_again_and_again_is_proposed_with_its_evidence() -> None:
    (pair,) = learn(together(6), KNOWN)
    assert (pair.cause, pair.effect, pair.together, pair.first, pair.lag) == ("feature:a", "feature:b", 6, 6, 30.0)
    assert pair.text == (
        "began within 3 min of each other 6 times, feature:a first in 6, by 30 s; feature:a began 6 times, feature:b 6"
    )


@pytest.mark.parametrize(
    "rows",
    [together(3), together(6, alone=12), together(6, lag=400.0), [*together(3), *together(3, lag=-30.0)]],
    ids=["too rarely", "mostly alone", "too late", "in no order"],
)
def test_what_proves_little_is_not_proposed(rows: list[dict[str, Any]]) -> None:
    assert learn(rows, KNOWN) == []


def test_what_was_settled_is_not_proposed_again_until_that_is_withdrawn() -> None:
    bus = MemoryLog()

    def learnt() -> list[Learnt]:
        return learn(together(6), KNOWN, confirmations.settled(said_of(bus)))

    (pair,) = learnt()
    edge = ("feature:a", "feature:b")
    for at, (verdict, is_left) in enumerate((("reject", False), ("withdraw", True), ("confirm", False))):
        actions.judge(bus, "ctr", edge, verdict, 60.0 + at, "Ada -> B", pair.text)  # type: ignore[arg-type]
        assert learnt() == ([pair] if is_left else [])
        (word,) = said_of(bus)
        assert (word.who, word.text) == ("Ada -> B", pair.text)
    assert confirmations.confirmed(said_of(bus)) == (Edge("feature:a", "feature:b"),)


def said_of(bus: MemoryLog) -> list[confirmations.Word]:
    """The last words on edges, as a store keeps them."""
    changes = [outputs.decode(one.value) for one in bus.read("alerts", 0, 100)]
    return confirmations.words(msgspec.structs.asdict(one) for one in changes)


@given(
    st.lists(st.tuples(st.integers(0, 60), st.lists(st.integers(0, 12), min_size=3, max_size=3)), max_size=30),
    st.sampled_from([30.0, 60.0, 90.0]),
)
def test_pairs_are_counted_as_by_hand(nights: list[tuple[int, list[int]]], step: float) -> None:
    """Each proposal, and nothing else, from all pairs of onsets looked at one by one."""
    rows = [
        row(f"feature:{name}", 700.0 * night + step * lag)
        for night, lags in nights for name, lag in zip("abc", lags, strict=True) if lag
    ]  # fmt: skip
    onsets: dict[str, list[float]] = {}
    for one in sorted(rows, key=lambda one: one["start"]):
        own = onsets.setdefault(one["entity"], [])
        if not own or one["start"] - own[-1] >= 600.0:
            own.append(one["start"])
    wanted = {}
    for cause, effect in itertools.permutations(onsets, 2):
        lags = [b - a for a in onsets[cause] for b in onsets[effect] if abs(b - a) <= 180.0]
        first = sum(lag > 0 for lag in lags)
        if len(lags) >= 4 and first >= 0.8 * len(lags) and first / (len(onsets[cause]) + 2) >= 0.5:
            wanted[cause, effect] = (len(lags), first)
    found = learn(rows, Topology(job="ctr", revision=1, edges=()))
    assert {(one.cause, one.effect): (one.together, one.first) for one in found} == wanted


def test_a_day_on_which_everything_fell_ill_at_once_is_counted_in_arrays() -> None:
    """Ten nights of 300 places: 450,000 pairs of onsets; line by line that would be millions of lines."""
    rows = [row(f"feature:f{i}", HOUR * night + i / 2) for night in range(10) for i in range(300)]
    assert len(learn(rows, KNOWN)) == learnt_edges.MOST
    assert growth.lines(lambda: learn(rows, KNOWN)) < 200_000


def test_what_the_topology_says_in_any_direction_is_not_proposed() -> None:
    rows = [row("feature:a", HOUR * i + 60.0) for i in range(6)]
    rows += [row("samples", HOUR * i) for i in range(6)]
    assert learn(rows, KNOWN) == []
    assert len(learn(rows, Topology(job="ctr", revision=1, edges=()))) == 1


def said(*records: Any) -> list[bytes]:
    return [outputs.encode(record) for record in records]


def fires(entity: str, at: float, number: int, metric: str = "psi") -> Anomaly:
    return Anomaly(
        kind="fact", job="ctr", worker="", domain="sample", entity=entity, metric=metric, severity="page", start=at,
        time=at, score=1e9, text="off", number=number,
    )  # fmt: skip


def night(begin: float, number: int) -> list[bytes]:
    """`a`, then `b` by another fact, which alone would be one page with the first; what each tick leads to."""
    ticks = [Tick(job="ctr", time=begin + 10.0 * i) for i in range(1, 30)]
    return said(fires("feature:a", begin, number), fires("feature:b", begin + 5, number + 1, "null_rate"), *ticks)


def told(pager: Pager, log: Sequence[bytes]) -> list[tuple[str, int]]:
    """The roots that were told, and the revision of the topology that it was decided by."""
    records = [outputs.decode(output.value, KINDS) for output in pager.on_records(log)]
    return [
        (one.root.node, one.reason.topology)
        for one in records if isinstance(one, Notification) and one.status == "firing"
    ]  # fmt: skip


def edge(at: float, *, is_withdrawn: bool = False) -> bytes:
    made = Confirm(job="ctr", cause="feature:a", effect="feature:b", author="Ada", time=at, is_withdrawn=is_withdrawn)
    return outputs.encode(made)


def test_an_edge_folds_once_it_is_confirmed_under_a_version_of_its_own_and_no_longer_when_it_is_withdrawn() -> None:
    log = night(1000.0, 1)
    before = told(Pager(Config(jobs=(JOB,))), log)
    assert [node for node, _ in before] == ["feature:a", "feature:b"]
    pager = Pager(Config(jobs=(JOB,)))
    (after,) = told(pager, [edge(900.0), *log])
    assert after[0] == "feature:a"
    restored = Pager(Config(jobs=(JOB,)))
    restored.restore(pager.snapshot())
    edges = {(one.cause, one.effect) for one in restored.topology("ctr").edges}
    assert ("feature:a", "feature:b") in edges
    assert restored.topology("ctr").revision == pager.topology("ctr").revision
    again = Pager(Config(jobs=(JOB,)))
    undone = told(again, [edge(900.0), *said(Tick(job="ctr", time=950.0)), edge(960.0, is_withdrawn=True), *log])
    assert [node for node, _ in undone] == ["feature:a", "feature:b"]
    assert undone[0][1] > before[0][1]


def test_a_confirmed_edge_stays_in_a_declared_topology() -> None:
    pager = Pager(Config(jobs=(JOB,)))
    declared = Topology(job="ctr", revision=7, edges=(), nodes=("feature:a", "feature:b"))
    assert told(pager, [edge(900.0), *said(declared), *night(1000.0, 1)]) == [("feature:a", 7)]


def test_edges_of_a_changed_configuration_hold_after_a_restart() -> None:
    pager = Pager(Config(jobs=(JOB,)))
    told(pager, said(fires("feature:a", 10.0, 1), fires("feature:b", 10.0, 2), Tick(job="ctr", time=20.0)))
    changed = JobConfig(name="ctr", topology=tuple(weak(learn(together(6), KNOWN))))
    again = Pager(Config(jobs=(changed,)))
    again.restore(pager.snapshot())
    assert again.topology("ctr").revision == pager.topology("ctr").revision + 1
    assert ("feature:a", "feature:b") in {(one.cause, one.effect) for one in again.topology("ctr").edges}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 400), st.booleans()), max_size=25))
def test_an_edge_that_nobody_confirmed_changes_no_decision(events: list[tuple[str, int, bool]]) -> None:
    """Whatever is learnt of a night, without a confirmation and with one that was taken back before."""
    ordered = sorted(events, key=lambda event: event[1])
    anomalies = [fires(f"feature:{name}", 1000.0 + at, i) for i, (name, at, _) in enumerate(ordered, 1)]
    ticks = [Tick(job="ctr", time=1000.0 + 20.0 * i) for i in range(40)]
    log = said(*sorted([*anomalies, *ticks], key=lambda record: record.time))
    plain, taken_back = Pager(Config(jobs=(JOB,))), Pager(Config(jobs=(JOB,)))
    learn([row(one.entity, one.start) for one in anomalies], plain.topology("ctr"))
    taken_back.on_records([edge(1.0), edge(2.0, is_withdrawn=True)])
    decided, same = ([outputs.decode(one.value, KINDS) for one in own.on_records(log)] for own in (plain, taken_back))
    assert decided == same
    folded = [one for one in decided if isinstance(one, Decision) and one.state == "suppressed"]
    edges = {(one.cause, one.effect) for one in lineage.topology(JOB, (), features="abc").edges}
    assert all(pair in edges or one.reason.decision == "grouped" for one in folded for pair in _steps(one.reason.path))


def _steps(path: Sequence[str]) -> list[tuple[str, str]]:
    return list(itertools.pairwise(path))


def test_only_places_are_confirmed_and_by_somebody() -> None:
    for pair, author in ((("a b", "samples"), "Ada"), (("samples", "samples"), "Ada"), (("samples", "queue"), " ")):
        with pytest.raises(actions.ActionError):
            actions.judge(None, "ctr", pair, "confirm", 0.0, author)  # type: ignore[arg-type]

"""What wakes a person: the default list, promotion, a shift's budget, reminders, grace after a roll-out, owners."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.anomaly.types import Ack, Anomaly, Notification
from streamgauge.pipelines.config.schema import Config, JobConfig, Limit, Paging
from streamgauge.pipelines.paging import waking
from streamgauge.pipelines.paging.pager import KINDS, Pager
from streamgauge.pipelines.wire import outputs
from streamgauge.tracer.records import Tick

H = 3600.0
NOON = datetime.datetime(2026, 11, 27, 12, tzinfo=datetime.UTC).timestamp()
QUICK = Paging(grace=0.0, clear_hold=1.0, group=0.0, repeat=4 * H)
JOB = JobConfig(name="ctr", paging=QUICK)


def found(metric: str, time: float = 0.0, **more: Any) -> Anomaly:
    return Anomaly(**{
        "kind": "anomaly", "job": "ctr", "worker": "", "domain": "train", "entity": "", "metric": metric,
        "severity": "page", "start": NOON + time, "time": NOON + time, "score": 12.0, **more,
    })  # fmt: skip


class Desk:
    """A pager and what it has told."""

    def __init__(self, *jobs: JobConfig, budget: int = 2) -> None:
        self.pager = Pager(Config(jobs=jobs or (JOB,), page_budget=budget))
        self.number = 0

    def hears(self, time: float, *anomalies: Any) -> list[Notification]:
        """What is told by a tick of all jobs at `time`."""
        log = []
        for one in anomalies:
            self.number += 1
            log.append(outputs.encode(one))
        log.append(outputs.encode(Tick(job="", time=NOON + time)))
        records = [outputs.decode(out.value, KINDS) for out in self.pager.on_records(log) if out.topic == "alerts"]
        return [record for record in records if isinstance(record, Notification)]


def severities(told: Sequence[Notification]) -> list[tuple[str, str]]:
    return [(one.root.metric, one.root.severity) for one in told]


@pytest.mark.parametrize(
    ("anomaly", "severity"),
    [
        (found("psi", entity="feature:age"), "ticket"),
        (found("duplicate_rate", kind="fact", detector="limit"), "ticket"),
        (found("auc", value=0.5, expected=0.7), "ticket"),
        (found("volume", value=20.0, expected=100.0), "ticket"),
        (found("volume", value=5.0, expected=100.0), "page"),
        (found("label_arrivals", value=0.0, expected=3.0), "page"),
        (found("missing_rate", entity="feature:age", kind="fact", detector="absolute"), "page"),
        (found("nonfinite", kind="fact", severity="page-now"), "page-now"),
        (found("trace_loss", kind="fact", detector="limit"), "page"),
        (found("pipeline_failing", kind="fact", detector="limit"), "page"),
        (found("pcoc", kind="fact", detector="limit"), "page"),
        (found("missing", kind="fact", severity="ticket"), "ticket"),
        (found("clock", kind="fact", worker="w1"), "ticket"),
        (found("clock", kind="fact"), "page"),
        (found("loss_p50", severity="info"), "info"),
    ],
)  # fmt: skip
def test_only_the_list_wakes_somebody(anomaly: Anomaly, severity: str) -> None:
    assert waking.judged(anomaly, JOB).severity == severity


def test_a_team_promotes_a_metric_or_a_metric_of_some_places() -> None:
    job = JobConfig(name="ctr", paged=("auc", "feature:*/psi"), limits=(Limit(metric="duplicate_rate", above=0.1),))
    asked = [found("auc"), found("psi", entity="feature:age"), found("psi"), found("loss_p50"),
             found("duplicate_rate", kind="fact", detector="limit")]  # fmt: skip
    assert [waking.judged(one, job).severity for one in asked] == ["page", "page", "ticket", "ticket", "page"]


PAGED = JobConfig(name="ctr", paging=QUICK, paged=("*",))


def test_beyond_the_budget_of_a_shift_pages_become_tickets_and_say_so() -> None:
    desk = Desk(PAGED)
    told = [note for i, name in enumerate("abc") for note in desk.hears(60.0 * i, found(name, 60.0 * i, entity=name))]
    assert [severity for _, severity in severities(told)] == ["page", "page", "ticket"]
    assert [line for line in told[2].text.splitlines() if "pages of this shift are used" in line]
    assert not [line for line in told[1].text.splitlines() if "shift" in line]
    told = [note for note in desk.hears(8.5 * H, found("d", 8.5 * H, entity="d")) if note.status == "firing"]
    assert severities(told) == [("d", "page")], "a new shift"


def test_the_budget_is_a_teams_over_all_its_jobs() -> None:
    jobs = [JobConfig(name=name, paging=QUICK, paged=("*",), team=team) for name, team in
            (("a", "ads"), ("b", "ads"), ("c", "feed"))]  # fmt: skip
    desk = Desk(*jobs, budget=1)
    told = desk.hears(0.0, *(found("auc", job=job.name) for job in jobs))
    assert [one.root.severity for one in told] == ["page", "ticket", "page"]


def test_hard_facts_page_beyond_the_budget_and_spend_none() -> None:
    desk = Desk(PAGED, budget=1)
    facts = [found("label_overdue", i, entity=f"e{i}", kind="fact", detector="absolute") for i in range(3)]
    told = [note for i, fact in enumerate(facts) for note in desk.hears(float(i), fact)]
    told += desk.hears(10.0, found("psi", 10.0, entity="feature:x"))
    told += desk.hears(20.0, found("psi", 20.0, entity="feature:y"))
    told += desk.hears(30.0, found("nonfinite", 30.0, kind="fact", severity="page-now"))
    assert [one.root.severity for one in told] == ["page"] * 4 + ["ticket", "page-now"]


def test_a_hard_fact_is_not_hidden_beneath_what_is_a_ticket_for_want_of_budget() -> None:
    desk = Desk(PAGED, budget=0)
    cause = found("missing_rate", entity="feature:age", domain="sample", value=0.5)
    (ticket,) = desk.hears(0.0, cause)
    assert ticket.root.severity == "ticket"
    effect = found("prediction_mean", 5.0, kind="fact", detector="absolute")
    assert severities(desk.hears(5.0, effect)) == [("prediction_mean", "page")]


def test_the_budget_outlives_a_restart() -> None:
    desk = Desk(PAGED, budget=1)
    desk.hears(0.0, found("auc"))
    state, desk = desk.pager.snapshot(), Desk(PAGED, budget=1)
    desk.pager.restore(state)
    assert [one.root.severity for one in desk.hears(60.0, found("ece", 60.0, entity="x"))] == ["ticket"]


def test_a_page_is_repeated_after_5_15_and_30_minutes_until_somebody_acknowledges_it() -> None:
    desk = Desk(PAGED)
    (first,) = desk.hears(0.0, found("auc"))
    times = [minute for minute in range(1, 240) for note in desk.hears(60.0 * minute) if note.status == "update"]
    assert times == [5, 15, 30]
    desk.hears(240 * 60.0, Ack(job="ctr", notification=first.id, author="Ada", time=NOON + 240 * 60.0))
    assert [note for minute in range(241, 700) for note in desk.hears(60.0 * minute)] == []


def test_a_ticket_is_not_repeated_soon() -> None:
    desk = Desk()
    assert severities(desk.hears(0.0, found("auc"))) == [("auc", "ticket")]
    assert [note for minute in range(1, 120) for note in desk.hears(60.0 * minute)] == []


def test_a_ticket_that_turns_into_a_page_is_told_at_once_though_it_was_acknowledged() -> None:
    desk = Desk()
    dead = {"kind": "fact", "worker": "w1", "domain": "system", "entity": "heartbeat"}
    (ticket,) = desk.hears(0.0, found("missing", severity="ticket", **dead))
    desk.hears(10.0, Ack(job="ctr", notification=ticket.id, time=NOON + 10.0))
    (page,) = desk.hears(20.0, found("missing", 20.0, **dead | {"start": NOON}))
    assert (page.status, page.root.severity, page.reason.decision) == ("update", "page", "severity")
    assert [minute for minute in range(1, 60) for _ in desk.hears(20.0 + 60.0 * minute)] == [5, 15, 30]


ROLLED = {"kind": "fact", "severity": "info", "domain": "system", "end": NOON}


def test_what_a_roll_out_disturbs_is_told_only_if_it_outlasts_ten_minutes() -> None:
    desk = Desk(PAGED)
    assert desk.hears(0.0, found("rollout", **ROLLED)) == []
    late = {"kind": "fact", "detector": "absolute", "domain": "sample"}
    assert desk.hears(30.0, found("volume", 30.0, **late), found("label_overdue", 30.0, entity="x", **late)) == []
    assert desk.hears(120.0, found("volume", 120.0, **late | {"start": NOON + 30.0}, end=NOON + 90.0)) == []
    told = [(minute, note.root.metric) for minute in range(3, 40) for note in desk.hears(60.0 * minute)]
    assert told[0] == (10, "label_overdue")
    assert {metric for _, metric in told} == {"label_overdue"}


def test_non_finite_numbers_wait_for_no_roll_out() -> None:
    desk = Desk(PAGED)
    told = desk.hears(0.0, found("rollout", **ROLLED), found("nonfinite", kind="fact", severity="page-now"))
    assert severities(told) == [("nonfinite", "page-now")]


def test_places_have_owners_and_those_of_dependents_are_paged_after_15_minutes() -> None:
    job = JobConfig(name="ctr", paging=QUICK, paged=("*",), owners={"feature:*": "features", "*": "ml"})
    desk = Desk(job)
    cause = found("missing_rate", entity="feature:age", domain="sample")
    (told,) = desk.hears(0.0, cause, found("normalized_entropy", 0.0))
    assert (told.owner, told.informed) == ("features", ("ml",))
    later = [note for minute in (5, 15, 30) for note in desk.hears(60.0 * minute)]
    assert [note.is_escalated for note in later] == [False, True, True]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 40)), max_size=30), st.integers(0, 3))
def test_no_team_is_paged_beyond_its_budget_in_any_shift(asked: list[tuple[str, int]], pages: int) -> None:
    budget, spent = waking.Budget(pages), dict[tuple[str, int], int]()
    for team, hour in sorted(asked, key=lambda one: one[1]):
        shift = waking.shift_of(NOON + H * hour, "UTC")
        expected = spent.get((team, shift), 0) < pages
        assert budget.spend(team, "UTC", NOON + H * hour) == expected
        spent[team, shift] = spent.get((team, shift), 0) + expected

"""The gate: what holds a push, what makes the answer unknown, and an override that is shown beside it."""

from __future__ import annotations

from typing import Any

import pytest

from streamgauge.pipelines.paging.gate import EVENT, Gate, judge


def breakdown(score: float = 98.0, end: float = 1000.0, coverage: float = 1.0, pcoc: float = 0.0) -> dict[str, Any]:
    domains = [{"domain": name, "score": score} for name in ("sample", "train", "system")]
    return {
        "start": end - 60, "end": end, "coverage": coverage, "domains": domains,
        "parts": [{"metric": "pcoc", "points": pcoc}],
    }  # fmt: skip


def incident(
    status: str = "firing", severity: str = "page", last: float = 500.0, node: str = "model"
) -> dict[str, Any]:
    root = {"severity": severity, "node": node}
    return {"status": status, "last": last, "root": root, "text": "[ctr] model: NaN\nmore"}


def gate(shown: dict[str, Any] | None = None, *incidents: dict[str, Any], now: float = 1010.0, **more: Any) -> Gate:
    return judge("ctr", breakdown() if shown is None else shown, list(incidents), now, **more)


def test_a_sound_job_passes_and_tickets_hold_nothing() -> None:
    assert gate(None, incident(severity="ticket"), incident("resolved")).answer == "pass"


@pytest.mark.parametrize(
    ("shown", "incidents", "reason"),
    [
        (breakdown(), [incident(severity="page-now")], "open: [ctr] model: NaN"),
        (breakdown(score=40.0), [], "the score of sample is 40, below 60"),
        (breakdown(pcoc=9.0), [], "pcoc costs 9.0 points: predictions are not calibrated"),
    ],
)
def test_what_a_model_learns_from_holds_its_push(shown: Any, incidents: Any, reason: str) -> None:
    found = gate(shown, *incidents)
    assert found.answer == "hold"
    assert reason in found.reasons


def test_a_model_in_service_that_is_too_old_holds_no_push_which_would_end_it() -> None:
    assert gate(None, incident(node="serving")).answer == "pass"


def test_an_incident_since_the_last_push_holds_though_it_is_over() -> None:
    over = incident("resolved", last=900.0)
    assert gate(None, over, since=800.0).answer == "hold"
    assert gate(None, over, since=950.0).answer == "pass"


@pytest.mark.parametrize("shown", [breakdown(end=100.0), breakdown(coverage=0.2)])
def test_an_old_score_or_one_of_little_coverage_is_unknown(shown: Any) -> None:
    assert gate(shown).answer == "unknown"
    assert judge("ctr", None, [], 0.0).answer == "unknown"


def test_an_override_opens_the_gate_for_an_hour_and_changes_no_answer() -> None:
    change = {"name": EVENT, "time": 1000.0, "text": "Ada: rollback of the rollback"}
    found = gate(None, incident(), changes=[change])
    assert (found.answer, found.is_open, found.overridden) == ("hold", True, "Ada: rollback of the rollback")
    assert not gate(breakdown(end=9000.0), incident(), now=9000.0, changes=[change]).is_open

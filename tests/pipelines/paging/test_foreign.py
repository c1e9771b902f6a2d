"""Alerts of other systems: told once, in the topology where they say where they belong, and over when they say so."""

from __future__ import annotations

import datetime

import msgspec

from streamgauge.pipelines.config.schema import Feature, JobConfig
from streamgauge.pipelines.paging import foreign
from tests.pipelines.paging.test_waking import NOON, QUICK, Desk, found

AGE = Feature(name="age", kind="numeric", source="planes")
JOB = JobConfig(name="ctr", paging=QUICK, features=(AGE,), paged=("*",))


def webhook(status: str = "firing", **labels: str) -> foreign.Webhook:
    at = datetime.datetime.fromtimestamp(NOON, datetime.UTC).isoformat().replace("+00:00", "Z")
    body = {
        "version": "4", "groupKey": "{}", "truncatedAlerts": 0, "status": status, "receiver": "streamgauge",
        "alerts": [{
            "status": status, "labels": {"alertname": "TableStale", "severity": "critical", **labels},
            "annotations": {"summary": "no load for 6 h"}, "startsAt": at, "generatorURL": "http://x.example",
            "endsAt": at if status == "resolved" else "0001-01-01T00:00:00Z", "fingerprint": "f",
        }],
    }  # fmt: skip
    return msgspec.json.decode(msgspec.json.encode(body), type=foreign.Webhook)


def test_an_alert_with_a_node_explains_what_lies_downstream() -> None:
    desk = Desk(JOB)
    stale = foreign.facts(webhook(node="source:planes"), "ctr", NOON + 5.0)
    (told,) = desk.hears(5.0, *stale, found("missing_rate", 5.0, entity="feature:age", domain="sample"))
    assert told.text.splitlines()[0] == "PAGE [ctr] source planes of the whole job: no load for 6 h since 27 Nov 12:00"
    assert [item.alert.entity for item in told.suppressed] == ["feature:age"]


def test_an_alert_without_a_node_is_told_at_once_and_hides_nothing() -> None:
    desk = Desk(JOB)
    told = desk.hears(
        5.0, *foreign.facts(webhook(), "ctr", NOON + 5.0), found("psi", 5.0, entity="feature:age", domain="sample")
    )
    assert sorted(note.root.metric for note in told) == ["TableStale", "psi"]


def test_it_is_told_once_however_often_it_is_sent_and_over_when_it_is_resolved() -> None:
    desk = Desk(JOB)
    told = [note for i in range(3) for note in desk.hears(10.0 * i, *foreign.facts(webhook(), "ctr", NOON + 10.0 * i))]
    assert [note.status for note in told] == ["firing"]
    told = desk.hears(40.0, *foreign.facts(webhook("resolved"), "ctr", NOON + 40.0)) + desk.hears(60.0)
    assert [note.status for note in told] == ["resolved"]


def test_what_is_not_grave_is_a_ticket() -> None:
    (note,) = Desk(JOB).hears(5.0, *foreign.facts(webhook(severity="warning"), "ctr", NOON + 5.0))
    assert note.root.severity == "ticket"

"""Alerts of other systems as facts of a job: what Alertmanager's webhook (version 4) says, in our words; pure.

An alert's label `node` says where it belongs in the job's topology (`source:planes`, `machine`, `labels`), `worker` at
which worker; without `node` its place is its own name, which the topology does not know: such are told at once and hide
nothing. `severity` critical and page become a page, everything else a ticket. What is unknown is not looked at.
"""

from __future__ import annotations

import datetime
from typing import Final

import msgspec

from streamgauge.anomaly.types import Anomaly, Severity

MOST: Final = 1000  # alerts of one request
DETECTOR: Final = "alertmanager"
_GRAVE: Final = ("critical", "page")
_LONGEST: Final = 200  # characters of a label's value


class Alert(msgspec.Struct, kw_only=True):
    """One alert of a webhook."""

    status: str = "firing"
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    start: datetime.datetime = msgspec.field(name="startsAt")
    end: str = msgspec.field(default="", name="endsAt")


class Webhook(msgspec.Struct, kw_only=True):
    """What Alertmanager posts; other fields are left out."""

    alerts: list[Alert]


class ForeignError(ValueError):
    """A webhook that cannot be taken."""


def facts(webhook: Webhook, job: str, now: float) -> list[Anomaly]:
    """Each alert as a fact of the job, found at `now`; resolved ones as its end. Raises ForeignError.

    >>> down = Alert(labels={"alertname": "TableStale", "node": "source:planes", "severity": "critical"},
    ...     annotations={"summary": "no load for 6 h"}, start=datetime.datetime.fromtimestamp(0, datetime.UTC))
    >>> (fact,) = facts(Webhook(alerts=[down]), "ctr", 60.0)
    >>> fact.entity, fact.metric, fact.severity, fact.text
    ('source:planes', 'TableStale', 'page', 'no load for 6 h')
    """
    if not 0 < len(webhook.alerts) <= MOST:
        raise ForeignError(f"a webhook has 1-{MOST} alerts, got {len(webhook.alerts)}; lower group size or max_alerts")
    return [_fact(alert, job, now) for alert in webhook.alerts]


def _fact(alert: Alert, job: str, now: float) -> Anomaly:
    name = alert.labels.get("alertname", "")
    if not 0 < len(name) <= _LONGEST:
        raise ForeignError(f"an alert has an alertname of 1-{_LONGEST} characters, got {len(name)}")
    if alert.start.tzinfo is None:
        raise ForeignError(f"{name}: startsAt has no time zone; write 2026-11-28T12:00:00Z")
    severity: Severity = "page" if alert.labels.get("severity", "") in _GRAVE else "ticket"
    start = min(alert.start.timestamp(), now)
    node = alert.labels.get("node", name)[:_LONGEST].partition("@")[0]
    return Anomaly(
        kind="fact", job=job, worker=alert.labels.get("worker", "")[:_LONGEST], domain="system", entity=node,
        metric=name, severity=severity, start=start, time=now, end=_end(alert, start, now), score=1e9,
        detector=DETECTOR, text=(alert.annotations.get("summary") or name)[:_LONGEST],
    )  # fmt: skip


def _end(alert: Alert, start: float, now: float) -> float | None:
    if alert.status != "resolved":
        return None
    try:
        end = datetime.datetime.fromisoformat(alert.end).timestamp()
    except ValueError:
        return now
    return max(start, min(end, now))

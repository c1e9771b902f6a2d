"""Alerts: what was told, what was held back under which root and why, and what the pager decided."""

from __future__ import annotations

from streamgauge.dashboards.grafana.boards import shared
from streamgauge.dashboards.grafana.influxql import chosen, equals, lines, rows, total
from streamgauge.dashboards.grafana.panels import QUARTER, AnyPanel, Column, chart, stat_of, table_of
from streamgauge.dashboards.grafana.rendering import Board
from streamgauge.dashboards.grafana.variables import jobs

_JOB = chosen("job")


def board() -> Board:
    """The dashboard."""
    return Board(
        "alerts", "Streamgauge: alerts", "Who was told what, what was held back, under which root, and why?",
        variables=[jobs()], marks=shared.marks(),
        rows={
            "In this range": [
                _count("Told", "Notifications of new incidents.", "notification", "id", equals("status", "firing")),
                _count("Suppressed", "Decisions to hold an alert back under its root.", "alert", "score",
                       equals("state", "suppressed")),
                _count("Silenced", "Decisions to hold an alert back under a silence.", "alert", "score",
                       equals("state", "silenced")),
                _count("Anomalies", "Episodes that began.", "anomaly", "score"),
            ],
            "Told": [
                shared.notifications("Notifications", "Each line is what one person was told once.", _JOB, height=10),
            ],
            "Held back": [
                _decisions("Suppressed alerts", "Each with the root that explains it and the reason in words.",
                           equals("state", "suppressed")),
                _decisions("Silenced alerts", "Each with the silence that holds it back.", equals("state", "silenced")),
            ],
            "How it was decided": [
                _decided("state", "Decisions"), _decided("decision", "Reasons"),
                _decisions("Audit trail", "Every decision of the pager, the newest first."),
                shared.episodes(_JOB),
            ],
        },
    )  # fmt: skip


def _count(title: str, doc: str, table: str, field: str, *where: str) -> AnyPanel:
    query = total(f'count("{field}")', table, _JOB, *where)
    return stat_of(title, f"{doc} In the range.", "short", query, width=QUARTER, nothing="0")


def _decisions(title: str, doc: str, *where: str) -> AnyPanel:
    shown = [
        "state", "decision", "severity", "job", "node", "metric", "reason", "root", "cause", "gap", "text", "episode",
    ]  # fmt: skip
    columns = {
        "Time": Column("dateTimeAsIso", width=170), "state": Column(colours=shared.DECISIONS, width=100),
        "severity": Column(colours=shared.SEVERITIES, width=90), "reason": Column(width=420),
        "job": Column(links=(*shared.JOB_LINKS, *shared.INCIDENTS), width=140),
        "root": Column(width=220, heading="root (episode)"),
        "cause": Column(width=220, heading="suppressed by (episode)"),
        "gap": Column("s", width=100, heading="after the root"),
    }  # fmt: skip
    query = rows(shown, "alert", _JOB, *where, limit=200)
    return table_of(title, doc, [query], columns, height=10, sort="Time", descending=True)


def _decided(tag: str, title: str) -> AnyPanel:
    query = lines('count("score")', "alert", _JOB, by=[tag], alias=f"$tag_{tag}")
    doc = f"Decisions of the pager by {tag}, in each interval."
    return chart(f"{title} over time", doc, "short", [query], low=0.0, is_stacked=True)



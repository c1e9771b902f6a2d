"""What several dashboards show: scores, states, anomalies, notifications, and the annotations on every time axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import AnnotationQuery

from streamgauge.dashboards.grafana.anchors import GREEN, ORANGE, RED, YELLOW, scores
from streamgauge.dashboards.grafana.influxql import SOURCE, chosen, equals, lines, newest, rows
from streamgauge.dashboards.grafana.links import Link, to_board, to_page
from streamgauge.dashboards.grafana.panels import FULL, AnyPanel, Column, chart, stat_of, table_of, timeline

STATES: Final = {"healthy": GREEN, "watch": YELLOW, "degraded": ORANGE, "broken": RED}
SEVERITIES: Final = {"info": "blue", "ticket": YELLOW, "page": ORANGE, "page-now": RED}
DECISIONS: Final = {"sent": RED, "pending": YELLOW, "suppressed": "blue", "silenced": "purple", "cleared": GREEN}
STATUSES: Final = {"firing": RED, "update": ORANGE, "resolved": GREEN}
_ROW: Final = "${__data.fields.job}"  # the job of the row that was clicked
_MARKS: Final = 500  # annotations of one kind, the newest
JOB_LINKS: Final[tuple[Link, ...]] = (to_board("job", "This job", _ROW), to_page("On the live page", _ROW))
INCIDENTS: Final[tuple[Link, ...]] = (to_page("Incidents on the live page", _ROW, "incidents"),)


def lowest(title: str, domain: str, *, width: int) -> AnyPanel:
    """The lowest newest score of the chosen jobs."""
    query = newest("min", "score", "quality_score", equals("domain", domain), chosen("job"), by="job")
    doc = "The lowest of the newest scores of the chosen jobs in the range."
    return stat_of(title, doc, "none", query, steps=scores(), width=width)


def score_lines(title: str, doc: str, *where: str, by: Sequence[str], links: Sequence[Link] = ()) -> AnyPanel:
    """Scores over time, the lowest of each interval, so that a short dip is seen in a long range."""
    query = lines('min("score")', "quality_score", *where, by=by, alias=" ".join(f"$tag_{tag}" for tag in by))
    return chart(title, doc, "none", [query], steps=scores(), width=FULL, low=0.0, high=100.0, links=links)


def states(title: str, doc: str, *where: str, by: str, height: int = 6) -> AnyPanel:
    """The state word of a score over time."""
    query = lines('last("state")', "quality_score", *where, by=[by], alias=f"$tag_{by}")
    return timeline(title, doc, [query], colours=STATES, height=height)


def anomalies(title: str, doc: str, *where: str, limit: int = 100, height: int = 8) -> AnyPanel:
    """Episodes as rows, the newest first."""
    shown = ["severity", "state", "job", "domain", "metric", "entity", "worker", "value", "expected", "text"]
    columns = {
        "Time": Column(unit="dateTimeAsIso", width=170), "severity": Column(colours=SEVERITIES, width=90),
        "state": Column(width=80), "job": Column(links=JOB_LINKS, width=140), "text": Column(width=480),
    }  # fmt: skip
    query = rows(shown, "anomaly", *where, limit=limit)
    return table_of(title, doc, [query], columns, height=height, sort="Time", descending=True)


def episodes(*where: str) -> AnyPanel:
    """Anomalies as bands, one a series, from their begin to their end."""
    keys = ["job", "worker", "entity", "metric"]
    query = rows(["until_ms", "severity", *keys], "anomaly", *where, '"state" != \'moment\'', limit=_MARKS)
    conversion = {"targetField": "until_ms", "destinationType": "time"}
    return timeline(
        "Anomalies over time",
        "A band for each series that was anomalous, coloured by its severity; what is still open lasts to the end.",
        [query], colours=SEVERITIES, height=10, has_ends=True,
        links=[to_page("On the live page", "${__field.labels.job}")],
        named=" ".join(f"${{__field.labels.{key}}}" for key in ("metric", "entity", "worker", "job")),
        transformed=[
            ("convertFieldType", {"fields": {}, "conversions": [conversion]}),
            ("partitionByValues", {"fields": keys, "keepFields": False, "naming": {"asLabels": True}}),
        ],
    )  # fmt: skip


def notifications(title: str, doc: str, *where: str, limit: int = 100, height: int = 8) -> AnyPanel:
    """What people were told, the newest first."""
    shown = ["status", "severity", "job", "node", "suppressed", "grouped", "decision", "reason", "text", "id"]
    columns = {
        "Time": Column(unit="dateTimeAsIso", width=170), "status": Column(colours=STATUSES, width=80),
        "severity": Column(colours=SEVERITIES, width=90), "job": Column(links=(*JOB_LINKS, *INCIDENTS), width=140),
        "suppressed": Column(unit="short", width=100), "grouped": Column(unit="short", width=80),
        "text": Column(width=420), "reason": Column(width=300),
    }  # fmt: skip
    query = rows(shown, "notification", *where, limit=limit)
    return table_of(title, doc, [query], columns, height=height, sort="Time", descending=True)


def marks(domain: str = "") -> list[Builder[AnnotationQuery]]:
    """Anomalies as regions, what people were told and what changed as lines; changes are off until switched on."""
    job = chosen("job")
    where = [job, equals("domain", domain)] if domain else [job]
    return [
        _mark("Anomalies", RED, "anomaly", where, title="metric", tags=["severity", "entity", "worker"],
              end="until_ms"),
        _mark("Notifications", ORANGE, "notification", where, title="status", tags=["severity"]),
        _mark("Changes", "blue", "change", [job], title="name", tags=["worker"], is_on=False),
    ]  # fmt: skip


def _mark(
    name: str, colour: str, table: str, where: Sequence[str], *, title: str, tags: Sequence[str], end: str = "",
    is_on: bool = True,
) -> Builder[AnnotationQuery]:  # fmt: skip
    """One kind of annotation.

    Grafana calls a column of an annotation `table.column`. It wants the title and the end named like that, finds the
    text and the tags by a part of the name, and leaves out a record that lacks one of the columns.
    """
    found = rows([title, "text", *tags, *([end] if end else [])], table, *where, limit=_MARKS)
    columns = {
        "titleColumn": f"{table}.{title}", "textColumn": "text", "tagsColumn": ",".join(tags),
        "timeEndColumn": f"{table}.{end}" if end else "",
    }  # fmt: skip
    query = replace(found, ref_id="Anno", annotation=tuple(columns.items()))
    return builders.AnnotationQuery().name(name).datasource(SOURCE).enable(is_on).icon_color(colour).target(query)

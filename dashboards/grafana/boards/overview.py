"""Overview: every job's scores, worst first."""

from __future__ import annotations

from streamgauge.dashboards.grafana.anchors import GREEN, RED, YELLOW, Step, scores
from streamgauge.dashboards.grafana.boards import shared
from streamgauge.dashboards.grafana.influxql import chosen, equals, newest, summary, total
from streamgauge.dashboards.grafana.links import to_board, to_page
from streamgauge.dashboards.grafana.panels import QUARTER, AnyPanel, Column, stat_of, table_of
from streamgauge.dashboards.grafana.rendering import Board
from streamgauge.dashboards.grafana.variables import jobs

_DOMAINS = ("overall", "sample", "train", "system")
_OVERALL = (equals("domain", "overall"), chosen("job"))


def board() -> Board:
    """The dashboard."""
    return Board(
        "overview", "Streamgauge: overview", "Which job needs somebody: every job's scores, worst first.",
        variables=[jobs()], marks=shared.marks(),
        rows={"Now": [*_numbers(), _worst_first()], "Over time": [_lines(), _states()], "What happened": [
            shared.anomalies("Anomalies that last", "Episodes that are not over, the newest first.",
                             chosen("job"), equals("state", "open")),
            shared.notifications("Last notifications", "What people were told, the newest first.", chosen("job")),
        ]},
    )  # fmt: skip


def _numbers() -> list[AnyPanel]:
    counted = newest("count", "score", "quality_score", *_OVERALL, by="job")
    open_ones = total('count("score")', "anomaly", chosen("job"), equals("state", "open"))
    told = total('count("id")', "notification", chosen("job"), equals("status", "firing"))
    none_is_good = (Step(None, GREEN), Step(1.0, YELLOW))
    return [
        shared.lowest("Lowest score", "overall", width=QUARTER),
        stat_of("Jobs with scores", "Jobs that were scored in the range.", "short", counted),
        stat_of("Open anomalies", "Episodes that began in the range and still last.", "short", open_ones,
                steps=none_is_good, nothing="0"),
        stat_of("Firing notifications", "How often somebody was told of a new incident in the range.", "short", told,
                steps=(*none_is_good, Step(10.0, RED)), nothing="0"),
    ]  # fmt: skip


def _worst_first() -> AnyPanel:
    """A query a domain, joined by the job: each domain has its own newest score."""
    queries = [
        summary(f'last("score") AS "{domain}"', "quality_score", equals("domain", domain), chosen("job"), by="job",
                ref=ref)
        for ref, domain in zip("ABCD", _DOMAINS, strict=True)
    ]  # fmt: skip
    queries += [
        summary('last("coverage") AS "known"', "quality_score", *_OVERALL, by="job", ref="E"),
        summary('last("start") * 1000 AS "last window"', "quality_score", *_OVERALL, by="job", ref="F"),
    ]
    score = Column(unit="none", steps=scores(), width=110)
    columns = {
        "job": Column(links=shared.JOB_LINKS), **dict.fromkeys(_DOMAINS, score),
        "known": Column("percentunit", width=110), "last window": Column("dateTimeFromNow", width=140),
    }  # fmt: skip
    return table_of(
        "Jobs, worst first",
        "The newest score of each job in the range, 0..100, the share of what it rests on that is known, and its age.",
        queries, columns, sort="overall", height=9, transformed=[
            ("joinByField", {"byField": "job", "mode": "outer"}),
            ("filterFieldsByName", {"include": {"names": list(columns)}}),
        ],
    )  # fmt: skip


def _lines() -> AnyPanel:
    line = "${__field.labels.job}"
    links = [to_board("job", "This job", line), to_page("On the live page", line)]
    return shared.score_lines("Scores", "The overall score of each job.", *_OVERALL, by=["job"], links=links)


def _states() -> AnyPanel:
    return shared.states("States", "The state of each job over time.", *_OVERALL, by="job")

"""One job: its three domains, where its points go, and its anomalies on every time axis."""

from __future__ import annotations

from streamgauge.dashboards.grafana.anchors import scores
from streamgauge.dashboards.grafana.boards import shared
from streamgauge.dashboards.grafana.influxql import chosen, equals, lines, rows, summary
from streamgauge.dashboards.grafana.links import to_page
from streamgauge.dashboards.grafana.panels import FULL, HALF, AnyPanel, Column, chart, stat_of, table_of
from streamgauge.dashboards.grafana.rendering import Board
from streamgauge.dashboards.grafana.variables import one_job
from streamgauge.pipelines.adapters.influx.schema import MOST_PARTS

_JOB = chosen("job")
_LOST = (_JOB, equals("part_of", "overall"), '"points" > 0')
_DOMAINS = {"overall": "Overall", "sample": "Samples", "train": "Training", "system": "System"}


def board() -> Board:
    """The dashboard."""
    return Board(
        "job", "Streamgauge: one job", "Is this job healthy, since when not, and what costs it its points?",
        variables=[one_job()], marks=shared.marks(),
        rows={
            "Now": [_now(domain, title) for domain, title in _DOMAINS.items()],
            "Scores": [
                shared.score_lines("Scores", "The four scores, the lowest of each interval.", _JOB, by=["domain"],
                                   links=[to_page("On the live page", "${job}")]),
                shared.states("States", "The state of each score over time.", _JOB, by="domain"),
            ],
            "Where the points go": [_stacked(), _newest(), _by("metric", "Metric"), _by("entity", "Entity")],
            "What happened": [
                shared.episodes(_JOB),
                shared.anomalies("Anomalies", "The newest episodes, open or over.", _JOB),
                shared.notifications("Notifications", "What people were told of this job.", _JOB),
                _changes(),
            ],
        },
    )  # fmt: skip


def _now(domain: str, title: str) -> AnyPanel:
    query = lines('last("score")', "quality_score", _JOB, equals("domain", domain))
    links = [to_page("On the live page", "${job}")]
    return stat_of(title, f"The newest score: {title.lower()}, 0..100.", "none", query, steps=scores(), links=links)


def _stacked() -> AnyPanel:
    query = lines(
        'mean("points")', "breakdown", *_LOST, by=["metric", "entity", "worker"],
        alias="$tag_metric $tag_entity $tag_worker",
    )  # fmt: skip
    doc = f"What each metric costs the overall score, the {MOST_PARTS} largest; in a window they add up to 100 - score."
    return chart("Points lost", doc, "suffix: points", [query], width=FULL, low=0.0, is_stacked=True)


def _newest() -> AnyPanel:
    shown = ["points", "domain", "metric", "entity", "worker", "why"]
    columns = {"Time": Column("dateTimeAsIso", width=170), "points": Column("none", width=90)}
    query = rows(shown, "breakdown", *_LOST, limit=2 * MOST_PARTS)
    doc = "The newest losses of the overall score, window by window."
    return table_of("Newest losses", doc, [query], columns, sort="Time", descending=True)


def _by(tag: str, title: str) -> AnyPanel:
    select = 'max("points") AS "most", mean("points") AS "mean", count("points") AS "windows"'
    columns = {"most": Column("none"), "mean": Column("none"), "windows": Column("short")}
    return table_of(
        f"{title} by points lost",
        f"What one {tag} cost the overall score in the range at most and on average, and in how many windows.",
        [summary(select, "breakdown", *_LOST, by=tag)], columns, width=HALF, sort="most", descending=True,
        transformed=[("filterFieldsByName", {"include": {"names": [tag, "most", "mean", "windows"]}})],
    )  # fmt: skip


def _changes() -> AnyPanel:
    columns = {"Time": Column("dateTimeAsIso", width=170), "text": Column(width=600)}
    doc = "Begin and end, gaps, settings, feedback, silences, and events that the job itself reported."
    query = rows(["name", "worker", "text"], "change", _JOB, limit=200)
    return table_of("Changes", doc, [query], columns, sort="Time", descending=True)



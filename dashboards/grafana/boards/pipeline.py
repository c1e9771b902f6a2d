"""The pipeline's own health: what it takes in, what it cannot use, and how far its windows are."""

from __future__ import annotations

from streamgauge.dashboards.grafana.anchors import GREEN, RED, Step
from streamgauge.dashboards.grafana.boards import shared
from streamgauge.dashboards.grafana.influxql import chosen, lines, rows, summary
from streamgauge.dashboards.grafana.measured import judged, values
from streamgauge.dashboards.grafana.panels import FULL, HALF, THIRD, AnyPanel, Column, chart, table_of
from streamgauge.dashboards.grafana.rendering import Board
from streamgauge.dashboards.grafana.variables import OWN, jobs, own_entities
from streamgauge.pipelines.adapters.influx.schema import TABLES
from streamgauge.pipelines.registry import METRICS

_JOB = chosen("job")
_TAKEN = ("records", "points")
_NOT_TAKEN = tuple(name for name in TABLES["counters"].fields if name not in _TAKEN)


def board() -> Board:
    """The dashboard."""
    return Board(
        "pipeline", "Streamgauge: the pipeline itself", "Is what watches the jobs itself well?",
        variables=[jobs(), own_entities()], marks=shared.marks(),
        rows={
            "Taken in": [_rate("records", "recps"), _rate("points", "suffix: points/s")],
            "Not taken in": [_lost(), _totals()],
            "Windows": [_windows(), _share_known(), _coverage(), _newest_windows()],
            "What could not be used": [_dead()],
            "Measured by the pipeline of itself": [_measured(name) for name in METRICS if name.startswith(OWN)],
            "What the score judges of it": [judged("pipeline_close_time", by=["entity"], width=FULL)],
        },
    )  # fmt: skip


def _measured(name: str) -> AnyPanel:
    """A metric of the pipeline's own job, by consumer, watched job, disk and so on."""
    return values(name, by=["entity"], width=THIRD)


def _rate(field: str, unit: str) -> AnyPanel:
    query = lines(f'non_negative_derivative(max("{field}"), 1s)', "counters", _JOB, by=["job"], alias="$tag_job")
    doc = f"{TABLES['counters'].fields[field].what.capitalize()}, by second."
    return chart(f"{field.capitalize()} taken in", doc, unit, [query], low=0.0)


def _lost() -> AnyPanel:
    """A line for each kind of loss and job."""
    new = {field: f'non_negative_difference(max("{field}"))' for field in _NOT_TAKEN}
    queries = [
        lines(select, "counters", _JOB, by=["job"], alias=f"$tag_job {field}", ref=ref)
        for ref, (field, select) in zip("ABCDEFGHIJ", new.items(), strict=False)
    ]
    doc = "; ".join(f"{field}: {TABLES['counters'].fields[field].what}" for field in _NOT_TAKEN) + ". In each interval."
    return chart("Not taken in", doc, "short", queries, low=0.0)


def _totals() -> AnyPanel:
    select = ", ".join(f'last("{field}") AS "{field}"' for field in TABLES["counters"].fields)
    bad = (Step(None, GREEN), Step(1.0, RED))
    columns = {field: Column("short", bad if field in ("dead", "lost") else ()) for field in TABLES["counters"].fields}
    doc = "The newest counters of each job, since its begin."
    return table_of("Counters", doc, [summary(select, "counters", _JOB, by="job")], columns, width=HALF)


def _windows() -> AnyPanel:
    query = lines('count("series")', "window", _JOB, by=["job", "window"], alias="$tag_job $tag_window")
    doc = "Windows that closed in each interval, by kind; none for long means that something holds them back."
    return chart("Windows closed", doc, "short", [query], low=0.0)


def _share_known() -> AnyPanel:
    query = lines('mean("known") / mean("series")', "window", _JOB, by=["job", "window"], alias="$tag_job $tag_window")
    doc = "Of the series of a window, the share that had a value."
    return chart("Series with a value", doc, "percentunit", [query], low=0.0, high=1.0)


def _coverage() -> AnyPanel:
    query = lines('min("coverage")', "quality_score", _JOB, by=["job", "domain"], alias="$tag_job $tag_domain")
    doc = "Of the weight that a score should rest on, the share that is known; the lowest of each interval."
    return chart("Coverage of the scores", doc, "percentunit", [query], low=0.0, high=1.0)


def _newest_windows() -> AnyPanel:
    query = summary('last("series") AS "series", "known"', "window", _JOB, by="job")
    doc = "When the newest window of each job ended: an old one is a job that stands still, or a pipeline that does."
    columns = {"Time": Column("dateTimeFromNow"), "series": Column("short"), "known": Column("short")}
    return table_of("Newest window", doc, [query], columns, width=HALF)


def _dead() -> AnyPanel:
    columns = {"Time": Column("dateTimeAsIso", width=170), "bytes": Column("bytes"), "text": Column(width=600)}
    query = rows(["topic", "reason", "key", "text", "bytes", "identity"], "dead_letter", limit=200)
    doc = "Records that could not be used, with the reason; they are kept in the dead-letter topic. Of all jobs."
    return table_of("Dead letters", doc, [query], columns, sort="Time", descending=True)

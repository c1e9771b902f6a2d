"""System: do the workers live, keep up with their input, and have room."""

from __future__ import annotations

from streamgauge.dashboards.grafana.anchors import plotted
from streamgauge.dashboards.grafana.boards import shared
from streamgauge.dashboards.grafana.influxql import chosen, equals, lines
from streamgauge.dashboards.grafana.measured import LINKS, any_of, judged, unit_of, values
from streamgauge.dashboards.grafana.panels import FULL, HALF, AnyPanel, Column, table_of, timeline
from streamgauge.dashboards.grafana.rendering import Board
from streamgauge.dashboards.grafana.variables import entities, jobs, metric, workers
from streamgauge.pipelines.adapters.influx.schema import NONE
from streamgauge.pipelines.registry import METRICS, RULES

_OF_WORKER = ("job", "worker")
_SYSTEM = (chosen("job"), equals("domain", "system"))


def board() -> Board:
    """The dashboard."""
    return Board(
        "system", "Streamgauge: system", "Do the workers live, keep up with their input, and have room?",
        variables=[jobs(), workers("system", is_whole=False), entities("system", "Scalar"),
                   metric("system", "throughput")],
        marks=shared.marks("system"),
        rows={
            "Score": [shared.score_lines("Score", "The score of the system.", *_SYSTEM, by=["job"], links=LINKS)],
            "Workers": [_alive(), _newest("heartbeat_age", "Silence"), _newest("memory", "Memory")],
            "Pace": [
                values("throughput", by=_OF_WORKER, normal=True), values("keep_up", by=_OF_WORKER),
                values("step_time_p50", by=_OF_WORKER), judged("step_time_p50", by=_OF_WORKER),
                values("train_delay_p95", by=_OF_WORKER), values("straggler", by=_OF_WORKER),
            ],
            "Membership": [
                values("heartbeat_age", by=_OF_WORKER), judged("heartbeat_age", by=_OF_WORKER),
                values("watermark_lag", by=_OF_WORKER), judged("watermark_lag", by=_OF_WORKER),
                values("restarts", by=_OF_WORKER), values("trace_loss", by=_OF_WORKER),
            ],
            "Room": [
                values("memory", by=_OF_WORKER), values("cpu", by=_OF_WORKER),
                values("system_scalar", width=FULL),
            ],
            "Any metric": [any_of("system")],
            "What happened": [shared.anomalies("Anomalies of the system", "The newest episodes.", *_SYSTEM)],
        },
    )  # fmt: skip


def _alive() -> AnyPanel:
    """Silence by worker against its interval, by the rule's thresholds."""
    how = plotted(RULES["heartbeat_age"])
    where = (equals("metric", "heartbeat_age"), f"\"worker\" != '{NONE}'", *map(chosen, _OF_WORKER))
    query = lines('max("value") / mean("floor")', "metric", *where, by=_OF_WORKER, alias="$tag_job $tag_worker")
    doc = f"{METRICS['heartbeat_age'].doc} In multiples of the worker's own interval."
    return timeline("Workers", doc, [query], steps=how.steps, unit="suffix: ×", height=7, links=LINKS)


def _newest(name: str, title: str) -> AnyPanel:
    """The newest value of each worker; a table of two tags is made of lines, whose labels Grafana keeps apart."""
    metric, how = METRICS[name], plotted(RULES[name])
    where = (equals("metric", name), f"\"worker\" != '{NONE}'", *map(chosen, _OF_WORKER))
    column = Column(unit_of(metric), how.steps if how.quantity == "value" else ())
    return table_of(
        f"{title} by worker", f"{metric.doc} The newest value of each worker, the worst first.",
        [lines('last("value")', "metric", *where, by=_OF_WORKER)], {title: column}, width=HALF, sort=title,
        descending=True, transformed=[
            ("reduce", {"mode": "seriesToRows", "reducers": ["lastNotNull"], "labelsToFields": True}),
            ("organize", {"excludeByName": {"Field": True}, "renameByName": {"Last *": title}}),
        ],
    )  # fmt: skip

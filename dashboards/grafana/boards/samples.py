"""Samples: how many flow in, what their features look like, and when their labels come."""

from __future__ import annotations

from streamgauge.dashboards.grafana.boards import shared
from streamgauge.dashboards.grafana.influxql import chosen, equals
from streamgauge.dashboards.grafana.measured import LINKS, any_of, judged, values
from streamgauge.dashboards.grafana.rendering import Board
from streamgauge.dashboards.grafana.variables import entities, jobs, metric, workers

_OF_JOB = ("job", "worker")
_SAMPLE = (chosen("job"), equals("domain", "sample"))


def board() -> Board:
    """The dashboard."""
    return Board(
        "samples", "Streamgauge: samples", "Do the samples arrive, do they look as they should, do their labels come?",
        variables=[jobs(), workers("sample", is_whole=True), entities("sample", "Feature"),
                   metric("sample", "missing_rate")],
        marks=shared.marks("sample"),
        rows={
            "Score": [shared.score_lines("Score", "The score of the samples.", *_SAMPLE, by=["job"], links=LINKS)],
            "Flow": [
                values("volume", by=_OF_JOB, normal=True), judged("volume", by=_OF_JOB),
                values("produce_delay_p95", by=_OF_JOB), judged("produce_delay_p95", by=_OF_JOB),
                values("queue_delay_p95", by=_OF_JOB), judged("queue_delay_p95", by=_OF_JOB),
                values("late_rate", by=_OF_JOB), judged("late_rate", by=_OF_JOB),
                values("duplicate_rate", by=_OF_JOB), values("new_id_rate", by=_OF_JOB),
                values("inconsistency_rate"), values("score_inconsistency", by=_OF_JOB),
                values("join_share", by=_OF_JOB),
            ],
            "Features": [
                values("missing_rate"), judged("missing_rate"), values("invalid_rate"), judged("invalid_rate"),
                values("default_rate"), values("zero_rate"), values("psi"), values("change_rate"),
                values("value_surprise"),
                values("distinct"), judged("distinct"), values("top_share"), values("iv"),
                values("seq_length"), values("empty_seq_rate"),
            ],
            "Labels": [
                values("label_rate", normal=True), judged("label_rate"),
                values("label_rate@H", normal=True), judged("label_rate@H"),
                values("label_coverage@H", normal=True), judged("label_coverage@H"),
                values("label_arrivals", normal=True), judged("label_arrivals"),
                values("label_delay_p50", normal=True), judged("label_delay_p50"),
                values("label_silence"), judged("label_silence"),
                values("label_overdue"), values("label_flip_rate"),
                values("invalid_labels"), values("label_number", normal=True),
            ],
            "Any metric": [any_of("sample")],
            "What happened": [shared.anomalies("Anomalies of the samples", "The newest episodes.", *_SAMPLE)],
        },
    )  # fmt: skip

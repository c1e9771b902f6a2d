"""Training: does the model learn, is it calibrated, and are its gradients and weights sound."""

from __future__ import annotations

from streamgauge.dashboards.grafana.boards import shared
from streamgauge.dashboards.grafana.influxql import chosen, equals
from streamgauge.dashboards.grafana.measured import LINKS, any_of, judged, values
from streamgauge.dashboards.grafana.rendering import Board
from streamgauge.dashboards.grafana.variables import entities, jobs, metric, workers

_OF_JOB = ("job", "worker")
_TRAIN = (chosen("job"), equals("domain", "train"))


def board() -> Board:
    """The dashboard."""
    return Board(
        "training", "Streamgauge: training", "Does the model learn, is it calibrated, are its tensors sound?",
        variables=[jobs(), workers("train", is_whole=True), entities("train", "Tensor or scalar"),
                   metric("train", "loss")],
        marks=shared.marks("train"),
        rows={
            "Score": [shared.score_lines("Score", "The score of training.", *_TRAIN, by=["job"], links=LINKS)],
            "Progress": [
                values("loss", by=_OF_JOB, normal=True), values("loss_max", by=_OF_JOB),
                values("nonfinite", by=_OF_JOB), values("skipped_updates", by=_OF_JOB), values("scalar"),
            ],
            "Quality of the model": [
                values("normalized_entropy", by=_OF_JOB, normal=True), judged("normalized_entropy", by=_OF_JOB),
                values("auc", by=_OF_JOB, normal=True), judged("auc", by=_OF_JOB),
                values("pcoc", by=_OF_JOB), judged("ece", by=_OF_JOB),
                values("log_loss", by=_OF_JOB), values("brier", by=_OF_JOB),
                values("pr_auc", by=_OF_JOB), values("max_f1", by=_OF_JOB),
                values("prediction_mean", by=_OF_JOB, normal=True), values("prediction_psi", by=_OF_JOB),
                values("invalid_predictions", by=_OF_JOB),
            ],
            "Quality by cohort": [
                values("normalized_entropy@H", by=_OF_JOB, normal=True), values("auc@H", by=_OF_JOB, normal=True),
                values("pcoc@H", by=_OF_JOB), judged("ece@H", by=_OF_JOB),
            ],
            "Groups and slices": [
                values("gauc"), judged("gauc"), values("gauc_share"), values("ndcg_at_k"), values("hit_rate_at_k"),
                values("recall_at_k"), values("mrr"), values("slice_auc"), values("slice_pcoc"),
                values("slice_label_rate"),
            ],
            "Tensors": [
                values("gradient_norm"), judged("gradient_norm"), values("weight_norm"), judged("update_ratio"),
                values("vanishing"), values("exploding"), values("dead_units"), judged("dead_units"),
            ],
            "Any metric": [any_of("train")],
            "What happened": [shared.anomalies("Anomalies of training", "The newest episodes.", *_TRAIN)],
        },
    )  # fmt: skip

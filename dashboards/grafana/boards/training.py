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
                values("loss", normal=True), values("loss_max", by=_OF_JOB),
                values("nonfinite", by=_OF_JOB), values("skipped_updates", by=_OF_JOB), values("scalar"),
            ],
            "Quality of the model": [
                values("normalized_entropy", normal=True), judged("normalized_entropy"),
                values("auc", normal=True), judged("auc"),
                values("pcoc"), judged("ece"),
                values("log_loss"), values("brier"),
                values("pr_auc"), values("max_f1"),
                values("prediction_mean", normal=True), values("prediction_psi"),
                values("invalid_predictions"),
            ],
            "Quality by cohort": [
                values("normalized_entropy@H", normal=True), values("auc@H", normal=True),
                values("pcoc@H"), judged("ece@H"),
            ],
            "Errors of predicted numbers": [
                values("relative_mse", normal=True), judged("relative_mse"), values("relative_bias"),
                values("coverage_gap"), values("rmse"), values("mae"), values("mse"), values("bias"),
                values("quantile_loss"), values("prediction_number", normal=True),
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
            "Embedding tables": [
                values("table_rows"), values("table_bytes"), values("table_full"),
                values("table_admitted"), values("table_evicted"), values("table_age"),
                values("unseen_rate"), judged("unseen_rate"),
            ],
            "Any metric": [any_of("train")],
            "What happened": [shared.anomalies("Anomalies of training", "The newest episodes.", *_TRAIN)],
        },
    )  # fmt: skip

"""The metrics of training, as a table: one line of definition each."""

from __future__ import annotations

from functools import partial

from streamgauge.pipelines.metrics import Metric
from streamgauge.pipelines.statistics import regression as estimates
from streamgauge.pipelines.statistics.measures import mean_of
from streamgauge.pipelines.statistics.tasks import per_task
from streamgauge.pipelines.train_quality import (
    evaluation,
    groups,
    labelled,
    predictions,
    progress,
    regression,
    tables,
    tensors,
)

_step = partial(Metric, domain="train", clock="train", window="short")
_tensor = partial(_step, transform="log", minimum=5)
_table = partial(_step, minimum=1)
_model = partial(Metric, domain="train", clock="train", window="long")
_shown = partial(_model, pages=False, scope="job")  # at each worker it would double the series
_cohort = partial(_model, clock="label", pages=False)  # with `labels.wait` as those of the train clock: registry.py

METRICS: tuple[Metric, ...] = (
    _step(
        name="loss", compute=progress.loss, unit="loss", minimum=1, transform="log", direction="up", consecutive=2,
        doc="Row-weighted mean of the steps' losses.",
    ),
    _step(
        name="loss_max", compute=progress.loss_max, unit="loss", minimum=1, transform="log", direction="up",
        pages=False, doc="Largest mean loss of one step.",
    ),
    _step(
        name="nonfinite", compute=progress.nonfinite, unit="count", minimum=0, direction="up", reference="none",
        pages=False, additive=True,
        doc="Non-finite values in loss, predictions, weights and gradients; a hard fact pages at once.",
    ),
    _step(
        name="skipped_updates", compute=progress.skipped_updates, unit="ratio", minimum=20, transform="asin",
        direction="up", doc="Steps whose update was not applied / steps.",
    ),
    _step(
        name="scalar", compute=progress.scalars("sample", "label", "train"), unit="job's", minimum=1, pages=False,
        doc="Mean over steps of a scalar of the job's own (`Tracer.scalar`), shown as it is.",
    ),
    _model(
        name="normalized_entropy", compute=per_task(labelled.normalized_entropy(labelled.trained)),
        unit="ratio", minimum=50,
        transform="log", direction="up", consecutive=2,
        doc="Log loss / entropy of the base rate of the same rows; 1 says no more than the base rate.",
    ),
    _model(
        name="auc", compute=per_task(labelled.auc(labelled.trained)), unit="ratio", minimum=50, direction="down",
        consecutive=2,
        doc="Area under the ROC curve, 4,096 logit buckets; the floor is their bound, the error Hanley-McNeil's.",
    ),
    _model(
        name="pcoc", compute=per_task(labelled.pcoc(labelled.trained)),
        unit="ratio", minimum=20, transform="log", consecutive=2,
        doc="Sum of predictions / positives of the same labelled rows; below 20 positives its lower bound, if above 1.",
    ),
    _model(
        name="ece", compute=per_task(labelled.ece(labelled.trained)),
        unit="ratio", minimum=200, transform="log", direction="up",
        pages=False,
        doc="Expected calibration error over 20 equal-mass buckets / base rate; the floor is a perfect model's.",
    ),
    _shown(
        name="log_loss", compute=per_task(evaluation.log_loss),
        unit="nats", minimum=50, transform="log", direction="up",
        doc="Weighted mean log loss of labelled rows, predictions clipped to 1e-7 from 0 and 1.",
    ),
    _shown(
        name="brier", compute=per_task(evaluation.brier), unit="ratio", minimum=50, transform="log", direction="up",
        doc="Weighted mean of (prediction - label)^2; the floor bounds what the 4,096 buckets can hide.",
    ),
    _shown(
        name="pr_auc", compute=per_task(evaluation.pr_auc), unit="ratio", minimum=50, direction="down",
        doc="Average precision over thresholds, 4,096 logit buckets; the exact one lies within the floor.",
    ),
    _shown(
        name="max_f1", compute=per_task(evaluation.max_f1), unit="ratio", minimum=50, direction="down",
        doc="Largest F1 over thresholds between buckets; the floor is how much more one within a bucket could give.",
    ),
    _cohort(
        name="normalized_entropy@H", compute=per_task(labelled.normalized_entropy(labelled.cohort)),
        unit="ratio", minimum=50,
        transform="log", direction="up", consecutive=2,
        doc="Of the samples that became H old in the window: log loss / entropy of their base rate.",
    ),
    _cohort(
        name="auc@H", compute=per_task(labelled.auc(labelled.cohort)),
        unit="ratio", minimum=50, direction="down", consecutive=2,
        doc="Of the samples that became H old in the window: area under the ROC curve.",
    ),
    _cohort(
        name="pcoc@H", compute=per_task(labelled.pcoc(labelled.cohort)),
        unit="ratio", minimum=20, transform="log", consecutive=2,
        doc="Of the samples that became H old in the window: sum of predictions / positives.",
    ),
    _cohort(
        name="ece@H", compute=per_task(labelled.ece(labelled.cohort)),
        unit="ratio", minimum=200, transform="log", direction="up",
        doc="Of the samples that became H old in the window: expected calibration error / base rate.",
    ),
    _model(
        name="gauc", compute=per_task(groups.gauc),
        unit="ratio", minimum=200, direction="down", consecutive=2, scope="job",
        doc="AUC within each group of `[jobs.evaluation]`, weighted mean over the groups with both classes; groups are "
        "sampled whole by hash, the error is that of their spread.",
    ),
    _shown(
        name="gauc_share", compute=per_task(groups.gauc_share), unit="ratio", minimum=1,
        doc="Weight of the groups with both classes / of all: what `gauc` speaks of.",
    ),
    _shown(
        name="ndcg_at_k", compute=per_task(groups.at_k("ndcg")), unit="ratio", minimum=200, direction="down",
        doc="NDCG@K of groups with a positive, binary gains; ties count at the mean over their orders.",
    ),
    _shown(
        name="hit_rate_at_k", compute=per_task(groups.at_k("hit_rate")), unit="ratio", minimum=200, direction="down",
        doc="Groups with a positive among their first K rows / groups with a positive.",
    ),
    _shown(
        name="recall_at_k", compute=per_task(groups.at_k("recall")), unit="ratio", minimum=200, direction="down",
        doc="Positives among the first K rows / positives, mean over groups with a positive.",
    ),
    _shown(
        name="mrr", compute=per_task(groups.at_k("mrr")), unit="ratio", minimum=200, direction="down",
        doc="1 / rank of the first positive, mean over groups with a positive.",
    ),
    _shown(
        name="slice_auc", compute=per_task(groups.slice_auc), unit="ratio", minimum=50, direction="down",
        doc="AUC of each declared slice of the rows.",
    ),
    _shown(
        name="slice_pcoc", compute=per_task(groups.slice_pcoc), unit="ratio", minimum=20, transform="log",
        doc="Sum of predictions / positives of each declared slice.",
    ),
    _shown(
        name="slice_label_rate", compute=per_task(groups.slice_label_rate), unit="ratio", minimum=50, transform="asin",
        doc="Positives / labelled rows of each declared slice.",
    ),
    _model(
        name="relative_mse", compute=per_task(regression.of_mean(estimates.relative_mse)), unit="ratio", minimum=100,
        transform="log", direction="up", consecutive=2,
        doc="Of labels that are numbers: mean squared error / variance of the labels (1 - R2); 1: no better than their "
        "mean.",
    ),
    _model(
        name="relative_bias", compute=per_task(regression.of_mean(estimates.relative_bias)), unit="sigmas", minimum=100,
        consecutive=2, doc="Of labels that are numbers: mean of prediction - label / standard deviation of the labels.",
    ),
    _shown(
        name="mse", compute=per_task(regression.judged(estimates.mse)), unit="label's", minimum=100, direction="up",
        doc="Of labels that are numbers: weighted mean of (prediction - label)^2.",
    ),
    _shown(
        name="rmse", compute=per_task(regression.judged(estimates.rmse)), unit="label's", minimum=100, direction="up",
        doc="Of labels that are numbers: square root of the weighted mean of (prediction - label)^2.",
    ),
    _shown(
        name="mae", compute=per_task(regression.judged(estimates.mae)), unit="label's", minimum=100, direction="up",
        doc="Of labels that are numbers: weighted mean of abs(prediction - label).",
    ),
    _shown(
        name="bias", compute=per_task(regression.judged(estimates.bias)), unit="label's", minimum=100,
        doc="Of labels that are numbers: weighted mean of prediction - label.",
    ),
    _shown(
        name="quantile_loss", compute=per_task(regression.of_quantile(estimates.quantile_loss)), unit="label's",
        minimum=100, direction="up", doc="Mean pinball loss, where `labels.quantile` is declared.",
    ),
    _model(
        name="coverage_gap", compute=per_task(regression.of_quantile(estimates.coverage_gap)), unit="ratio",
        minimum=100, consecutive=2,
        doc="Share of the labels at or below their prediction - the declared `labels.quantile`.",
    ),
    _model(
        name="prediction_number", clock="sample", compute=per_task(mean_of("sample", "prediction_number")),
        unit="label's", minimum=500, consecutive=2, doc="Mean prediction of all rows of a job that predicts numbers.",
    ),
    _model(
        name="auc_volatility", compute=per_task(labelled.auc_volatility), unit="ratio", minimum=24, pages=False,
        reference="none",
        doc="sqrt(max(0, var(auc) - mean(se^2))) / (mean(auc) - 0.5) over the trailing 24 windows that do not overlap.",
    ),
    _step(
        name="invalid_predictions", clock="sample", compute=per_task(predictions.invalid_predictions),
        unit="ratio", minimum=50,
        transform="asin", direction="up", doc="Predictions outside 0..1, or NaN / predictions; above 1 % what depends "
        "on them is unknown. Those within 0.001 are clipped; declared logits are none.",
    ),
    _model(
        name="prediction_mean", clock="sample", compute=per_task(predictions.prediction_mean),
        unit="ratio", minimum=500,
        transform="log", consecutive=2, doc="Mean prediction of all rows; needs no label.",
    ),
    _model(
        name="prediction_psi", clock="sample", compute=per_task(predictions.prediction_psi), unit="nats", minimum=500,
        direction="up", pages=False, doc="PSI of all rows' predictions against the reference; needs no label.",
    ),
    _tensor(
        name="gradient_norm", compute=tensors.step_mean("gradient_norm"), unit="norm", direction="up", consecutive=2,
        doc="L2 norm of the tensor's gradient, mean over steps; after unscaling, before clipping.",
    ),
    _tensor(
        name="gradient_norm_max", compute=tensors.step_high("gradient_norm"), unit="norm", direction="up",
        pages=False, scope="job",  # at each worker it would double the series
        doc="L2 norm of the tensor's gradient, largest step.",
    ),
    _tensor(
        name="weight_norm", compute=tensors.step_mean("weight_norm"), unit="norm", pages=False,
        doc="L2 norm of the tensor, mean over steps.",
    ),
    _table(
        name="table_rows", compute=tables.size("table_rows"), unit="count", transform="log", pages=False,
        doc="Rows of an embedding table (`Tracer.table`), mean over the window; of the job the sum of its workers'.",
    ),
    _table(
        name="table_bytes", compute=tables.size("table_size"), unit="bytes", transform="log", pages=False,
        doc="Bytes of an embedding table, mean over the window; of the job the sum of its workers'.",
    ),
    _table(
        name="table_full", compute=tables.worst("table_full"), unit="ratio", direction="up", limit=0.98,
        doc="Bytes of an embedding table / their limit, the fullest that was told.",
    ),
    _table(
        name="table_admitted", compute=tables.rate("table_admitted"), unit="1/s", transform="sqrt", pages=False,
        minimum=0, doc="Rows that an embedding table admitted a second.",
    ),
    _table(
        name="table_evicted", compute=tables.rate("table_evicted"), unit="1/s", transform="sqrt", pages=False,
        minimum=0, doc="Rows that an embedding table evicted a second.",
    ),
    _table(
        name="table_age", compute=tables.worst("table_age"), unit="s", transform="log", direction="up", pages=False,
        doc="Time since the last update of an embedding table, the longest that was told.",
    ),
    _table(
        name="unseen_rate", compute=tables.unseen_rate, unit="ratio", transform="asin", direction="up", minimum=500,
        doc="Lookups in an embedding table that found no row of their own / lookups.",
    ),
    _tensor(
        name="update_ratio", compute=tensors.step_mean("update_ratio"), unit="ratio", consecutive=2,
        doc="L2 norm of the update / max(norm of the weight, 1e-12), mean over steps.",
    ),
    _step(
        name="vanishing", compute=tensors.vanishing, unit="ratio", minimum=5, direction="up", reference="none",
        pages=False, scope="job", doc="Share of the tensors with a gradient norm < 1e-3 times their own median.",
    ),
    _step(
        name="exploding", compute=tensors.exploding, unit="ratio", minimum=5, direction="up", reference="none",
        pages=False, scope="job", doc="Share of the tensors with a gradient norm > 10 times their own median.",
    ),
    _model(
        name="dead_units", compute=tensors.dead_units, unit="ratio", minimum=10_000, direction="up", pages=False,
        doc="Units with no positive activation on the sampled rows / units.",
    ),
)

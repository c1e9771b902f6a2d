"""What each metric and each fact reads like to a person at night: no names of metrics, no sigmas; pure.

`PHRASES` says of every metric what its value means, in a sentence's part that begins with what is wrong; a test holds
that none is missing. `ACTIONS` says of every kind of place whom trouble there hurts, what to do first and what not.
"""

from __future__ import annotations

import functools
import math
import re
from typing import Final, NamedTuple

from streamgauge.anomaly.suppression.wording import duration
from streamgauge.anomaly.types import Anomaly
from streamgauge.pipelines.detection.episodes import number
from streamgauge.pipelines.registry import METRICS

PHRASES: Final[dict[str, str]] = {  # the beginnings of metrics' names; the longest that fits counts
    "missing_rate": "no value in {} of the rows",
    "default_rate": "the default stands in for {} of the values",
    "invalid_rate": "{} of the values are invalid",
    "zero_rate": "{} of the values are zero",
    "mean": "the mean is {}",
    "std": "the spread is {}",
    "min": "the smallest value is {}",
    "max": "the largest value is {}",
    "p05": "the 5 % quantile is {}",
    "p50": "the median is {}",
    "p95": "the 95 % quantile is {}",
    "cv": "the spread is {} of the mean",
    "seq_length": "a row has {} values",
    "seq_length_p95": "a long row has {} values",
    "empty_seq_rate": "{} of the rows have no value",
    "distinct": "{} different values",
    "top_share": "one value has {} of the rows",
    "top_share_20": "20 values have {} of the rows",
    "dispersion": "the values spread over {} of what they could",
    "psi": "the values are distributed otherwise, index {}",
    "js_distance": "the values are distributed otherwise, distance {}",
    "value_surprise": "a value is far more or less frequent than usual",
    "change_rate": "the mean is far from that of other days",
    "score": "the score is {}",
    "iv": "what it tells of the label is {}",
    "label_rate": "{} of the labels are positive",
    "label_number": "the mean label is {}",
    "invalid_labels": "{} of the labels are invalid",
    "label_delay": "labels come {} late",
    "label_coverage": "{} of the samples have their label in time",
    "label_arrivals": "labels come at {}",
    "label_overdue": "{} of the labels are overdue",
    "label_expired": "{} of the samples never got a label",
    "label_silence": "no label for {}",
    "label_flip_rate": "{} of the labels were changed",
    "produce_delay": "samples are written {} late",
    "queue_delay": "samples wait {} for training",
    "late_rate": "{} of the samples come too late",
    "volume": "samples come at {}",
    "duplicate_rate": "{} of the samples came before",
    "inconsistency_rate": "{} of the rows were served with another value than they are trained on",
    "score_inconsistency": "{} of the scores were served as others than the same model now gives",
    "join_share": "{} of the served rows are trained on",
    "new_id_rate": "{} of the ids are new",
    "loss": "the loss is {}",
    "loss_max": "the worst loss of a step is {}",
    "nonfinite": "NaN or infinite numbers: {}",
    "skipped_updates": "{} of the updates are skipped",
    "scalar": "the job's own number is {}",
    "log_loss": "the log loss is {}",
    "brier": "predictions miss by {} (squared)",
    "relative_mse": "the squared error is {} times a plain guess's",
    "relative_bias": "predictions are off by {} of the labels' spread",
    "mse": "predictions miss by {} (squared)",
    "rmse": "predictions miss by {}",
    "mae": "predictions miss by {} on average",
    "bias": "predictions are off by {}",
    "quantile_loss": "the quantile loss is {}",
    "coverage_gap": "labels lie below their prediction {} more often than they should",
    "prediction_number": "the mean prediction is {}",
    "pr_auc": "the precision over all recalls is {}",
    "normalized_entropy": "the loss is {} times a plain guess's",
    "auc": "the ranking's quality is {}",
    "pcoc": "predicted is {} times what happens",
    "ece": "predicted and real rates differ by {}",
    "auc_volatility": "the ranking's quality swings by {}",
    "invalid_predictions": "{} of the predictions are no probability",
    "prediction_mean": "the mean prediction is {}",
    "gauc": "the ranking's quality within groups is {}",
    "gauc_share": "{} of the groups are taken into account",
    "ndcg_at": "the order of the first ones is worth {} of the best",
    "hit_rate_at": "{} of the groups have a hit among the first ones",
    "recall_at": "{} of the positives are among the first ones",
    "mrr": "the mean reciprocal rank of the first hit is {}",
    "table_rows": "the table has {} rows",
    "table_bytes": "the table takes {}",
    "table_full": "{} of the table's memory is used",
    "table_admitted": "the table admits {} rows",
    "table_evicted": "the table evicts {} rows",
    "table_age": "the table was updated {} ago",
    "unseen_rate": "{} of the lookups find no row of their own",
    "slice_auc": "the ranking's quality of the slice is {}",
    "slice_pcoc": "predicted over observed of the slice is {}",
    "slice_label_rate": "{} of the slice's labels are positive",
    "prediction_psi": "predictions are distributed otherwise, index {}",
    "gradient_norm": "gradients are {} large",
    "weight_norm": "weights are {} large",
    "update_ratio": "an update is {} of its weight",
    "vanishing": "{} of the tensors have vanishing gradients",
    "exploding": "{} of the tensors have exploding gradients",
    "dead_units": "{} of the units never fire",
    "step_time": "a training step takes {}",
    "throughput": "training goes at {}",
    "keep_up": "training takes in {} of the samples",
    "train_delay": "samples are trained on {} late",
    "heartbeat_age": "no sign of life for {}",
    "watermark_lag": "{} behind the others",
    "restarts": "{} restarts an hour",
    "straggler": "a step takes {} times the others'",
    "trace_loss": "{} of what was traced is lost",
    "system_scalar": "the job's own number is {}",
    "cpu": "{} of the processor is used",
    "memory": "{} of the memory is used",
    "pipeline_records": "records come at {}",
    "pipeline_late": "{} of the points come too late",
    "pipeline_dropped": "{} of the records came before",
    "pipeline_lost": "{} of the records are lost",
    "pipeline_overflow": "{} of the points are over the limit of series",
    "pipeline_dead": "{} records could not be used",
    "pipeline_waiting": "{} wait for a consumer",
    "pipeline_failing": "a part of the pipeline fails {} of the time",
    "pipeline_close_time": "a result takes {}",
    "pipeline_result_age": "the last result is {} old",
    "pipeline_state": "the state has {}",
    "pipeline_disk": "the disk holds {}",
    "pipeline_notified": "{} notifications were sent",
    "pipeline_untold": "{} notifications could not be sent",
    "pipeline_clients": "{} pages are open",
}
_FACTS: Final = {"missing": "no sign of life for {}", "behind": "alive, but has taken nothing in for {}"}
_RATES: Final = frozenset({"rows/s", "labels/s", "1/s"})
_SPANS: Final = ((1.0, "a second"), (60.0, "a minute"), (3600.0, "an hour"))
_TIMES: Final = frozenset({  # ratios that people do not say in percent
    "pcoc", "normalized_entropy", "straggler", "cv", "update_ratio", "auc", "auc_volatility", "js_distance",
    "brier", "pr_auc", "relative_mse",
})  # fmt: skip
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+(?:@H)?")


class Action(NamedTuple):
    """What trouble at a kind of place hurts, and what to do; `{it}` is its name, `{at}` the worker."""

    impact: str
    first: str
    never: str


_DATA: Final = "the model learns from it now; predictions in service get worse with the next push"
ACTIONS: Final[dict[str, Action]] = {
    "feature": Action(
        _DATA + ", and at once if serving reads the same source",
        "see where {it} comes from and how it is joined{at}; undo what was deployed there shortly before",
        "do not restart workers, they would train on the same rows",
    ),
    "source": Action(
        _DATA, "see what fills {it}; undo what was deployed there shortly before",
        "do not restart workers, they would train on the same rows",
    ),
    "labels": Action(
        "the model learns from what labels there are; predictions in service get worse with the next push",
        "see the label producer and the join{at}; the training input is sound as far as it is measured",
        "do not fill the gap with zeros, labels that come late still count",
    ),
    "samples": Action(
        _DATA, "see the producer of the samples{at}: its volume, its replays, its offsets",
        "do not replay the topic before you know what was trained on",
    ),
    "produce": Action(
        "the model learns from old samples", "see who writes the samples{at} and how far it is behind",
        "do not skip the backlog before you know why it is there",
    ),
    "queue": Action(
        "the model in service gets older", "see how far the workers{at} are behind their input, and what slowed them",
        "do not skip the backlog before you know why it is there",
    ),
    "watermark": Action(
        "what this worker should learn waits; the model in service gets older",
        "see why the worker{at} reads nothing though it lives: its input, its offsets, its threads",
        "do not reset its offsets, the backlog is still there to be read",
    ),
    "heartbeat": Action(
        "what this worker should learn waits; the model in service gets older",
        "see whether the process{at} is alive: its host, its exit reason, its last log lines",
        "do not delete its checkpoint, it goes on from there",
    ),
    "restart": Action(
        "training pauses with each restart; the model in service gets older",
        "see why the process{at} ends: its exit reason, its memory, its last log lines",
        "do not scale up before you know the reason",
    ),
    "machine": Action(
        "training slows down; the model in service gets older", "see what else runs on the host{at}, and its limits",
        "do not change the model for it",
    ),
    "tracing": Action(
        "the job itself is not touched; Streamgauge sees less of it than it should",
        "see the tracer's queue and the bus{at}", "do not trust scores of this time",
    ),
    "model": Action(
        "the model in service is sound until this one is pushed",
        "stop pushing this model; restart{at} from the last snapshot before the onset",
        "do not restart from the present weights, they are broken",
    ),
    "prediction": Action(
        "predictions are off in training, and in service if it has this model",
        "see the features that shifted at the same time, and the model that predicts{at}",
        "do not push until predictions are plausible again",
    ),
    "train": Action(
        "the model gets worse; so do predictions in service with the next push",
        "see what changed in training{at}: code, learning rate, labels and features of the same time",
        "do not push until it is back",
    ),
    "serving": Action(
        "predictions in service come from an old model, now", "see the export and the push of the model",
        "do not push by hand past the gate",
    ),
}  # fmt: skip
OTHER: Final = Action(
    "not known for a place of this kind", "see what changed here{at} shortly before", "do not push until it is clear"
)


def describe(anomaly: Anomaly) -> str:
    """What an anomaly shows, without its place.

    >>> describe(Anomaly(kind="anomaly", job="flights", worker="LGA", domain="sample", entity="feature:tailnum",
    ...     metric="missing_rate", severity="page", start=0.0, time=0.0, value=1.0, expected=0.003))
    'no value in 100 % of the rows (normal 0.3 %)'
    """
    metric, value = anomaly.metric, anomaly.value
    if metric in _FACTS and value is not None:
        return _FACTS[metric].format(duration(value))
    if metric == "nonfinite" and anomaly.kind == "fact":
        return f"NaN or infinite numbers in {anomaly.entity.replace(':', ' ', 1) or 'the worker'}"
    if value is None or (anomaly.kind == "fact" and anomaly.detector != "limit"):
        return plain(anomaly.text or metric)
    said = phrase(metric).format(shown(metric, value, beside=anomaly.expected or 0.0))
    if anomaly.expected is None:
        return said
    bound = number(anomaly.expected, METRICS[metric].unit if metric in METRICS else "")
    word = "limit" if f"its limit of {bound}" in anomaly.text else "normal"
    return f"{said} ({word} {shown(metric, anomaly.expected)})"


@functools.lru_cache(maxsize=4096)
def phrase(metric: str) -> str:
    """What a metric's value says, with a place for it."""
    name = metric.partition("@")[0]
    fitting = [known for known in PHRASES if name == known or name.startswith(f"{known}_")]
    return PHRASES[max(fitting, key=len)] if fitting else f"{plain(name)} is {{}}"


@functools.lru_cache(maxsize=4096)
def plain(text: str) -> str:
    """A text without the names of metrics.

    >>> plain("unknown, though known for days: duplicate_rate, auc"), plain("two processes send as worker_a")
    ('unknown, though known for days: duplicate rate, auc', 'two processes send as worker_a')
    """
    return _NAME.sub(lambda found: found[0].replace("_", " ") if found[0] in METRICS else found[0], text)


def shown(metric: str, value: float, beside: float = 0.0) -> str:
    """A value in the metric's unit, as people say it; no rate at all in the unit of the one that it stands beside.

    >>> shown("missing_rate", 0.003), shown("label_delay_p95", 5400.0), shown("volume", 0.0203), shown("pcoc", 1.8)
    ('0.3 %', '1 h 30 min', '1.22 a minute', '1.8')
    >>> shown("volume", 0.0, beside=66.5)
    '0 a second'
    """
    known = METRICS.get(metric)
    unit = "" if known is None else known.unit
    if not math.isfinite(value):
        return str(value)
    if unit == "s":
        return duration(value) if not 0 < value < 1 else f"{_short(1000.0 * value)} ms"
    if unit in _RATES:
        length, name = next((found for found in _SPANS if abs(value or beside) * found[0] >= 1.0), _SPANS[-1])
        return f"{_short(value * length)} {name}"
    if unit == "ratio" and metric.partition("@")[0] not in _TIMES:
        return f"{_short(100.0 * value)} %"
    return f"{_short(value)} {unit}" if unit in ("messages", "bytes") else _short(value)


def _short(value: float) -> str:
    """Three digits at most that matter, no exponent for ordinary sizes.

    >>> _short(0.3), _short(100.0), _short(1234.4), _short(0.00012)
    ('0.3', '100', '1234', '0.00012')
    """
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"

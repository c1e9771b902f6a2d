"""From the curves that a run left in another tool to what is normal for a job; pure.

A recorded point is what one window will be compared with: the points of a curve become the last windows, the newest
last, whatever time lay between them, since a run on a file has no hours of its own. How large the values are and how
much they wobble is what comes along; rates and delays do not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamgauge.pipelines.config.schema import DAY, JobConfig, WindowSpec
from streamgauge.pipelines.registry import METRICS
from streamgauge.pipelines.wire.given import History, Labels

SPAN: Final = 28 * DAY  # what a reference looks back on
SAME: Final[dict[str, str]] = {  # names of the field, by what remains of a tag in small letters
    "loss": "loss", "auc": "auc", "roc_auc": "auc", "auroc": "auc", "gauc": "gauc", "logloss": "log_loss",
    "log_loss": "log_loss", "binary_crossentropy": "log_loss", "ne": "normalized_entropy",
    "normalized_entropy": "normalized_entropy", "pcoc": "pcoc", "calibration": "pcoc", "brier": "brier",
    "auc_pr": "pr_auc", "pr_auc": "pr_auc", "auprc": "pr_auc", "average_precision": "pr_auc", "mse": "mse",
    "mean_squared_error": "mse", "rmse": "rmse", "mae": "mae", "mean_absolute_error": "mae", "ece": "ece",
}  # fmt: skip
NOT_GIVEN: Final = frozenset({"count", "rows/s", "s"})  # units of what another machine and another stream do not tell
_HELD_OUT: Final = re.compile(r"(^|[/_-])(val|valid|validation|eval|test)($|[/_-])")
_BEFORE: Final = re.compile(r"^(train|val|valid|validation|eval|test|epoch|batch|step)[_/-]")


class Curve(NamedTuple):
    """One metric of one run; arrays of shape [n], by step."""

    run: str
    tag: str
    step: NDArray[np.int64]
    time: NDArray[np.float64]  # seconds since the epoch
    value: NDArray[np.float64]


def metric_of(tag: str) -> str | None:
    """The metric that a tag means, where its name says so.

    >>> metric_of("epoch_loss"), metric_of("eval/val_auc"), metric_of("learning_rate")
    ('loss', 'auc', None)
    """
    name = tag.rpartition("/")[2].lower().replace("-", "_").replace(" ", "_")
    while (shorter := _BEFORE.sub("", name)) != name:
        name = shorter
    found = SAME.get(name)
    return found if found in METRICS else None


def series_of(curves: Sequence[Curve], asked: Mapping[str, str]) -> dict[Labels, NDArray[np.float64]]:
    """Values by series of the job as a whole, runs one after the other; `asked` has tags by metric.

    Raises:
        ValueError: a metric or a tag that there is not; the message names the remedy.
    """
    tags = sorted({curve.tag for curve in curves})
    for metric, tag in asked.items():
        if metric not in METRICS or METRICS[metric].unit in NOT_GIVEN:
            raise ValueError(f"{metric!r} is no metric that a run can give; such as auc, loss, log_loss, pcoc")
        if tag not in tags:
            raise ValueError(f"no run has {tag!r}; recorded are {', '.join(tags[:20])}")
    wanted = {tag: metric for metric, tag in asked.items()} or _guessed(tags)
    parts: dict[Labels, list[NDArray[np.float64]]] = {}
    for tag, name in wanted.items():
        domain = METRICS[name].domain
        taken = _held_out([curve for curve in curves if curve.tag == tag])
        in_order = sorted(taken, key=lambda one: (float(one.time[-1]), one.run))
        parts[("", domain, "", name)] = [curve.value for curve in in_order]
    return {labels: np.concatenate(found) for labels, found in sorted(parts.items())}


def _held_out(curves: list[Curve]) -> list[Curve]:
    """Keras writes one tag in two runs, `train` and `validation`: the second alone is what a stream shows."""
    apart = [curve for curve in curves if _HELD_OUT.search(curve.run)]
    return apart or curves


def histories(series: Mapping[Labels, NDArray[np.float64]], job: JobConfig, now: float) -> list[History]:
    """The windows of a job that these values stand for, the last one ended before `now`."""
    found = []
    for spec in job.windows:
        mine = {labels: values for labels, values in series.items() if METRICS[labels[3]].window == spec.kind}
        if mine and spec.scope != "worker":
            found.append(_history(spec, mine, now))
    return found


def _history(spec: WindowSpec, series: Mapping[Labels, NDArray[np.float64]], now: float) -> History:
    most = max(1, int(SPAN / spec.length))
    count = min(most, max(len(values) for values in series.values()))
    last = np.floor(now / spec.slide) * spec.slide - spec.length  # side by side: they do not overlap
    starts = last - spec.length * np.arange(count)[::-1]
    table = np.full((count, len(series)), np.nan)
    for place, values in enumerate(series.values()):
        newest = values[-count:]
        table[count - len(newest) :, place] = newest
    return History(spec.name, tuple(series), starts, table)


def _guessed(tags: Sequence[str]) -> dict[str, str]:
    """One tag a metric, by its name; of several that of held-out rows: a stream shows these before it learns."""
    found: dict[str, str] = {}
    for tag in sorted(tags, key=lambda tag: ("val" not in tag.lower() and "eval" not in tag.lower(), tag)):
        metric = metric_of(tag)
        if metric is not None and metric not in found.values():
            found[tag] = metric
    return found

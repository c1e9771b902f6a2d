"""Two jobs on one stream, by what the store keeps of their labelled rows: is the second model better, and may one ask?

The jobs share a stream by sample id (a shadow sees what the other sees) or by a split of the traffic. What models
cannot move is compared first: the share of the rows and the label rate. Where these differ the jobs saw other rows, and
nothing is said of the models.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from streamgauge.pipelines import statistics
from streamgauge.pipelines.experiments.difference import Difference, Sides, difference, sides_of
from streamgauge.pipelines.ports import Query
from streamgauge.pipelines.statistics import regression
from streamgauge.pipelines.statistics.holm import holm
from streamgauge.tracer.bounds import RecordError
from streamgauge.tracer.summaries import Errors, LabelBuckets

Labelled = LabelBuckets | Errors
UNFAIR: Final = 0.001  # chance of rows or labels as different as these, below which the two saw other rows


class Measure(NamedTuple):
    """What is compared, and which way is better."""

    statistic: Callable[[Any], float]
    better: float  # 1 up, -1 down


CLASSES: Final[dict[str, Measure]] = {
    "auc": Measure(lambda found: statistics.auc(found).value, 1.0),
    "pr_auc": Measure(lambda found: statistics.pr_auc(found).value, 1.0),
    "normalized_entropy": Measure(lambda found: statistics.normalized_entropy(found).value, -1.0),
    "log_loss": Measure(statistics.log_loss, -1.0),
    "brier": Measure(lambda found: statistics.brier(found).value, -1.0),
    "abs_ln_pcoc": Measure(lambda found: abs(math.log(statistics.pcoc(found).value)), -1.0),
}
NUMBERS: Final[dict[str, Measure]] = {
    "rmse": Measure(lambda found: regression.rmse(found).value, -1.0),
    "mae": Measure(lambda found: regression.mae(found).value, -1.0),
    "relative_mse": Measure(lambda found: regression.relative_mse(found).value, -1.0),
    "abs_bias": Measure(lambda found: abs(regression.bias(found).value), -1.0),
}


def compare(
    query: Query, first: str, second: str, start: float, end: float, *, task: str = "", share: float = 0.5
) -> dict[str, Any]:
    """JSON-ready: `rows` by metric, `fair` and why not, how many windows both have.

    Args:
        query: the store.
        first: a job.
        second: the other one; differences are this one's less the first's.
        start: of the range, seconds since the epoch.
        end: of the range.
        task: a head of both models; "" for their own labels.
        share: of all labelled rows that the second job is to have.
    """
    entity = f"task:{task}" if task else ""
    sides = [windows(query, job, start, end, entity) for job in (first, second)]
    common = sorted(sides[0].keys() & sides[1].keys())
    pairs = [[side[key] for key in common] for side in sides]
    kinds = {type(one) for side in pairs for one in side}
    about = {"first": first, "second": second, "task": task, "windows": len(common)}
    if len(kinds) != 1:
        reason = "one predicts numbers, the other classes" if kinds else "no window in which both have labelled rows"
        return {**about, "fair": None, "reason": reason, "rows": []}
    spans = {"start": common[0][0], "end": common[-1][1]}
    return {**about, **spans, **judge(pairs[0], pairs[1], share)}


def judge(first: Sequence[Labelled], second: Sequence[Labelled], share: float = 0.5) -> dict[str, Any]:
    """What two jobs' labelled rows say, one summary a window each."""
    kind = type(first[0])
    measures = CLASSES if kind is LabelBuckets else NUMBERS
    counts = [sum(one.rows for one in side) for side in (first, second)]
    sides = sides_of(list[Any](first), list[Any](second), kind.merge, lambda one: float(one.rows))
    found = {name: _difference(sides, one.statistic) for name, one in measures.items()}
    labels = _difference(sides, _label_level)
    reasons = list(_unfair(counts, share, labels))
    real = holm([one.p for one in found.values()])
    return {
        "labelled": counts, "fair": not reasons, "reason": "; ".join(reasons),
        "label_level": _row("label_level", labels, ""),
        "rows": [
            _row(name, one, _verdict(one, measures[name].better, is_real and not reasons))
            for (name, one), is_real in zip(found.items(), real, strict=True)
        ],
    }  # fmt: skip


def windows(query: Query, job: str, start: float, end: float, entity: str) -> dict[tuple[float, float], Labelled]:
    """Labelled rows of a job's stored windows that do not overlap, by (start, end)."""
    rows = query.profiles(job, "", start, end)
    length = {row["window"]: row["end"] - row["start"] for row in rows}
    shortest = min(length, key=lambda name: (length[name], name), default=None)
    found: dict[tuple[float, float], Labelled] = {}
    for row in rows:
        for one in _labelled(row, entity) if row["window"] == shortest else ():
            if one.rows:
                found[row["start"], row["end"]] = one
    return found


def _labelled(row: Mapping[str, Any], entity: str) -> Iterator[Labelled]:
    for one in row["sketches"]:
        if (one["clock"], one["name"], one["entity"]) == ("train", "labels", entity):
            try:
                columns = tuple(map(base64.b64decode, one["columns"]))
                if one["kind"] == LabelBuckets.KIND:
                    yield LabelBuckets.from_columns(columns)
                elif one["kind"] == Errors.KIND:
                    yield Errors.from_columns(columns)
            except (RecordError, ValueError):
                continue


def _difference(sides: Sides[Any], statistic: Callable[[Any], float]) -> Difference:
    def known(found: Any) -> float:
        try:
            return statistic(found)
        except (ValueError, ZeroDivisionError, OverflowError):
            return math.nan

    return difference(sides, known)


def _label_level(found: Labelled) -> float:
    """The label rate, or the mean label."""
    if isinstance(found, LabelBuckets):
        return statistics.base_rate(found)
    return found.shift + found.label / found.weight if found.weight else math.nan


def _unfair(counts: Sequence[int], share: float, labels: Difference) -> Iterator[str]:
    """Why the jobs did not see rows of the same kind."""
    total = counts[0] + counts[1]
    sigmas = (counts[1] - share * total) / math.sqrt(max(share * (1.0 - share) * total, 1.0))
    if math.erfc(abs(sigmas) / math.sqrt(2.0)) < UNFAIR:
        yield f"the second has {counts[1] / total:.2%} of the labelled rows, {share:.2%} were to be expected"
    if labels.p < UNFAIR:
        yield f"labels differ, which no model moves: {labels.first:.4g} and {labels.second:.4g}"


def _verdict(found: Difference, better: float, is_real: bool) -> str:
    if math.isnan(found.p):
        return "unknown"
    if not is_real:
        return "no difference seen"
    return "better" if better * found.value > 0.0 else "worse"


def _row(name: str, found: Difference, verdict: str) -> dict[str, Any]:
    numbers = {key: value if math.isfinite(value) else None for key, value in found._asdict().items()}
    return {"metric": name, **numbers, "verdict": verdict}

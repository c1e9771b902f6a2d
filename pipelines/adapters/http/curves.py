"""What the page draws of merged summaries: distributions now and before, ROC, precision-recall and calibration; pure.

A numeric distribution is pooled from the log-linear buckets into at most 40 bars of equal width between its 0.5 % and
99.5 % quantiles, what lies outside into the end bars. Values of identifiers are hashes: they were salted at the worker.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamgauge.pipelines.statistics.calibration import reliability
from streamgauge.pipelines.statistics.ranking import auc, average_precision, precision_recall_curve, roc_curve
from streamgauge.tracer.records import Sketch
from streamgauge.tracer.summaries import (
    Buckets,
    Counts,
    Heavy,
    Histogram,
    LabelBuckets,
    Summary,
    decode,
    merge_sketches,
)
from streamgauge.tracer.summaries.buckets import midpoints

BARS: Final = 40
TOP: Final = 20  # values of an identifier that are drawn
_CURVE: Final = 200  # points of a drawn curve
_TAILS: Final = (0.005, 0.995)
_BUCKET: Final = 1 / 60  # half a bucket's width over its midpoint, at most, and a little
_HALF: Final = 1 / 64  # of a bucket's power of two: half its width, of 5 mantissa bits
_SHOWN: Final = ("counts", "histogram", "heavy", "buckets", "label_buckets")
Merged = dict[tuple[str, str], Summary]  # {(kind, name): summary}


def pictures_of(
    now: Sequence[Sketch], before: Sequence[Sketch], entity: str, odd: Collection[int] = ()
) -> dict[str, Any]:
    """All pictures of an entity, JSON-ready; {} where nothing of it was kept.

    Args:
        now: the sketches of the chosen range's windows, in their order.
        before: those of the range that it is compared with.
        entity: "" for the job as a whole.
        odd: values that made a window of the range odd.
    """
    new, old = _merged(now, entity), _merged(before, entity)
    drawn: dict[str, Any] = {}
    for kind, name in sorted(new):
        item, other = new[kind, name], old.get((kind, name))
        if isinstance(item, Counts):
            drawn["counts"] = {"now": _counts(item), "before": _counts(other) if isinstance(other, Counts) else None}
        elif isinstance(item, Histogram):
            reference = other if isinstance(other, Histogram) else None
            drawn.setdefault("distributions", []).append({"name": name} | bars(item, reference))
        elif isinstance(item, Heavy):
            drawn["frequent"] = frequent(item, other if isinstance(other, Heavy) else None, odd)
        elif isinstance(item, Buckets):
            drawn["predictions"] = predictions(item, other if isinstance(other, Buckets) else None)
        elif isinstance(item, LabelBuckets):
            drawn["labels"] = curves(item, other if isinstance(other, LabelBuckets) else None)
    return drawn


def bars(now: Histogram, before: Histogram | None) -> dict[str, Any]:
    """Counts by bar of two histograms on common edges."""
    both = now if before is None else Histogram.merge([now, before])
    low, high = (float(edge) for edge in both.quantiles(_TAILS)) if both.total else (0.0, 1.0)
    whole = _whole(np.unique(both.midpoints()))
    edges, pooled = (_linear(low, high), _spread) if whole is None else (whole, _pooled)
    return {
        "edges": edges.tolist(),
        "now": pooled(edges, now.midpoints(), now.counts),
        "before": None if before is None else pooled(edges, before.midpoints(), before.counts),
    }


def frequent(now: Heavy, before: Heavy | None, odd: Collection[int] = ()) -> dict[str, Any]:
    """The most frequent values, by their rows now, those that are odd, and all others."""
    top = [value.hash for value in now.top(TOP)]
    top += sorted(set(odd) - set(top))
    hashes = np.array(top, np.uint64)
    old = None if before is None else before.counts_of(hashes).tolist()
    shown = [f"{value:016x}" for value in top]
    rows = now.counts_of(hashes).tolist()
    return {
        "values": shown, "now": rows, "before": old, "total": now.total, "total_before": before.total if before else 0,
        "other": now.total - sum(rows), "odd": [value in odd for value in top],
        "other_before": None if before is None or old is None else before.total - sum(old),
    }  # fmt: skip


def predictions(now: Buckets, before: Buckets | None) -> dict[str, Any]:
    """Predictions of all rows, labelled or not, on a linear axis."""
    edges = np.linspace(0.0, 1.0, BARS + 1)
    old = None if before is None else _pooled(edges, _midpoints(before), before.counts)
    return {"edges": edges.tolist(), "now": _pooled(edges, _midpoints(now), now.counts), "before": old}


def curves(labels: LabelBuckets, before: LabelBuckets | None = None) -> dict[str, Any]:
    """Scores of positives and negatives, ROC, precision-recall and reliability of labelled rows, now and before."""
    found = _curves(labels)
    return found | {"before": None if before is None or not before.rows else _curves(before)}


def _curves(labels: LabelBuckets) -> dict[str, Any]:
    edges = np.linspace(0.0, 1.0, BARS + 1)
    middle = _midpoints(labels.predictions())
    area, (false, true), (recall, precision) = auc(labels), roc_curve(labels), precision_recall_curve(labels)
    steps = reliability(labels)
    return {
        "rows": labels.rows, "positives": labels.positive_rows,
        "edges": edges.tolist(),
        "positive": _pooled(edges, middle, labels.positives), "negative": _pooled(edges, middle, labels.negatives),
        "auc": area.value, "auc_error": area.error, "average_precision": average_precision(labels),
        "roc": _thinned(false, true), "precision_recall": _thinned(recall, precision),
        "calibration": [steps.predicted.tolist(), steps.observed.tolist()], "weight": steps.weight.tolist(),
        "calibration_bounds": [steps.low.tolist(), steps.high.tolist()],
    }  # fmt: skip


def _merged(sketches: Sequence[Sketch], entity: str) -> Merged:
    mine = [sketch for sketch in sketches if sketch.entity == entity and sketch.kind in _SHOWN]
    return {(sketch.kind, sketch.name): decode(sketch) for sketch in merge_sketches(mine)}


def _counts(counts: Counts) -> dict[str, int]:
    return {name: getattr(counts, name) for name in ("rows", "missing", "default", "invalid", "zero")}


def _whole(values: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Edges that give each of few whole numbers a bar of its own; None where they are not whole, or many."""
    nearest = np.rint(values)
    is_whole = 0 < len(values) <= BARS and bool(np.all(np.abs(values - nearest) <= np.abs(values) * _BUCKET))
    if is_whole and nearest[-1] - nearest[0] < BARS:
        return np.arange(nearest[0] - 0.5, nearest[-1] + 1.0)
    return None


def _linear(low: float, high: float) -> NDArray[np.float64]:
    """Edges of equal width."""
    room = max((abs(low) + abs(high)) * 0.025, 1e-300)  # wide enough for edges that differ
    low, high = (low, high) if high - low > room * 1e-3 else (low - room, high + room)
    return np.linspace(low, high, BARS + 1)


def _spread(edges: NDArray[np.float64], values: NDArray[np.float64], counts: NDArray[np.int64]) -> list[int]:
    """Rows by bar, those of a bucket evenly over its width: bars as narrow as buckets hold one or two by turns else."""
    half = np.exp2(np.floor(np.log2(np.maximum(np.abs(values), 1e-290)))) * _HALF
    below = counts @ (np.clip(edges[1:-1] - (values - half)[:, None], 0.0, 2.0 * half[:, None]) / (2.0 * half[:, None]))
    whole = np.rint(np.concatenate([[0.0], below, [float(counts.sum())]]))
    return [int(n) for n in np.diff(whole)]


def _pooled(edges: NDArray[np.float64], values: NDArray[np.float64], counts: NDArray[np.int64]) -> list[int]:
    place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    return [int(n) for n in np.bincount(place, counts, minlength=len(edges) - 1)]


def _midpoints(buckets: Buckets) -> NDArray[np.float64]:
    return midpoints(buckets.bucket)


def _thinned(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[list[float]]:
    """At most about 200 points of a curve, its ends among them."""
    step = max(1, -(-len(x) // _CURVE))
    at = np.unique(np.append(np.arange(0, len(x), step), len(x) - 1)) if len(x) else np.zeros(0, int)
    return [x[at].tolist(), y[at].tolist()]

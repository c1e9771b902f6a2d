"""All experiments on one model in one table: what each feature is worth to it, by each method, and what that cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamgauge.pipelines.feature_selection.effects import Columns, Effect, Floats
from streamgauge.pipelines.feature_selection.influence import Gradients, influence
from streamgauge.pipelines.feature_selection.masking import Mask, Predict, Tried, bench_mask, permutation
from streamgauge.pipelines.feature_selection.relevance import feature_gauc

Method = Literal["bench_mask", "permutation", "influence", "feature_gauc"]
METHODS: Final[tuple[Method, ...]] = ("bench_mask", "permutation", "influence", "feature_gauc")
SIGMAS: Final = 3.0  # of a loss gap, beyond which it is one
COLUMNS: Final = (
    "features", "verdict", "loss_gap", "error", "auc_gap", "gauc_gap", "agreement", "score_mean", "score_std",
    "misleading", "misled", "permutation_loss_gap", "permutation_auc_gap", "influence", "feature_gauc", "rows",
)  # fmt: skip


class Outcome(NamedTuple):
    """One row a mask, JSON-ready, the most useful first, and how many rows each method predicted."""

    rows: list[dict[str, Any]]
    predictions: dict[str, int]


def experiment(
    predict: Predict, columns: Columns, labels: Floats, random: np.random.Generator, *,
    masks: Sequence[Mask] = (), methods: Sequence[Method] = ("bench_mask",), passes: int = 8, repeats: int = 5,
    groups: NDArray[np.uint64] | None = None, gradients: Gradients | None = None,
) -> Outcome:  # fmt: skip
    """Run some methods on rows that the model was not trained on.

    Args:
        predict: the model.
        columns: the rows, by feature.
        labels: 0 or 1.
        random: what is drawn.
        masks: features that are masked together; none: each by itself.
        methods: of `METHODS`.
        passes: of BenchMask.
        repeats: of permutation.
        groups: hashes of the rows' groups, for GAUC.
        gradients: of the logit by feature, for influence.

    Raises:
        ValueError: an unknown method, influence without gradients, or what the methods refuse.
    """
    _require_known(methods)
    masks = tuple(masks) or tuple((name,) for name in columns)
    rows: dict[Mask, dict[str, Any]] = {mask: dict.fromkeys(COLUMNS) | {"features": list(mask)} for mask in masks}
    predictions: dict[str, int] = {}
    if "bench_mask" in methods:
        tried = bench_mask(predict, columns, labels, masks, random, passes=passes, groups=groups)
        predictions["bench_mask"] = _note(rows, tried, "")
    if "permutation" in methods:
        tried = permutation(predict, columns, labels, masks, random, repeats=repeats, groups=groups)
        predictions["permutation"] = _note(rows, tried, "permutation_")
    if "influence" in methods:
        if gradients is None:
            raise ValueError("influence needs the model's gradients; give them, or leave the method out")
        shares = influence(gradients(columns))
        for mask, row in rows.items():
            row["influence"] = math.fsum(shares.get(name, 0.0) for name in mask)
    if "feature_gauc" in methods:
        for mask, row in rows.items():
            found = [feature_gauc(np.asarray(columns[name]), labels, random, groups) for name in mask]
            row["feature_gauc"] = _known(max(found, key=lambda value: abs(value - 0.5)))
    return Outcome(sorted(rows.values(), key=_worth), predictions)


def _require_known(methods: Sequence[Method]) -> None:
    unknown = sorted(set(methods) - set(METHODS))
    if unknown:
        raise ValueError(f"there is no method {unknown[0]!r}; known are {', '.join(METHODS)}")


def verdict(one: Effect) -> str:
    """What the loss gap says: `useful`, `misleading`, or `no effect` within three of its errors."""
    if not one.error > 0.0:
        return "no effect"
    sigmas = one.loss_gap / one.error
    return "useful" if sigmas > SIGMAS else "misleading" if sigmas < -SIGMAS else "no effect"


def _note(rows: dict[Mask, dict[str, Any]], tried: Tried, prefix: str) -> int:
    for one in tried.effects:
        found = one._asdict() | {"features": list(one.features), "verdict": verdict(one)}
        kept = {f"{prefix}{name}": _known(value) for name, value in found.items() if f"{prefix}{name}" in COLUMNS}
        rows[one.features] |= kept
    return tried.predictions


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _worth(row: dict[str, Any]) -> tuple[float, list[str]]:
    for name in ("loss_gap", "permutation_loss_gap", "influence", "feature_gauc"):
        if row[name] is not None:
            return -row[name], row["features"]
    return 0.0, row["features"]

"""Gradient influence: how far the logit moves with a feature's input; where the model tells its gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamgauge.pipelines.feature_selection.effects import Columns

Gradients = Callable[[Columns], Mapping[str, NDArray[Any]]]  # of the logit, by feature: [n] or [n, dimensions]


def influence(gradients: Mapping[str, NDArray[Any]]) -> dict[str, float]:
    """Share of each feature in the mean absolute gradient of the logit, over the square root of its dimensions.

    Of the logit, not of the probability, whose gradient carries p (1 - p) and so the click rate. It says what the model
    leans on, not what is right: a feature that misleads has a large one. Gradients that are not finite count as 0.

    >>> influence({"a": np.array([3.0, -3.0]), "b": np.array([[1.0] * 4] * 2)})
    {'a': 0.6, 'b': 0.4}
    """
    sizes = {name: _size(np.asarray(values, np.float64)) for name, values in gradients.items()}
    total = sum(sizes.values())
    return {name: size / total if total > 0 else 0.0 for name, size in sizes.items()}


def _size(values: NDArray[np.float64]) -> float:
    flat = np.abs(np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)).reshape(len(values), -1)
    return float(flat.sum(axis=1).mean() / np.sqrt(flat.shape[1])) if flat.size else 0.0

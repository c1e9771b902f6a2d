"""Rows with planted useful, redundant, useless and misleading features, and a logistic regression on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

Columns = dict[str, Any]
# strong and useful ones carry their own part of the label, a twin shares its part with another, a misleading one went
# with the label while the model was trained and says nothing now: the model leans on it all the same
TIERS: Final[dict[str, int]] = {
    **{f"strong{i}": 5 for i in range(3)}, **{f"useful{i}": 4 for i in range(3)}, **{f"twin{i}": 3 for i in range(4)},
    **{f"useless{i}": 2 for i in range(6)}, **{f"misleading{i}": 1 for i in range(2)},
}  # fmt: skip


def rows_of(random: np.random.Generator, rows: int, *, is_training: bool) -> tuple[Columns, Any]:
    """Columns and labels."""
    shared = random.normal(size=(2, rows))
    columns = {name: random.normal(size=rows) for name in TIERS}
    for i in range(4):
        columns[f"twin{i}"] = shared[i // 2] + 0.5 * columns[f"twin{i}"]
    logit = -1.5 + 0.5 * shared.sum(axis=0)
    for i in range(3):
        logit = logit + 0.8 * columns[f"strong{i}"] + 0.5 * columns[f"useful{i}"]
    labels = (random.random(rows) < 1 / (1 + np.exp(-logit))).astype(float)
    for i in range(2):
        columns[f"misleading{i}"] = columns[f"misleading{i}"] + (0.5 * (labels - 0.2) if is_training else 0.0)
    return columns, labels


class Logistic:
    """Fitted by Newton's method; counts the rows that it predicts."""

    def __init__(self, columns: Columns, labels: Any) -> None:
        self.names, self.predicted = list(columns), 0
        x = np.c_[self._matrix(columns), np.ones(len(labels))]
        w = np.zeros(x.shape[1])
        for _ in range(12):
            p = 1 / (1 + np.exp(-x @ w))
            w -= np.linalg.solve(x.T @ (x * (p * (1 - p))[:, None]) + 1e-3 * np.eye(len(w)), x.T @ (p - labels))
        self.weights, self.bias = w[:-1], w[-1]

    def predict(self, columns: Mapping[str, Any]) -> Any:
        """Probabilities."""
        self.predicted += len(next(iter(columns.values())))
        return 1 / (1 + np.exp(-(self._matrix(columns) @ self.weights + self.bias)))

    def by_mask(self, columns: Mapping[str, Any], labels: Any, masks: Any) -> Any:
        """Gradient of each row's log loss by its masks."""
        x = self._matrix(columns)
        p = 1 / (1 + np.exp(-((x * masks) @ self.weights + self.bias)))
        return (p - labels)[:, None] * x * self.weights

    def gradients(self, columns: Mapping[str, Any]) -> Mapping[str, Any]:
        """Gradient of the logit by feature."""
        rows = len(next(iter(columns.values())))
        return {name: np.full(rows, weight) for name, weight in zip(self.names, self.weights, strict=True)}

    def _matrix(self, columns: Mapping[str, Any]) -> Any:
        return np.stack([columns[name] for name in self.names], axis=1)


def accuracy(scores: Mapping[str, float]) -> float:
    """Share of the pairs from different tiers that the scores order right."""
    pairs = [(scores[a] > scores[b]) + 0.5 * (scores[a] == scores[b])
             for a in TIERS for b in TIERS if TIERS[a] > TIERS[b]]  # fmt: skip
    return float(np.mean(pairs))

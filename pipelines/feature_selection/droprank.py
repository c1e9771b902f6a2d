"""DropRank: how likely each feature is kept, learnt beside the main training by gradients through soft masks.

Each row's features are multiplied by masks drawn from the concrete relaxation of a Bernoulli law; what the loss gains
by keeping a feature raises its keep probability, a price on keeping lowers all of them (Chang, Rampasek and Goldenberg
2017, "Dropout feature ranking for deep learning models"; EasyRec's variational dropout). The model's weights are not
touched: it tells, for a batch with masks, how the loss moves with each mask. One forward and backward pass a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from streamgauge.pipelines.feature_selection.effects import Floats

TEMPERATURE: Final = 0.5  # of the relaxation: lower is nearer to 0 and 1, and its gradients are wilder


class DropRank:
    """Keep probabilities of some features.

    Args:
        features: their names, in the order of the masks' columns.
        price: of keeping a feature, nats a row: one that saves less is dropped.
        rate: step of the gradient descent.

    >>> ranks = DropRank(["useful", "useless"])
    >>> random = np.random.default_rng(0)
    >>> for _ in range(50):
    ...     masks = ranks.masks(64, random)
    ...     ranks.learn(np.stack([np.full(64, -0.1), np.zeros(64)], axis=1))
    >>> ranks.ranking()
    ['useful', 'useless']
    """

    def __init__(self, features: Sequence[str], *, price: float = 1e-4, rate: float = 20.0) -> None:
        self.features = tuple(features)
        self.rows = 0  # predicted with masks so far
        self._price, self._rate = price, rate
        self._logits = np.zeros(len(self.features))
        self._slopes = np.zeros((0, len(self.features)))

    @property
    def keep(self) -> dict[str, float]:
        """Keep probability of each feature."""
        return dict(zip(self.features, (1.0 / (1.0 + np.exp(-self._logits))).tolist(), strict=True))

    def ranking(self) -> list[str]:
        """Features, the most worth keeping first."""
        return [self.features[i] for i in np.argsort(-self._logits, kind="stable").tolist()]

    def masks(self, rows: int, random: np.random.Generator) -> Floats:
        """Masks in 0..1 of shape [rows, features], to multiply the features' inputs or embeddings with."""
        noise = random.random((rows, len(self.features)))
        z: Floats = 1.0 / (1.0 + np.exp(-(self._logits + np.log(noise) - np.log1p(-noise)) / TEMPERATURE))
        self._slopes = z * (1.0 - z) / TEMPERATURE
        self.rows += rows
        return z

    def learn(self, gradient: Floats) -> None:
        """Learn from the last masks: `gradient` is that of each row's loss by its masks, shape [rows, features].

        Raises:
            ValueError: it has another shape than the last masks, or is not finite.
        """
        given = np.asarray(gradient, np.float64)
        if given.shape != self._slopes.shape:
            raise ValueError(f"the gradient has shape {given.shape}, the last masks have {self._slopes.shape}")
        if not np.isfinite(given).all():
            raise ValueError("the gradient by the masks is not finite; leave such a batch out")
        keep = 1.0 / (1.0 + np.exp(-self._logits))
        slope = (given * self._slopes).mean(axis=0) + self._price * keep * (1.0 - keep)
        self._logits = self._logits - self._rate * slope

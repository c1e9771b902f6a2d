"""Median and spread of few entries, row by row; an entry that is NaN is missing.

The MAD times 1.4826 and a small-sample factor (Croux and Rousseeuw 1992), shrunk below 20 entries to variance
`(n mad^2 + 20 P^2) / (n + 20)`, P^2 the mean of the series' own mad^2.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

ENOUGH: Final = 20  # entries whose own spread is believed
# Croux and Rousseeuw 1992: what the MAD of 0..9 normal values must be multiplied by to be unbiased.
_SMALL: Final = np.array([np.nan, np.nan, 1.196, 1.495, 1.363, 1.206, 1.200, 1.140, 1.129, 1.107])


def median(block: NDArray[np.float32]) -> tuple[Floats, Rows]:
    """Median of each row without its NaN, and how many it has; NaN sorts last."""
    ordered = np.sort(block, axis=1)
    count = np.count_nonzero(block == block, axis=1)
    rows = np.arange(len(block))
    low = ordered[rows, np.maximum(count - 1, 0) // 2].astype(np.float64)
    high = ordered[rows, np.minimum(count // 2, block.shape[1] - 1)].astype(np.float64)
    return (low + high) / 2.0, count


def center_and_mad(block: NDArray[np.float32]) -> tuple[Floats, Floats, Rows]:
    """Median of each row, its MAD as an estimate of sigma, and how many entries it has; of shape [n]."""
    center, count = median(block)
    deviation = median(np.abs(block - center[:, None]).astype(np.float32))[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(count < len(_SMALL), _SMALL[np.minimum(count, len(_SMALL) - 1)], count / (count - 0.8))
    return center, 1.4826 * factor * deviation, count  # 1.4826 makes the MAD estimate sigma for a normal law


def pooled(mads: NDArray[np.float32]) -> Floats:
    """P^2: the mean of a series' mad^2 over its slots, slot by slot so that no sum depends on the number of series."""
    total, count = np.zeros(len(mads)), np.zeros(len(mads))
    for slot in range(mads.shape[1]):
        column = mads[:, slot].astype(np.float64)
        known = column == column
        total += np.where(known, np.square(column), 0.0)
        count += known
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / count


def shrunk(variance: Floats, count: Rows, common: Floats) -> Floats:
    """A variance of `count` entries, drawn towards `common` where they are few."""
    prior = np.where(np.isnan(common), variance, common)
    mixed = (count * np.where(np.isnan(variance), prior, variance) + ENOUGH * prior) / (count + ENOUGH)
    return np.where(count < ENOUGH, mixed, variance)

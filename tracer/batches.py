"""A batch of samples mostly has each id once and lies in one pane: that is seen at little cost, the rest is sorted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray


def first_of_each(keys: NDArray[np.uint64]) -> NDArray[np.int64] | None:
    """Where each key stands first, in the order of the batch; None where none comes twice.

    >>> first_of_each(np.array([7, 3, 7], np.uint64)).tolist(), first_of_each(np.array([7, 3], np.uint64))
    ([0, 1], None)
    """
    ordered = np.sort(keys)  # without places: some ten times cheaper than np.unique with them
    if not (ordered[1:] == ordered[:-1]).any():
        return None
    first = np.unique(keys, return_index=True)[1]
    first.sort()
    return first


def by_pane(panes: NDArray[Any]) -> Iterator[tuple[int, Any]]:
    """Each pane of a batch, and an index of its rows; none is NaN.

    >>> [(pane, panes[rows].tolist()) for panes in [np.array([2.0, 1.0, 2.0])] for pane, rows in by_pane(panes)]
    [(1, [1.0]), (2, [2.0, 2.0])]
    """
    if not len(panes):
        return
    if panes.min() == panes.max():
        yield int(panes[0]), slice(None)
        return
    for pane in np.unique(panes).tolist():
        yield int(pane), panes == pane

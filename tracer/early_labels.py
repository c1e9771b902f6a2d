"""Labels that came before their samples, held for a declared time: clicks may be queued faster than views are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
Floats = NDArray[np.float64]


class Found(NamedTuple):
    """Labels whose samples have come; each id once, with its last label."""

    keys: Keys
    labels: Floats


class EarlyLabels:
    """Labels by id, at most `hold` seconds old. 24 bytes a label.

    >>> early = EarlyLabels(60.0)
    >>> early.keep(np.zeros(2), np.array([7, 9], np.uint64), np.array([1.0, 0.0]))
    >>> early.take(30.0, np.array([9, 5], np.uint64)).labels.tolist(), len(early)
    ([0.0], 1)
    >>> len(early.take(90.0, np.array([7], np.uint64)).keys)
    0
    """

    def __init__(self, hold: float) -> None:
        self._hold = hold
        self.keys, self.labels, self.since = np.zeros(0, np.uint64), np.zeros(0), np.zeros(0)

    def __len__(self) -> int:
        return len(self.keys)

    def keep(self, since: Floats, keys: Keys, labels: Floats) -> None:
        """Labels of ids that nobody has seen yet; a later label of an id takes the place of an earlier one."""
        if self._hold <= 0.0 or not len(keys):
            return
        self.put(
            np.concatenate((self.keys, keys)), np.concatenate((self.labels, labels)),
            np.concatenate((self.since, since)),
        )  # fmt: skip
        self._forget(float(since.max()))

    def take(self, now: float, keys: Keys) -> Found:
        """The labels of these ids, which are held no longer."""
        self._forget(now)
        if not len(self.keys):
            return Found(self.keys, self.labels)
        is_taken = np.isin(self.keys, keys)
        found = Found(self.keys[is_taken], self.labels[is_taken])
        self._keep_only(~is_taken)
        return found

    def put(self, keys: Keys, labels: Floats, since: Floats) -> None:
        """Hold these; of each id the last."""
        _, last = np.unique(keys[::-1], return_index=True)
        kept = np.sort(len(keys) - 1 - last)
        self.keys, self.labels, self.since = keys[kept], labels[kept], since[kept]

    def _forget(self, now: float) -> None:
        if len(self.since) and self.since.min() < now - self._hold:
            self._keep_only(self.since >= now - self._hold)

    def _keep_only(self, kept: NDArray[np.bool_]) -> None:
        self.keys, self.labels, self.since = self.keys[kept], self.labels[kept], self.since[kept]

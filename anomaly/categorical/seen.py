"""Which values were ever seen: two generations of a Bloom filter (Bloom 1970), so that ids without end are forgotten.

At most one new value in four is taken for a known one, one in 100 while there are below 3,500 values. When half of the
younger generation's bits are set (some 22,000 values), it becomes the older one. 16 kB.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamgauge.anomaly.categorical.hashed import places

Hashes = NDArray[np.uint64]
Bools = NDArray[np.bool_]
_BITS: Final = 16
BITS: Final = 1 << _BITS
_FULL: Final = 0.5
_ODD: Final = np.array([0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53], np.uint64)[:, None]


class Seen:
    """The values of one feature.

    >>> seen = Seen()
    >>> seen.learn(np.array([3, 7], np.uint64))
    >>> seen.holds(np.array([7, 9], np.uint64)).tolist()
    [True, False]
    """

    def __init__(self) -> None:
        self._young, self._old = np.zeros(BITS, bool), np.zeros(BITS, bool)

    def holds(self, codes: Hashes) -> Bools:
        """Which were seen, shape [n]."""
        place = _place(codes)
        held: Bools = self._young[place].all(axis=0) | self._old[place].all(axis=0)
        return held

    def learn(self, codes: Hashes) -> None:
        """These were."""
        if self._young.mean() > _FULL:
            self._young, self._old = np.zeros(BITS, bool), self._young
        self._young[_place(codes)] = True

    def state(self) -> list[bytes]:
        """Everything."""
        return [np.packbits(bits).tobytes() for bits in (self._young, self._old)]

    def restore(self, state: list[bytes]) -> None:
        """Continue where the state was taken."""
        self._young, self._old = (np.unpackbits(np.frombuffer(bits, np.uint8)).astype(bool) for bits in state)


def _place(codes: Hashes) -> NDArray[np.int64]:
    return places(codes, _ODD, _BITS)

"""Where a value stands in tables of hashes: multiply-shift hashing (Dietzfelbinger et al. 1997) of its 64-bit code."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def places(codes: NDArray[np.uint64], odd: NDArray[np.uint64], bits: int) -> NDArray[np.int64]:
    """The place of each value in each table of 2^bits, [depth, n]; `odd` are the tables' multipliers, [depth, 1].

    >>> places(np.array([1 << 60], np.uint64), np.array([[1], [3]], np.uint64), 4).tolist()
    [[1], [3]]
    """
    found: NDArray[np.int64] = ((codes[None, :] * odd) >> np.uint64(64 - bits)).astype(np.int64)
    return found

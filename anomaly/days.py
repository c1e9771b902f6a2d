"""The arrays of a reference (`anomaly.reference`) and the steps on them: rings of days and of windows; pure.

Of each day a slot keeps one entry a series in a ring of 28, float32; beside it the last 24
windows, whatever their slot.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamgauge.anomaly.columns import Arrays, Column
from streamgauge.anomaly.robust import median

DEPTH: Final = 28  # days
TRAILING: Final = 24  # windows
KIND_MINIMUM: Final = 2  # entries of a kind of day that differ clearly, before it is told apart unasked
CLEAR: Final = 6.0  # standard errors that its median must be away
MEMORY: Final = 1.0 / 256  # weight of the newest difference in `wobble`


def columns(slots: int) -> dict[str, Column]:
    """What is kept of each series."""
    nan = float("nan")
    return {
        "level": Column("<f4", (slots, DEPTH), nan),
        "mads": Column("<f4", (slots,), nan),
        "present": Column("<u4", (slots,)),  # a bit a day: there was a window
        "reached": Column("<u4", (slots,)),  # and it had a value
        "trailing": Column("<f4", (TRAILING,), nan),
        "trailing_at": Column("|i1"),
        "excess": Column("<f4", (TRAILING,), nan),
        "excess_at": Column("|i1"),
        "open_sum": Column("<f8"),  # of the day's slot that is going on
        "open_count": Column("<i4"),
        "open_present": Column("|u1"),
        "open_reached": Column("|u1"),
        "previous": Column("<f8", (), nan),
        "wobble": Column("<f8"),
        "steps": Column("<i4"),
    }


def push(
    ring: NDArray[np.float32], at: NDArray[np.int8], rows: NDArray[np.int64], level: NDArray[np.float64]
) -> None:
    """Write `level` of these rows into their rings, over the oldest entry."""
    if not len(rows):
        return
    # One flat index is twice as fast as a pair; a ring is contiguous.
    newest = at[rows]
    ring.reshape(-1)[rows * TRAILING + newest] = np.clip(level[rows], -3e38, 3e38)
    at[rows] = np.where(newest == TRAILING - 1, 0, newest + 1)


def add_step(arrays: Arrays, taken: NDArray[np.bool_], level: NDArray[np.float64]) -> None:
    """Average half the square of the step from window to window inside a slot, capped at 3 sigmas, into `wobble`."""
    seen, old = arrays["steps"], arrays["wobble"]
    step = level - arrays["previous"]
    moved = taken & (step == step)
    square = 0.5 * step * step
    capped = np.where(seen > TRAILING, np.minimum(square, 9.0 * old + 1e-12), square)
    gain = np.maximum(1.0 / (seen + 1.0), MEMORY)
    arrays["wobble"] = np.where(moved, old + gain * (capped - old), old)
    arrays["steps"] = np.minimum(seen + moved, 1_000_000).astype("<i4")
    arrays["previous"] = np.where(taken, level, arrays["previous"])


def reach(arrays: Arrays, slot: int, fresh: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of a slot's `fresh` days that had a value, 0 while there are none."""
    mask = np.uint32(sum(1 << place for place in np.flatnonzero(fresh).tolist()))
    present = np.bitwise_count(arrays["present"][:, slot] & mask)
    reached = np.bitwise_count(arrays["reached"][:, slot] & mask)
    share: NDArray[np.float64] = reached / np.maximum(present, 1)
    return share


def of_kind(
    block: NDArray[np.float32], center: NDArray[np.float64], spread: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The median of one kind of day [series, days] where it is clearly another one, else `center`."""
    if block.shape[1] < KIND_MINIMUM:
        return center
    own, count = median(block)
    with np.errstate(invalid="ignore"):
        away = (np.abs(own - center) * np.sqrt(count) > CLEAR * spread) & (count >= KIND_MINIMUM)
    rows = np.flatnonzero(away)
    away[rows] = _agrees(block[rows], own[rows] - center[rows], center[rows], count[rows])
    return np.where(away, own, center)


def _agrees(
    block: NDArray[np.float32], away: NDArray[np.float64], center: NDArray[np.float64], count: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether three quarters of the days lie on one side of `center`, at least half as far: one incident is no kind."""
    distance = np.sort((block - center[:, None]) * np.sign(away)[:, None], axis=1)  # NaN last
    lower: NDArray[np.float64] = distance[np.arange(len(block)), (count - 1) // 4]
    agrees: NDArray[np.bool_] = lower > 0.5 * np.abs(away)
    return agrees

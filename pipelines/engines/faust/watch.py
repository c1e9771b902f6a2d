"""What Faust leaves out: it is known to lose its place after a rebalance, and to stop fetching, both without a word.

A record behind the gap shows it at once; where none comes, the end of the log does: what waited there since the last
look and did not come is to be read directly. When that is needed again and again, Faust brings nothing any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from streamgauge.tracer.transport import LogError

EVERY: Final = 1.0  # seconds between looks at the log's ends
PATIENCE: Final = 10.0  # seconds for brokers to tell them; brokers that are away leave nothing out
_MOST: Final = 10_000  # records that are read directly before the next look
_STALLED: Final = 90  # looks in a row at which something was left out, and nothing came between them


class Watch:
    """How far each partition of `traces` was at the last look.

    >>> watch = Watch()
    >>> watch.left_out({0: 10}, {0: 7}), watch.left_out({0: 12}, {0: 7}), watch.left_out({0: 12}, {0: 12})
    ({}, {0: 12}, {})
    """

    def __init__(self) -> None:
        self._before: dict[int, tuple[int, int]] = {}  # what was wanted, and the end
        self._left_out: Counter[int] = Counter()

    def came(self, partition: int) -> None:
        """Faust brought a record."""
        del self._left_out[partition]

    def left_out(self, ends: Mapping[int, int], wanted: Mapping[int, int]) -> dict[int, int]:
        """The partitions that must be read directly, each with the offset to read to.

        Args:
            ends: the offset that the next record of each partition will have; of none if no broker told it.
            wanted: the offset of the next record to take, of those that this process has.

        Raises:
            LogError: Faust brings nothing any more.
        """
        before = self._before
        self._before = {number: (wanted[number], end) for number, end in ends.items() if number in wanted}
        late: dict[int, int] = {}
        for number, (here, end) in self._before.items():
            was, waiting = before.get(number, (here, here))
            if was == here < waiting:
                late[number] = min(end, here + _MOST)
                self._left_out[number] += 1
                if self._left_out[number] >= _STALLED:
                    text = f"Faust brought no record of traces/{number} for {_STALLED * EVERY:.0f} s, though some came"
                    raise LogError(text, retryable=True)
        return late

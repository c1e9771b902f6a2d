"""What is traced changes while steps go on: until the worker says so, and the longest step meanwhile.

The wait is from the plan on the bus (in this process: a broker's own time comes on top) to `applied` on the status
topic. Plans take turns: other statistics, then other raw arrays, which compiles the step anew where there is a graph.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from streamgauge.tracer import control
from streamgauge.tracer.selection import Select
from streamgauge.tracer.transport import MemoryLog

PLAN: Final = "bench"
PATIENCE: Final = 120.0  # seconds
BESIDE: Final = 5  # steps after the answer that are watched, too: the first one compiles


class Changed(NamedTuple):
    """One change: seconds until it was acknowledged, and of the longest step from then on."""

    wait: float
    longest: float


def changes(log: MemoryLog, step: Callable[[], object], names: list[str], count: int) -> Iterator[Changed]:
    """`count` changes; every second one asks for the raw gradients of the next of `names`."""
    while not log.latest("catalogue"):
        step()
    for revision in range(1, count + 1):
        raw = [Select(collection="gradients", names=(names[revision // 2 % len(names)],), emit="raw", every=1)]
        select = raw if revision % 2 else [Select(collection="weights", every=1 + revision)]
        log.send([("control", f"bench/{PLAN}", control.plan("bench", PLAN, revision, issued=0.0, select=select))])
        yield _change(log, step, revision)


def _change(log: MemoryLog, step: Callable[[], object], revision: int) -> Changed:
    begin, wait, longest, left = time.perf_counter(), 0.0, 0.0, BESIDE
    while left:
        at = time.perf_counter()
        step()
        longest = max(longest, time.perf_counter() - at)
        if wait:
            left -= 1
        elif _is_applied(log, revision):
            wait = time.perf_counter() - begin
        elif at - begin > PATIENCE:
            raise TimeoutError(f"revision {revision} was not applied within {PATIENCE:g} s")
    return Changed(wait, longest)


def _is_applied(log: MemoryLog, revision: int) -> bool:
    said = log.latest("status").values()
    plans = (one for value in said for one in control.decode_status(value).plans)
    return any(one.revision == revision and one.state == "applied" for one in plans)

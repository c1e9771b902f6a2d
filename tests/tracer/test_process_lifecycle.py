"""Lives of tracers by what they were given."""

from __future__ import annotations

from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import MemoryLog


def test_two_processes_that_were_given_one_incarnation_are_two_lives() -> None:
    log = MemoryLog()
    one, other = (Tracer("ctr", "w", log, incarnation="rank", usage=False) for _ in range(2))
    assert one.incarnation != other.incarnation
    assert one.incarnation.startswith("rank-") and other.incarnation.startswith("rank-")
    for tracer in (one, other):
        tracer.close()

"""One worker first: a plan that compiles the step anew is tried by one of those that it is aimed at; pure.

Each of them says `pending`. After `SETTLE` seconds, in which the others could say so too, the first by name begins;
when it has done `GOOD` steps with the plan the others follow. A worker that died of it is passed over; two stop it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from streamgauge.tracer.control import PlanState, Status

SETTLE: Final = 3.0  # seconds
GOOD: Final = 100  # steps
FATAL: Final = 2  # workers


class Verdict(NamedTuple):
    """What a worker that waits does now, and why."""

    does: Literal["wait", "go", "stop"]
    reason: str = ""


def decide(worker: str, plan: str, revision: int, others: Mapping[str, Status], waited: float) -> Verdict:
    """What `worker` does with a revision that it has waited with for so long; `others` are the job's workers by name.

    >>> decide("b", "debug", 3, {}, 0.0)
    Verdict(does='go', reason='')
    """
    running = {name: one for name, one in others.items() if name != worker and one.state != "stopped"}
    if not running:
        return Verdict("go")
    said = {name: state for name, one in running.items() if (state := _of(one, plan, revision)) is not None}
    dead = sorted(name for name, state in said.items() if state.state in ("suspect", "tripped"))
    if len(dead) >= FATAL:
        return Verdict("stop", f"{len(dead)} workers had trouble with it: {', '.join(dead[:5])}")
    if any(state.state == "applied" and state.proven for state in said.values()):
        return Verdict("go")
    trying = sorted(name for name, state in said.items() if state.state in ("applying", "applied"))
    first = trying[0] if trying else min([worker, *(name for name, state in said.items() if state.state == "pending")])
    if first == worker and waited >= SETTLE:
        return Verdict("go")
    return Verdict("wait", "one worker tries it first" if first == worker else f"{first} tries it first")


def _of(status: Status, plan: str, revision: int) -> PlanState | None:
    return next((one for one in status.plans if (one.plan, one.revision) == (plan, revision)), None)

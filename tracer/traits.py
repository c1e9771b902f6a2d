"""What an adapter says of the job that it is in: what a change of the plan costs there, and what would break."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from streamgauge.tracer.selection import Selection

STALL: Final = 5.0  # seconds that a change may hold up a step without being asked for


@dataclass
class Traits:
    """Set by adapters, read when a plan is checked.

    `rebuilds(now, then)`: whether the step is compiled anew when `then` takes the place of `now`. `first_build`:
    seconds of the job's own first step, by the processor time of its thread: a busy machine is no stall.
    `has_collectives`: every rank must run the same compiled step.
    """

    rebuilds: Callable[[Selection, Selection], bool] | None = None
    first_build: float = 0.0
    has_collectives: bool = False

    def is_tried_first(self, now: Selection, then: Selection) -> bool:
        """Whether one worker tries the change before the others do; where all must change at once none can."""
        return self.rebuilds is not None and not then.off and not self.has_collectives and self.rebuilds(now, then)

    def fault(self, now: Selection, then: Selection, *, min_step: int, allow_stall: bool) -> str:
        """Why a change must not be made as it is asked for, or ""."""
        if self.rebuilds is None or then.off or not self.rebuilds(now, then):
            return ""
        if self.has_collectives and not min_step:
            return (
                "unsafe_collective: the step is compiled anew and this job has collectives; set min_step, so that "
                "every rank changes at the same one"
            )
        if self.first_build > STALL and not allow_stall:
            return (
                f"stall: the step is compiled anew, the job's own first one took {self.first_build:.0f} s; "
                "set allow_stall to take that"
            )
        return ""

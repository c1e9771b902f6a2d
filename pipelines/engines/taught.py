"""What on-call has taught of one job, as its consumer has committed it last."""

from __future__ import annotations

from streamgauge.pipelines.config.schema import JobConfig
from streamgauge.pipelines.engines.keeping import committed_state
from streamgauge.pipelines.paging.feedback import CONSUMER, FeedbackLoop
from streamgauge.pipelines.ports import Bus


def taught(bus: Bus, job: JobConfig) -> FeedbackLoop:
    """All that verdicts have taught; nothing yet where none was given."""
    loop, state = FeedbackLoop(job), committed_state(bus, CONSUMER, job.name)
    if state is not None:
        loop.restore(state)
    return loop

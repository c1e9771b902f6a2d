"""Roll-outs: most of a job's workers begin a new life within ten minutes, and this is a fact, told to nobody.

Whatever waits for a cause waits longer after it: what a roll-out disturbs passes by itself. A worker that comes back
under another name is a new one, and counts as none of them. A job in shards tells of none: no shard sees all workers.
Cost: one search in a sorted list for each new life.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Final

from streamgauge.anomaly.types import Anomaly
from streamgauge.pipelines.stream import watermark
from streamgauge.pipelines.stream.state import Job, Worker
from streamgauge.pipelines.stream.windows import to_seconds

METRIC: Final = "rollout"
WITHIN: Final = 600_000_000  # microseconds


def begin(job: Job, worker: Worker, pane: int) -> None:
    """A worker has begun anew with a record of `pane`: the one that makes most of them new is a fact.

    Time is the clock's pane, not the records': which of two workers is heard first within one does not show.
    """
    if not worker.member.restarts or job.config.shards > 1:
        return
    now = pane if job.clock is None else watermark.paned(job.clock, job.pane)
    last, worker.member.renewed = worker.member.renewed, now
    if job.renewals is None:
        known = (one.member.renewed for one in job.workers.values() if one is not worker)
        job.renewals = sorted(at for at in known if at != watermark.FAR_PAST)
    elif last in job.renewals[(place := bisect_left(job.renewals, last)) : place + 1]:
        del job.renewals[place]
    workers = len(job.workers)
    before = len(job.renewals) - bisect_left(job.renewals, now - WITHIN)
    insort(job.renewals, now)
    is_among_them = last >= now - WITHIN  # and changes nothing, whichever of two comes first
    if not is_among_them and 2 * before <= workers < 2 * (before + 1):
        job.out.append(_fact(job, before + 1, workers, now))


def _fact(job: Job, renewed: int, workers: int, pane: int) -> Anomaly:
    at = to_seconds(pane + job.pane)
    return Anomaly(
        kind="fact", job=job.config.name, worker="", domain="system", entity="", metric=METRIC, severity="info",
        start=to_seconds(pane), time=at, end=at, value=float(renewed), expected=float(workers), score=1e9,
        text=f"rolled out: {renewed} of {workers} workers began anew within 10 min",
    )  # fmt: skip

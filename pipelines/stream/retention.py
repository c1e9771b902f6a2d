"""What leaves: series unseen for a day, workers gone for a day; who they were is remembered a little longer."""

from __future__ import annotations

from streamgauge.pipelines.config.schema import DAY
from streamgauge.pipelines.stream.state import KEPT_MEMBERS, Job, Worker
from streamgauge.pipelines.stream.watermark import COUNTS, FAR_PAST
from streamgauge.pipelines.stream.windows import to_micros


def evict_series(job: Job, worker: Worker, bound: int) -> None:
    """Series that were not seen for a day, and that no open window needs, leave."""
    before = bound - to_micros(DAY)
    names, size = len(worker.stream.names.names) + len(worker.wall.names.names), _bytes(worker)
    job.series -= worker.stream.evict(before) + worker.wall.evict(before)
    job.name_bytes += _bytes(worker) - size
    if len(worker.stream.names.names) + len(worker.wall.names.names) < names:
        for other in job.workers.values():
            other.mappings.clear()  # what found no room may find some now


def evict_workers(job: Job) -> None:
    """Workers gone for a day leave, unless an open window or fact still needs them."""
    before = (job.clock or FAR_PAST) - to_micros(DAY)
    for name, worker in job.named_workers():
        member = worker.member
        if member.state in ("left", "missing") and (member.heard or 0) < before and not _is_needed(worker):
            forget_worker(job, name)


def forget_worker(job: Job, name: str) -> None:
    """Drop a worker; its counts stay, and for a while who it was."""
    worker = job.workers.pop(name)
    job.counts = [a + b for a, b in zip(job.counts, worker.member.counts, strict=True)]
    worker.member.counts, worker.member.passings = [0] * len(COUNTS), []
    job.gone[name] = worker.member
    if len(job.gone) > KEPT_MEMBERS:
        del job.gone[next(iter(job.gone))]
    job.series -= worker.stream.names.size + worker.wall.names.size
    job.name_bytes -= _bytes(worker)
    for ring in job.rings.values():
        for closed in ring:
            closed.dirty = [dirty for dirty in closed.dirty if dirty != name]
    for other in job.workers.values():
        other.mappings.clear()


def _bytes(worker: Worker) -> int:
    return worker.stream.names.bytes + worker.wall.names.bytes


def _is_needed(worker: Worker) -> bool:
    tracks = (worker.stream, worker.wall)
    return bool(worker.facts.open or worker.frozen) or any(track.panes or track.slices for track in tracks)

"""The pipeline's own job: a tracer that tells once a pane what the process knows of itself.

It cannot feed itself: a look is one record a pane, however much or little flows; what became of its own records is left
out of what it tells (`/metrics` and the health view have it, under its name); and the series are bounded, watched jobs
beyond the first hundred and dead letters beyond the first twenty reasons counting together as `others`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from streamgauge.pipelines.config.schema import Config, JobConfig
from streamgauge.pipelines.process_metrics import Passed, ProcessMetrics
from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import Transport

WORKER: Final = "run"
MOST_JOBS: Final = 100
MOST_REASONS: Final = 20
_BEAT: Final = 1.0  # seconds between two looks at the clock
_OTHERS: Final = "others"


class SelfMonitor:
    """Tells the own job. `step` is called again and again, by one thread.

    Args:
        config: all watched jobs.
        job: the own one among them.
        transport: the log; released by its owner.
        look: what the process knows of itself now.
        now: wall time.
        pause: waits so many seconds, or less when the process stops.
    """

    def __init__(
        self, config: Config, job: JobConfig, transport: Transport, look: Callable[[], ProcessMetrics],
        now: Callable[[], float], pause: Callable[[float], object],
    ) -> None:  # fmt: skip
        self._pane, self._looked_at = job.pane, -math.inf
        self._look, self._now, self._pause = look, now, pause
        self._tracer = Tracer(job.name, WORKER, transport, clock=now, pane=job.pane, shards=job.shards)
        others = [other for other in config.jobs if other is not job]
        self._entities = {
            other.name: f"job:{other.name if i < MOST_JOBS else _OTHERS}" for i, other in enumerate(others)
        }
        self._holds = {other.name: hold_of(other) for other in others}
        self._before: ProcessMetrics | None = None

    def step(self) -> int:
        """Look once a pane, send, wait a second; there is always more to do."""
        if (pane := math.floor(self._now() / self._pane)) > self._looked_at:
            self._looked_at = pane
            self.tell(self._look())
        self._tracer.beat()
        self._pause(_BEAT)
        return 1

    def tell(self, process_metrics: ProcessMetrics) -> None:
        """One look: what is now, and what has come since the last one."""
        before, self._before = self._before or process_metrics, process_metrics
        for name, consumer in process_metrics.consumers.items():
            self._say("failing", float(not consumer.is_alive or consumer.failures > 0), f"consumer:{name}")
        for kind, sizes in (("waiting", process_metrics.lags), ("state", process_metrics.state)):
            for name, size in sizes.items():
                self._say(kind, size, f"consumer:{name}")
        for name, size in process_metrics.disk.items():
            self._say("disk", size, f"disk:{name}")
        for name, delivery in process_metrics.notifiers.items():
            last = before.notifiers.get(name, delivery)
            self._say("notified", delivery.sent - last.sent, f"notifier:{name}")
            self._say("untold", delivery.failed - last.failed + (delivery.attempts > 0), f"notifier:{name}")
        self._say("clients", process_metrics.clients, "http")
        self._tell_dead(_dead(process_metrics), _dead(before))
        self._tell_jobs(process_metrics, before.jobs)
        self._tracer.idle()

    def close(self) -> None:
        """Say goodbye."""
        self._tracer.close()

    def _tell_dead(self, dead: Mapping[str, int], before: Mapping[str, int]) -> None:
        new: Counter[str] = Counter({_OTHERS: 0})
        for i, reason in enumerate(sorted(dead)):
            new[reason if i < MOST_REASONS else _OTHERS] += dead[reason] - before.get(reason, 0)
        for reason, count in new.items():
            self._say("dead", count, f"reason:{reason}")

    def _tell_jobs(self, process_metrics: ProcessMetrics, before: Mapping[str, Passed]) -> None:
        flows: dict[str, Flow] = {}
        for name, entity in self._entities.items():
            job, last = process_metrics.jobs.get(name, Passed()), before.get(name, Passed())
            flows.setdefault(entity, Flow()).add(job, last)
            if math.isfinite(job.closed) and math.isfinite(job.close_time):
                self._say("result_age", max(0.0, process_metrics.time - job.closed), entity)
                self._say("hold", self._holds[name], entity)
            if job.closed > last.closed and math.isfinite(job.close_time):
                self._say("close_time", job.close_time, entity)
        for entity, flow in flows.items():
            for kind, value, weight in flow.said():
                self._say(kind, value, entity, weight)

    def _say(self, kind: str, value: float, entity: str, weight: float = 1.0) -> None:
        self._tracer.scalar(f"pipeline_{kind}", value, entity, "wall", weight)


def _dead(process_metrics: ProcessMetrics) -> dict[str, int]:
    """Records that could not be used, and lines that the store refused, by reason."""
    refused = process_metrics.store.get("rejected", 0)
    return dict(process_metrics.dead) | ({"refused by the store": refused} if refused else {})


class Flow:
    """What became of the records of one job, or of several, between two looks."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._rate = math.nan

    def add(self, job: Passed, last: Passed) -> None:
        """Add a job's counts since its last ones; a job that was counted for the first time begins here."""
        passed = job.counted_at - last.counted_at
        if not 0.0 < passed < math.inf:
            return
        new = {name: max(0, count - last.counts.get(name, 0)) for name, count in job.counts.items()}
        self._counts.update(new)
        rate = new.get("records", 0) / passed
        self._rate = rate if math.isnan(self._rate) else self._rate + rate

    def said(self) -> list[tuple[str, float, float]]:
        """(kind, value, weight) of each; nothing where nothing came."""
        if math.isnan(self._rate):
            return []
        counts = self._counts
        dropped = counts["duplicate"] + counts["superseded"]
        shares = (
            ("late", counts["late"], counts["points"]),
            ("overflow", counts["overflow"], counts["points"]),
            ("dropped", dropped, counts["records"] + dropped),
            ("lost", counts["lost"], counts["records"] + counts["lost"]),
        )
        known = [(kind, part / whole, float(whole)) for kind, part, whole in shares if whole]
        return [("records", self._rate, 1.0), *known]


def hold_of(job: JobConfig) -> float:
    """How long, in seconds, a slow worker may hold a window of this job before it is waited for no longer."""
    streams = [window.length for window in job.windows if window.kind != "wall"] or [job.pane]
    hold = job.max_hold if job.max_hold is not None else 3.0 * min(streams)
    return hold + job.allowed_lateness

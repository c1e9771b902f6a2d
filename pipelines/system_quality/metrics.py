"""The metrics of the system, as a table: one line of definition each."""

from __future__ import annotations

from functools import partial

from pipelines.pipeline import Metric
from pipelines.system_quality import membership, pace
from pipelines.train_quality.progress import scalars

_wall = partial(Metric, domain="system", clock="wall", window="wall")
_quiet = partial(_wall, pages=False)

METRICS: tuple[Metric, ...] = (
    _quiet(
        name="step_time_p50", compute=pace.step_time(0.5), unit="s", minimum=5, transform="log", direction="up",
        doc="Median wall time of a training step.",
    ),
    _quiet(
        name="step_time_p95", compute=pace.step_time(0.95), unit="s", minimum=20, transform="log", direction="up",
        doc="95 % quantile of the wall time of a training step.",
    ),
    _quiet(
        name="step_time_p99", compute=pace.step_time(0.99), unit="s", minimum=100, transform="log", direction="up",
        doc="99 % quantile of the wall time of a training step.",
    ),
    _quiet(
        name="throughput", compute=pace.throughput, unit="rows/s", minimum=0, transform="sqrt", reference="class",
        additive=True, direction="down", doc="Rows trained / window length.",
    ),
    _quiet(
        name="keep_up", compute=pace.keep_up, unit="ratio", minimum=20, transform="log", direction="down",
        doc="Rows trained / rows seen in the same window; judged against 1, or what is normal with late labels.",
    ),
    _quiet(
        name="train_delay_p50", clock="train", compute=pace.train_delay(0.5), unit="s", minimum=50, window="short",
        transform="log", direction="up", doc="Median of time trained - the sample's own time; the floor is the SLO.",
    ),
    _quiet(
        name="train_delay_p95", clock="train", compute=pace.train_delay(0.95), unit="s", minimum=50, window="short",
        transform="log", direction="up",
        doc="95 % quantile of time trained - the sample's own time: its parts are scored, the sum is shown.",
    ),
    _quiet(
        name="heartbeat_age", compute=membership.heartbeat_age, unit="s", minimum=0, reference="none", direction="up",
        doc="Window end - last record; of the job, of its freshest worker. A missing worker is a hard fact.",
    ),
    _quiet(
        name="watermark_lag", compute=membership.watermark_lag, unit="s", minimum=0, reference="none", direction="up",
        doc="Median watermark of the other workers - own. A worker that is `behind` is a hard fact.",
    ),
    _quiet(
        name="restarts", compute=membership.restarts, unit="1/h", minimum=0, reference="none", direction="up",
        doc="New incarnations by hour.",
    ),
    _quiet(
        name="straggler", compute=pace.straggler, unit="ratio", minimum=5, transform="log", direction="up",
        doc="Median step time / median of the other workers' medians; of the job, its slowest worker's.",
    ),
    _wall(
        name="trace_loss", compute=membership.trace_loss, unit="ratio", minimum=1, transform="asin", direction="up",
        reference="none", limit=0.2, doc="1 - points received / points captured, in the workers' incarnations.",
    ),
    _quiet(
        name="system_scalar", compute=scalars("wall"), unit="job's", minimum=1,
        doc="Mean of a scalar on the wall clock (`memory_bytes`, one of the job's own), shown as it is.",
    ),
    _quiet(name="cpu", compute=pace.cpu, unit="ratio", minimum=1, doc="Share of the processor limit, mean."),
    _quiet(
        name="memory", compute=pace.memory, unit="ratio", minimum=1, direction="up",
        doc="Largest share of the memory limit; of the job, of its fullest worker.",
    ),
)

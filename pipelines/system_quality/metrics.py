"""The metrics of the system, as a table: one line of definition each."""

from __future__ import annotations

from functools import partial

from streamgauge.pipelines.metrics import Metric
from streamgauge.pipelines.system_quality import membership, own, pace
from streamgauge.pipelines.train_quality.progress import scalars

_wall = partial(Metric, domain="system", clock="wall", window="wall")
_quiet = partial(_wall, pages=False)
_own = partial(_quiet, scope="job", reference="none", direction="up", minimum=0)

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
    _own(
        name="pipeline_records", compute=own.mean("pipeline_records"), unit="1/s", direction="both",
        doc="Own job: records taken by watched job, as its operators count them.",
    ),
    _own(
        name="pipeline_late", compute=own.share("pipeline_late"), unit="ratio", minimum=1,
        doc="Own job: points that came after their window had closed / points, by watched job.",
    ),
    _own(
        name="pipeline_dropped", compute=own.share("pipeline_dropped"), unit="ratio", minimum=1,
        doc="Own job: records that came twice or from a replaced incarnation / records, by watched job.",
    ),
    _own(
        name="pipeline_lost", compute=own.share("pipeline_lost"), unit="ratio", minimum=1,
        doc="Own job: gaps in the workers' numbers / records sent, by watched job.",
    ),
    _own(
        name="pipeline_overflow", compute=own.share("pipeline_overflow"), unit="ratio", minimum=1,
        doc="Own job: points of series over the limit / points, by watched job.",
    ),
    _own(
        name="pipeline_dead", compute=own.total("pipeline_dead"), unit="count",
        doc="Own job: records that could not be used, by reason.",
    ),
    _own(
        name="pipeline_waiting", compute=own.most("pipeline_waiting"), unit="messages",
        doc="Own job: most messages that waited for a consumer; the queues of store and notifiers among them.",
    ),
    _own(
        name="pipeline_failing", compute=own.mean("pipeline_failing"), unit="ratio", pages=True, limit=0.5,
        doc="Own job: looks at which a consumer had stopped or failed / looks.",
    ),
    _own(
        name="pipeline_close_time", compute=own.close_time, unit="s",
        doc="Own job: longest time from a window's end to its score; the floor is the job's `max_hold`.",
    ),
    _own(
        name="pipeline_result_age", compute=own.most("pipeline_result_age"), unit="s",
        doc="Own job: time since the end of a watched job's last closed window: its watermark's lag.",
    ),
    _own(
        name="pipeline_state", compute=own.most("pipeline_state"), unit="bytes",
        doc="Own job: state that a consumer committed last.",
    ),
    _own(
        name="pipeline_disk", compute=own.most("pipeline_disk"), unit="bytes",
        doc="Own job: the embedded log and the embedded store on disk.",
    ),
    _own(
        name="pipeline_notified", compute=own.total("pipeline_notified"), unit="count", direction="both",
        doc="Own job: notifications delivered, by notifier.",
    ),
    _own(
        name="pipeline_untold", compute=own.total("pipeline_untold"), unit="count",
        doc="Own job: notifications that could not be delivered, or not yet, by notifier.",
    ),
    _own(
        name="pipeline_clients", compute=own.most("pipeline_clients"), unit="count", direction="both",
        doc="Own job: pages that follow the stream of events.",
    ),
)

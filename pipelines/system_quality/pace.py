"""How fast the system goes and what it uses: step time, throughput, delay, stragglers, processor and memory."""

from __future__ import annotations

import math
from collections.abc import Callable

from streamgauge.pipelines.metrics import Values, View
from streamgauge.pipelines.statistics.measures import NOTHING, highs, means, quantile_values, rate, single
from streamgauge.pipelines.system_quality.others import Others
from streamgauge.tracer.summaries import Histogram


def step_time(q: float) -> Callable[[View], Values]:
    """A metric function for one quantile of the step time."""
    return lambda view: quantile_values(view.sketches(Histogram, "wall", "step_time"), q)


def train_delay(q: float) -> Callable[[View], Values]:
    """A metric function for one quantile of time trained - the sample's own time; the floor is the SLO."""

    def compute(view: View) -> Values:
        found = quantile_values(view.sketches(Histogram, "train", "train_delay"), q)
        return found._replace(floor=found.floor + view.config.slo.get("train_delay", 0.0))

    return compute


def throughput(view: View) -> Values:
    """Rows trained / window length."""
    if not view.stat("wall", "rows_trained").entities:
        return NOTHING
    return rate(view.total("wall", "rows_trained"), view.length)


def keep_up(view: View) -> Values:
    """Rows trained / rows seen in the window; the evidence is the rows seen."""
    if not view.stat("wall", "rows_seen").entities:
        return NOTHING
    seen, trained = view.total("wall", "rows_seen"), view.total("wall", "rows_trained")
    if seen <= 0.0:
        return single(math.nan, 0.0)
    noise = max(trained / seen, 1.0 / seen) * math.sqrt(1.0 / max(trained, 1.0) + 1.0 / seen)
    return single(trained / seen, seen, noise)


def straggler(view: View) -> Values:
    """Median step time / median of the other workers' medians; of the job, its slowest worker's."""
    times, others = view.shared("straggler", _medians)
    names = [view.worker] if view.worker else sorted(times)
    found = [(_lag(name, others), times[name]) for name in names if name in times]
    if not found or len(times) < 2:
        return NOTHING
    worst = max(found)
    return single(worst[0], worst[1])


def cpu(view: View) -> Values:
    """Mean share of the limit."""
    stat = view.stat("wall", "cpu")
    return means(stat) if stat.entities else NOTHING


def memory(view: View) -> Values:
    """Largest share of the limit; of the job, of the worker that is fullest."""
    stat = view.stat("wall", "memory")
    return highs(stat) if stat.entities else NOTHING


def _steps(view: View) -> Histogram | None:
    histogram = view.sketches(Histogram, "wall", "step_time").get("")
    return histogram if histogram is not None and histogram.total else None


def _medians(view: View) -> tuple[dict[str, float], Others]:
    """How many steps were timed, and their median time, by worker."""
    times = {name: h for name, v in view.workers.items() if (h := _steps(v)) is not None}
    return {name: float(h.total) for name, h in times.items()}, Others({n: h.quantile(0.5) for n, h in times.items()})


def _lag(name: str, others: Others) -> float:
    usual = others.median(name)
    return others.values[name] / usual if usual > 0.0 else math.nan

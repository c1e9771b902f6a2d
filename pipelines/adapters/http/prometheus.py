"""One look at the pipeline in Prometheus' text format: the only file that knows the client library.

Nothing is kept between two scrapes: each has a registry of its own. Label values are bounded: the configured jobs, the
consumers and notifiers of the process, at most 50 reasons of dead letters (the others together as `others`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from streamgauge.pipelines.process_metrics import Passed, ProcessMetrics

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
MOST_REASONS: Final = 50
_BY_JOB: Final = {  # metric -> what it counts, and the operators' name for it
    "records": ("Records taken from the log", "records"),
    "points": ("Points taken from the log", "points"),
    "late_points": ("Points that came after their window had closed", "late"),
    "overflow_points": ("Points of series over the limit, folded into one", "overflow"),
    "lost_records": ("Gaps in the workers' numbers", "lost"),
    "clamped_times": ("Times too far ahead, set to the bound", "clamped"),
}


def exposition(process_metrics: ProcessMetrics) -> bytes:
    """The scrape's body."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Look(process_metrics))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Look(Collector):
    """Hands the library one look."""

    def __init__(self, process_metrics: ProcessMetrics) -> None:
        self._vitals = process_metrics

    def collect(self) -> Iterator[Metric]:
        yield from _process(self._vitals)
        yield from _jobs(self._vitals)
        yield from _consumers(self._vitals)
        yield from _told(self._vitals)


def _process(process_metrics: ProcessMetrics) -> Iterator[Metric]:
    yield _gauges("build_info", "Always 1; the version is the label", "version", [(_version(), 1.0)])
    yield GaugeMetricFamily("streamgauge_ready", "1 if /readyz says yes", value=float(not process_metrics.unready))
    clients = "Pages that follow the stream of events"
    yield GaugeMetricFamily("streamgauge_http_clients", clients, value=process_metrics.clients)
    yield _gauges("held_bytes", "In caches and queues of this process, about", "what", process_metrics.held.items())
    yield from _connections(process_metrics)
    yield _gauges("disk_bytes", "The embedded log and store on disk", "file", process_metrics.disk.items())
    dead: Counter[str] = Counter()
    for i, (reason, count) in enumerate(sorted(process_metrics.dead.items())):
        dead[reason if i < MOST_REASONS else "others"] += count
    yield _counters("dead_letters", "Records that could not be used", "reason", dead.items())


def _connections(process_metrics: ProcessMetrics) -> Iterator[Metric]:
    known = process_metrics.connections
    if known:
        yield GaugeMetricFamily("streamgauge_http_connections", "Connections that are open", value=known["open"])
        ended = ((result, known[result]) for result in ("refused", "evicted"))
        yield _counters("http_connections_ended", "Connections over the bound, by what was done", "result", ended)


def _jobs(process_metrics: ProcessMetrics) -> Iterator[Metric]:
    counted = {name: job.counts for name, job in process_metrics.jobs.items() if job.counts}
    for metric, (text, count) in _BY_JOB.items():
        yield _counters(metric, text, "job", ((name, counts.get(count, 0)) for name, counts in counted.items()))
    dropped = CounterMetricFamily(
        "streamgauge_dropped_records", "Records that say nothing new, by reason", labels=("job", "reason")
    )
    for name, counts in counted.items():
        for reason in ("duplicate", "superseded"):
            dropped.add_metric((name, reason), counts.get(reason, 0))
    yield dropped
    yield from _closes(process_metrics)
    scores = GaugeMetricFamily("streamgauge_score", "The last score, 0 to 100", labels=("job", "domain"))
    for name, job in process_metrics.jobs.items():
        for domain, score in job.scores.items():
            scores.add_metric((name, domain), score)
    yield scores


def _closes(process_metrics: ProcessMetrics) -> Iterator[Metric]:
    closed = {name: job for name, job in process_metrics.jobs.items() if math.isfinite(job.closed)}
    text = "End of the last closed window, by the job's clock"
    yield _gauges("last_window_timestamp_seconds", text, "job", ((name, job.closed) for name, job in closed.items()))
    timed = {name: job for name, job in closed.items() if not math.isnan(job.close_time)}
    text = "Time since the end of the last closed window: the lag of the job's watermark"
    lags = ((name, _age(process_metrics, job)) for name, job in timed.items())
    yield _gauges("watermark_lag_seconds", text, "job", lags)
    times = SummaryMetricFamily("streamgauge_window_close_seconds", "From a window's end to its score", labels=("job",))
    for name, job in timed.items():
        times.add_metric((name,), job.closes, job.close_total)
    yield times


def _consumers(process_metrics: ProcessMetrics) -> Iterator[Metric]:
    consumers = process_metrics.consumers.items()
    alive = ((name, float(one.is_alive)) for name, one in consumers)
    yield _gauges("consumer_up", "1 if the consumer's thread runs", "consumer", alive)
    failing = ((name, one.failures) for name, one in consumers)
    yield _gauges("consumer_failures", "Failed steps in a row", "consumer", failing)
    lags = process_metrics.lags.items()
    yield _gauges("consumer_lag_messages", "Messages that wait for the consumer", "consumer", lags)
    yield _gauges("state_bytes", "State that the consumer committed last", "consumer", process_metrics.state.items())


def _told(process_metrics: ProcessMetrics) -> Iterator[Metric]:
    told = CounterMetricFamily("streamgauge_notifications", "Notifications by result", labels=("notifier", "result"))
    for name, one in process_metrics.notifiers.items():
        told.add_metric((name, "sent"), one.sent)
        told.add_metric((name, "failed"), one.failed)
    yield told
    if "replaced" in process_metrics.store:
        text = "Stores that were deleted or replaced while they were written to, or between two runs"
        yield CounterMetricFamily("streamgauge_stores_replaced", text, value=process_metrics.store["replaced"])
    if process_metrics.store.keys() - {"replaced"}:
        lines = ((result, process_metrics.store.get(result, 0)) for result in ("sent", "rejected"))
        yield _counters("store_lines", "Lines that the store took or refused", "result", lines)
        waiting = "On disk for a store that does not take them yet"
        yield GaugeMetricFamily("streamgauge_store_waiting_bytes", waiting, value=process_metrics.store.get("bytes", 0))
    tried = ((name, one.attempts) for name, one in process_metrics.notifiers.items())
    yield _gauges("notifier_attempts", "Failed attempts at the notification that waits", "notifier", tried)


def _gauges(name: str, text: str, label: str, values: Iterable[tuple[str, float]]) -> Metric:
    family = GaugeMetricFamily(f"streamgauge_{name}", text, labels=(label,))
    for key, value in values:
        family.add_metric((key,), value)
    return family


def _counters(name: str, text: str, label: str, values: Iterable[tuple[str, float]]) -> Metric:
    family = CounterMetricFamily(f"streamgauge_{name}", text, labels=(label,))
    for key, value in values:
        family.add_metric((key,), value)
    return family


def _age(process_metrics: ProcessMetrics, job: Passed) -> float:
    return max(0.0, process_metrics.time - job.closed)


def _version() -> str:
    try:
        return version("streamgauge")
    except PackageNotFoundError:
        return "unknown"

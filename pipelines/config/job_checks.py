"""What the types of a job cannot say: panes, windows and limits that fit together, metrics and features that exist."""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Iterator

from streamgauge.pipelines.config.faults import Fault, suggestion
from streamgauge.pipelines.config.schema import DAY, HOUR, JobConfig, Labels, Limit, WindowSpec
from streamgauge.pipelines.config.values import (
    date_faults,
    job_name_faults,
    name_faults,
    positive,
    repeated,
    zone_faults,
)
from streamgauge.pipelines.registry import METRICS
from streamgauge.tracer import evaluation, tasks
from streamgauge.tracer.bounds import MAX_SHARDS

_NODE = re.compile(r"[a-z_]+(:[^@\s]+)?(@[^@\s]+)?")
_MOST_MODULUS = 1 << 32
_RULE_KEYS = ("good", "bad", "weight", "criticality")


def job_faults(job: JobConfig) -> Iterator[Fault]:
    """Every fault of a job whose types are right."""
    at = f"jobs.{job.name}"
    yield from job_name_faults(f"{at}.name", job.name)
    yield from zone_faults(f"{at}.timezone", job.timezone)
    yield from _range_faults(job, at)
    yield from _relation_faults(job, at)
    if job.pane > 0:
        yield from _window_faults(job, at)
    yield from _feature_faults(job, at)
    yield from _metric_faults(job, at)
    yield from _topology_faults(job, at)
    yield from _evaluation_faults(job, at)
    yield from _task_faults(job, at)
    yield from _number_faults(job.labels, f"{at}.labels")
    for i, limit in enumerate(job.limits):
        yield from _limit_faults(job, limit, f"{at}.limits[{i}]")
    yield from repeated(f"{at}.holidays", "date", [day.date for day in job.holidays])
    for i, day in enumerate(job.holidays):
        yield from date_faults(f"{at}.holidays[{i}].date", day.date)


def tick_faults(job: JobConfig, clock: str) -> Iterator[Fault]:
    """A host's ticks come between the panes' records, so they must be finer; a driver waits for the records."""
    if clock == "wall" and 0 < job.pane <= job.tick:
        text = f"must be below the pane ({job.pane:g} s), got {job.tick:g} s; {job.pane / 2:g} s is"
        yield Fault(f"jobs.{job.name}.tick", text)


def _range_faults(job: JobConfig, at: str) -> Iterator[Fault]:
    above_zero = {
        "pane": job.pane, "tick": job.tick, "max_ahead": job.max_ahead, "max_series": job.max_series,
        "missing_after": job.missing_after, "shards": job.shards, "duplicate_horizon": job.duplicate_horizon,
        "labels.horizon": job.labels.horizon, "labels.timeout": job.labels.timeout,
        "detection.threshold": job.detection.threshold, "detection.threshold_twice": job.detection.threshold_twice,
        "detection.clear": job.detection.clear, "detection.history": job.detection.history,
    }
    for name, number, most in (
        ("shards", job.shards, MAX_SHARDS), ("duplicate_modulus", job.duplicate_modulus, _MOST_MODULUS),
        ("labels.across", job.labels.across, _MOST_MODULUS),
    ):  # fmt: skip
        if number > most:
            yield Fault(f"{at}.{name}", f"must be at most {most}, got {number}")
    if job.max_hold is not None:
        above_zero["max_hold"] = job.max_hold
    for name, value in above_zero.items():
        yield from positive(f"{at}.{name}", value)
    natural = {
        "allowed_lateness": job.allowed_lateness, "workers": job.workers,
        "push_interval": job.push_interval, "labels.margin": job.labels.margin,
        "labels.silence": job.labels.silence, "labels.wait": job.labels.wait, "labels.hold": job.labels.hold,
        "detection.warm_up": job.detection.warm_up, "detection.burn_in": job.detection.burn_in or 0.0,
        **{f"minimum.{name}": least for name, least in job.minimum.items()},
    } | {f"paging.{name}": getattr(job.paging, name) for name in job.paging.__struct_fields__ if name != "remind"}
    for name, value in natural.items():
        if value < 0:
            yield Fault(f"{at}.{name}", f"must be >= 0, got {value}")
    for name, modulus in (("duplicate_modulus", job.duplicate_modulus), ("labels.across", job.labels.across)):
        if modulus < 0 or modulus & (modulus - 1):
            below = 1 << max(0, modulus.bit_length() - 1) if modulus > 0 else 0
            yield Fault(f"{at}.{name}", f"must be a power of two, got {modulus}; {below} is one")
    if not 0.0 < job.labels.keep_rate <= 1.0:
        yield Fault(f"{at}.labels.keep_rate", f"must be above 0 and at most 1, got {job.labels.keep_rate:g}")


def _number_faults(labels: Labels, at: str) -> Iterator[Fault]:
    """What labels that are numbers cannot have."""
    if not 0.0 <= labels.quantile < 1.0:
        yield Fault(f"{at}.quantile", f"must be below 1, 0 for the mean, got {labels.quantile:g}")
    if labels.scale == "number":
        odd = {"across": labels.across, "keep_rate": labels.keep_rate < 1.0, "positive": labels.positive is not None}
        for name in (name for name, is_set in odd.items() if is_set):
            yield Fault(f"{at}.{name}", "is of labels with positives, and these are numbers; leave it out")


def _relation_faults(job: JobConfig, at: str) -> Iterator[Fault]:
    """Settings that are sound one by one and not together."""
    if job.labels.timeout < job.labels.horizon:
        text = f"must not be below horizon {job.labels.horizon:g} s, got {job.labels.timeout:g} s: samples would be"
        yield Fault(f"{at}.labels.timeout", f"{text} dropped before they are old enough to count")
    if job.labels.wait >= job.labels.horizon:
        text = f"must be below horizon {job.labels.horizon:g} s, got {job.labels.wait:g} s: the cohorts would have no"
        yield Fault(f"{at}.labels.wait", f"{text} negatives yet; set horizon to wait and how late they may come")
    if job.detection.clear > job.detection.threshold:
        text = f"must not be above threshold {job.detection.threshold:g}, got {job.detection.clear:g}"
        yield Fault(f"{at}.detection.clear", text)


def _window_faults(job: JobConfig, at: str) -> Iterator[Fault]:
    if not job.windows:
        yield Fault(f"{at}.windows", 'must have at least one window; leave "windows" out for the default')
    yield from repeated(f"{at}.windows", "window", [window.name for window in job.windows])
    stream = [window.slide for window in job.windows if window.kind != "wall"]
    for i, window in enumerate(job.windows):
        yield from name_faults(f"{at}.windows[{i}].name", window.name)
        yield from _one_window(window, job.pane, f"{at}.windows[{i}]")
        if window.kind != "wall" and window.slide != stream[0]:
            yield Fault(
                f"{at}.windows[{i}].slide",
                f"must be the same in every stream window, got {window.slide:g} s where the first has {stream[0]:g} s",
            )


def _one_window(window: WindowSpec, pane: float, at: str) -> Iterator[Fault]:
    for name in ("length", "slide"):
        value = getattr(window, name)
        if value <= 0 or math.remainder(value, pane) != 0:
            near = max(1, round(value / pane)) * pane
            text = f"must be a multiple of the pane ({pane:g} s), got {value:g} s; {near:g} s is one"
            yield Fault(f"{at}.{name}", text)
    if window.slide > window.length:
        yield Fault(f"{at}.slide", f"must not be longer than length {window.length:g} s, got {window.slide:g} s")
    if window.slide >= HOUR and math.remainder(DAY, window.slide) != 0:
        text = f"of an hour and more must divide a day, as it starts at local midnight, got {window.slide:g} s"
        yield Fault(f"{at}.slide", text)


def _feature_faults(job: JobConfig, at: str) -> Iterator[Fault]:
    yield from repeated(f"{at}.features", "feature", [feature.name for feature in job.features])
    for i, feature in enumerate(job.features):
        yield from name_faults(f"{at}.features[{i}].name", feature.name)
        if feature.kind == "numeric" and isinstance(feature.default, str):
            yield Fault(f"{at}.features[{i}].default", f"must be a number for a numeric one, got {feature.default!r}")
        low, high = feature.low, feature.high
        if low is not None and high is not None and low >= high:
            yield Fault(f"{at}.features[{i}].low", f"must be below high {high:g}, got {low:g}")
        if feature.weight and feature.weight == feature.separator:
            yield Fault(f"{at}.features[{i}].weight", f"must differ from separator, both are {feature.weight!r}")
        if not 0 < feature.importance <= 5:
            yield Fault(f"{at}.features[{i}].importance", f"must be above 0 and at most 5, got {feature.importance:g}")


def _metric_faults(job: JobConfig, at: str) -> Iterator[Fault]:
    delays = {re.sub(r"_p\d+$", "", name) for name in METRICS if re.search(r"_p\d+$", name)}
    for field in ("minimum", "rules", "unpaged", "slo"):
        known = delays if field == "slo" else set(METRICS)
        for i, name in enumerate(getattr(job, field)):
            path = f"{at}.{field}[{i}]" if field == "unpaged" else f"{at}.{field}.{name}"
            if name not in known:
                yield Fault(path, f"unknown metric {name!r}{suggestion(name, known)}")
    for name, rule in job.rules.items():
        if "good" in rule and rule.get("good") == rule.get("bad"):
            yield Fault(f"{at}.rules.{name}.bad", f"must differ from good, both are {rule['good']:g}")
        for key in rule:
            if key not in _RULE_KEYS:
                yield Fault(f"{at}.rules.{name}.{key}", f"unknown key{suggestion(key, _RULE_KEYS)}")
    for name, value in job.slo.items():
        yield from positive(f"{at}.slo.{name}", value)


def _task_faults(job: JobConfig, at: str) -> Iterator[Fault]:
    for text in tasks.faults_of(job.tasks, job.labels):
        key, _, what = text.partition(": ")
        yield Fault(f"{at}.{key}", what)
    for i, task in enumerate(job.tasks):
        here = f"{at}.tasks[{i}]"
        if task.labels.wait:
            yield Fault(f"{here}.labels.wait", "is the job's as a whole; leave it out here")
        yield from _number_faults(task.labels, f"{here}.labels")
        if task.weight <= 0.0:
            yield Fault(f"{here}.weight", f"must be above 0, got {task.weight:g}")
        if task.labels.timeout < task.labels.horizon:
            text = f"must not be below horizon {task.labels.horizon:g} s, got {task.labels.timeout:g} s"
            yield Fault(f"{here}.labels.timeout", text)


def _evaluation_faults(job: JobConfig, at: str) -> Iterator[Fault]:
    for text in evaluation.faults_of(job.evaluation):
        key, _, what = text.partition(": ")
        yield Fault(f"{at}.evaluation.{key}", what)
    declared = {feature.name for feature in job.features}
    named = [(f"groups[{i}]", name) for i, name in enumerate(job.evaluation.groups)]
    named += [(f"slices[{i}].feature", one.feature) for i, one in enumerate(job.evaluation.slices)]
    named += [(f"serving.features[{i}]", name) for i, name in enumerate(job.evaluation.serving.features)]
    named += [(f"find[{i}]", name) for i, name in enumerate(job.evaluation.find)]
    for key, name in named:
        if declared and name not in declared:
            yield Fault(f"{at}.evaluation.{key}", f"unknown feature {name!r}{suggestion(name, declared)}")


def _limit_faults(job: JobConfig, limit: Limit, at: str) -> Iterator[Fault]:
    metric = METRICS.get(limit.metric)
    if metric is None:
        yield Fault(f"{at}.metric", f"unknown metric {limit.metric!r}{suggestion(limit.metric, METRICS)}")
        return
    if metric.window not in {window.kind for window in job.windows}:
        text = f"{limit.metric!r} is taken over {metric.window} windows, of which the job has none; add one to windows"
        yield Fault(f"{at}.metric", text)
    if limit.above is None and limit.below is None:
        yield Fault(at, "has no bound; add above or below, such as above = 0.2")
    if limit.above is not None and limit.below is not None and limit.below >= limit.above:
        yield Fault(f"{at}.below", f"must be less than above ({limit.above:g}), got {limit.below:g}")
    for name, bound in (("above", limit.above), ("below", limit.below)):
        if bound is not None and metric.unit == "ratio" and metric.transform == "asin" and not 0.0 <= bound <= 1.0:
            near = f"; {bound:g} % is {bound / 100.0:g}" if 1.0 < bound <= 100.0 else ""
            yield Fault(f"{at}.{name}", f"{limit.metric} is a share in 0..1, got {bound:g}{near}")
    if limit.lasting < 0:
        yield Fault(f"{at}.for", f"must be >= 0, got {limit.lasting:g}")
    if limit.worker and metric.scope == "job":
        yield Fault(f"{at}.worker", f"{limit.metric} exists for the job as a whole only; leave worker out")
    yield from _entity_faults(job, limit, at)


def _entity_faults(job: JobConfig, limit: Limit, at: str) -> Iterator[Fault]:
    """A pattern that names features must match a declared one, where any are declared."""
    declared = [f"feature:{feature.name}" for feature in job.features]
    if limit.entity.startswith("feature:") and declared and not fnmatch.filter(declared, limit.entity):
        near = suggestion(limit.entity, declared)
        yield Fault(f"{at}.entity", f"matches no declared feature, got {limit.entity!r}{near}")
    elif ":" not in limit.entity and f"feature:{limit.entity}" in declared:
        yield Fault(f"{at}.entity", f'matches nothing; write "feature:{limit.entity}"')


def _topology_faults(job: JobConfig, at: str) -> Iterator[Fault]:
    features = {feature.name for feature in job.features}
    for i, edge in enumerate(job.topology):
        for end in ("cause", "effect"):
            node = getattr(edge, end)
            path = f"{at}.topology[{i}].{end}"
            if not _NODE.fullmatch(node):
                yield Fault(path, f"must read kind, kind:name or kind:name@worker, got {node!r}")
                continue
            kind, _, rest = node.partition(":")
            name = rest.partition("@")[0]
            if kind == "feature" and features and name not in features:
                yield Fault(path, f"unknown feature {name!r}{suggestion(name, features)}")
        if edge.cause == edge.effect:
            yield Fault(f"{at}.topology[{i}]", f"cause and effect are the same node {edge.cause!r}; remove the edge")
        if edge.delay < 0:
            yield Fault(f"{at}.topology[{i}].delay", f"must be >= 0, got {edge.delay:g}")

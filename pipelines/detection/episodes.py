"""Episodes: from the first anomalous window of a series to the first normal one, and how they are told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from streamgauge.anomaly.types import Anomaly, SeriesKey, Severity
from streamgauge.pipelines.config.schema import DAY
from streamgauge.pipelines.metrics import Metric

REMIND: Final = 5 * DAY  # the pager forgets in 14 days what nobody says


class Episode(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """An open episode: what began it. `workers` are those that it is common to, empty for a series' own."""

    start: float
    score: float  # sigmas, 1e9 for a declared fact
    is_fact: bool = False
    value: float
    expected: float  # NaN where there is no reference
    workers: tuple[str, ...] = ()
    decays: bool = False  # begun by days that all went the same way, not by this window
    detector: str = "seasonal_robust"  # that spoke for the series


class Found(NamedTuple):
    """An episode that begins."""

    key: SeriesKey
    metric: Metric
    episode: Episode


class Places(NamedTuple):
    """Where the same metric of the same entity is anomalous, by its job-level series."""

    everywhere: dict[SeriesKey, tuple[str, ...]]  # at more than half of the workers, at two or more
    somewhere: frozenset[SeriesKey]  # at fewer: it is theirs, whatever it does to the job's own value


def localise(
    keys: Sequence[SeriesKey], open_episodes: Mapping[SeriesKey, Episode], begun: Sequence[Found]
) -> Places:
    """Tell what is all over the job from what one worker has; topology decides later what causes what."""
    firing: dict[SeriesKey, set[str]] = defaultdict(set)
    for key in (*open_episodes, *(found.key for found in begun)):
        if key.worker:
            firing[key._replace(worker="")].add(key.worker)
    if not firing:
        return Places({}, frozenset())
    present: dict[SeriesKey, int] = defaultdict(int)
    for key in keys:
        if key.worker and (job := key._replace(worker="")) in firing:
            present[job] += 1
    everywhere = {
        job: tuple(sorted(workers)) for job, workers in sorted(firing.items())
        if 2 * len(workers) > max(present[job], 2)
    }
    return Places(everywhere, frozenset(firing) - frozenset(everywhere))


def common(
    job: SeriesKey, workers: tuple[str, ...], everyone: Mapping[SeriesKey, Episode], metrics: Mapping[SeriesKey, Metric]
) -> Found:
    """The job's episode of what more than half of its workers have: the strongest of theirs, from the first on.

    None of theirs need have begun now: it is enough that a worker without one has left.
    """
    keys = [job._replace(worker=worker) for worker in workers]
    members = [everyone[key] for key in keys]
    strongest = max(members, key=lambda episode: abs(episode.score))
    start = min(episode.start for episode in members)
    return Found(job, metrics[keys[0]], msgspec.structs.replace(strongest, start=start, workers=workers))


def anomaly(
    key: SeriesKey, episode: Episode, time: float, severity: Severity, text: str, end: float | None = None
) -> Anomaly:
    """The record of an episode that begins, or is over at `end`."""
    known = episode.expected == episode.expected
    return Anomaly(
        kind="fact" if episode.is_fact else "anomaly",
        job=key.job, worker=key.worker, domain=key.domain, entity=key.entity, metric=key.metric,
        severity=severity, start=episode.start, time=time, end=end,
        value=episode.value, expected=episode.expected if known else None, score=episode.score,
        detector=_detector(episode), text=text,
    )


def _detector(episode: Episode) -> str:
    return "limit" if episode.is_fact else "decay" if episode.decays else episode.detector


def describe(key: SeriesKey, metric: Metric | None, episode: Episode) -> str:
    """What begins, in words.

    >>> key = SeriesKey("flights", "LGA", "sample", "feature:tailnum", "missing_rate")
    >>> describe(key, None, Episode(start=0.0, score=25.0, value=1.0, expected=0.004))
    'missing_rate of feature:tailnum at LGA is 1, expected 0.004 (+25.0 sigmas)'
    """
    unit = metric.unit if metric else ""
    said = f"{place(key)} is {number(episode.value, unit)}"
    if episode.is_fact:
        limit = metric.limit if metric and metric.limit is not None else 0.0
        said += f", above its limit of {number(limit, unit)}"
    else:
        said += f", expected {number(episode.expected, unit)} ({episode.score:+.1f} sigmas)"
    if episode.decays:
        said += "; its days have gone this way one after the other"
    return f"{said}; at {len(episode.workers)} workers: {', '.join(episode.workers)}" if episode.workers else said


def place(key: SeriesKey) -> str:
    """A series in words.

    >>> place(SeriesKey("flights", "LGA", "sample", "feature:tailnum", "missing_rate"))
    'missing_rate of feature:tailnum at LGA'
    """
    what = f"{key.metric} of {key.entity}" if key.entity else key.metric
    return f"{what} at {key.worker}" if key.worker else what


def number(value: float, unit: str) -> str:
    """A value in words, with its unit."""
    if unit == "ratio":
        return f"{100.0 * value:.3g} %"
    return f"{value:.3g} {unit}".rstrip() if unit not in ("count", "0..1", "-1..1") else f"{value:.3g}"

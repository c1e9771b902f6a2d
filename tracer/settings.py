"""What a tracer is told once: checked, and completed from the environment; before the training starts, so it raises."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streamgauge.tracer import tasks as heads_declared
from streamgauge.tracer.authority import key_in
from streamgauge.tracer.domains import SCALES, PredictionScale
from streamgauge.tracer.evaluation import Evaluation, faults_of
from streamgauge.tracer.features import Declared, FeatureKind
from streamgauge.tracer.identity import identity
from streamgauge.tracer.inputs import TimeUnit
from streamgauge.tracer.labels import Labels
from streamgauge.tracer.records import Mode
from streamgauge.tracer.rows import name_of
from streamgauge.tracer.selection import Collection, Select
from streamgauge.tracer.tasks import Task


@dataclass(frozen=True)
class Settings:
    """What a tracer is told once."""

    job: str
    worker: str
    pane: float
    interval: float
    shards: int
    mode: Mode
    features: Sequence[Declared] | dict[str, FeatureKind]
    salt: bytes
    labels: Labels
    max_age: float | None
    modulus: int
    select: tuple[Select, ...]
    roles: tuple[str, ...]
    tags: dict[str, str]
    allow_raw: tuple[Collection, ...]
    limit: int
    usage: bool
    share: float
    predictions: PredictionScale
    time_unit: TimeUnit
    evaluation: Evaluation
    plan_key: bytes  # that plans must be signed with; b"": they need not be
    tasks: tuple[Task, ...]


def settings_of(
    job: str, worker: str | None, *, pane: float, interval: float | None,
    features: Sequence[Declared] | Mapping[str, FeatureKind], labels: Labels | None, max_age: float | None,
    modulus: int, shards: int, salt: bytes | str, mode: Mode,
    select: Sequence[Select], roles: Sequence[str] | None, tags: Mapping[str, str] | None,
    allow_raw: Sequence[Collection], limit: int, usage: bool,
    predictions: PredictionScale, time_unit: TimeUnit, share: float,
    evaluation: Evaluation | None = None, tasks: Sequence[Task] = (),
) -> Settings:  # fmt: skip
    """The settings of one worker. Raises ValueError for one that cannot be."""
    _check(pane=pane, interval=interval, shards=shards, modulus=modulus, share=share)
    who = identity(os.environ, socket.gethostname())
    who = who if worker is None else who._replace(worker=worker)
    _check_names(job=job, worker=who.worker)
    _check_domains(labels or Labels(), predictions, time_unit)
    for fault in faults_of(evaluation or Evaluation()):
        raise ValueError(f"evaluation.{fault} (tracer.Tracer)")
    _check_tasks(tasks, labels or Labels())
    return Settings(
        job=name_of(job), worker=name_of(who.worker), pane=pane, interval=interval or pane, shards=shards,
        mode=mode,
        features=dict(features) if isinstance(features, Mapping) else tuple(features),
        salt=salt.encode() if isinstance(salt, str) else salt, labels=labels or Labels(), max_age=max_age,
        modulus=modulus, select=tuple(select),
        roles=(who.role,) if roles is None else tuple(roles), tags=who.labels | dict(tags or {}), limit=limit,
        allow_raw=tuple(allow_raw), usage=usage, predictions=predictions, time_unit=time_unit, share=share,
        evaluation=evaluation or Evaluation(), plan_key=key_in(os.environ), tasks=tuple(tasks),
    )  # fmt: skip


def _check_tasks(tasks: Sequence[Task], labels: Labels) -> None:
    """Raises ValueError for a head that cannot be."""
    for fault in heads_declared.faults_of(tasks, labels):
        raise ValueError(f"{fault} (tracer.Tracer)")
    for task in tasks:
        _check_domains(task.labels, task.predictions, "s")


def _check(*, pane: float, interval: float | None, shards: int, modulus: int, share: float) -> None:
    """A tracer that is set up wrongly says so at once: this is before the training starts."""
    if not 0.0 < pane < 1e9:
        raise ValueError(f"pane must be > 0 s, got {pane} (tracer.Tracer)")
    if interval is not None and not 0.0 < interval < 1e9:
        raise ValueError(f"interval must be > 0 s, got {interval} (tracer.Tracer)")
    if not 0.0 < share <= 1.0:
        raise ValueError(f"share must be in (0, 1], 1 for any cost, got {share} (tracer.Tracer)")
    if shards < 1:
        raise ValueError(f"shards must be >= 1, got {shards} (tracer.Tracer)")
    if modulus < 0 or modulus & (modulus - 1):
        raise ValueError(f"modulus must be a power of two, or 0, got {modulus} (tracer.Tracer)")


def _check_names(**names: str) -> None:
    """Raises ValueError for a job or worker without a name: all its records would be refused."""
    for name, value in names.items():
        if not isinstance(value, str) or not value:
            raise ValueError(f"{name} must be a name, got {value!r} (tracer.Tracer)")


def _check_domains(labels: Labels, predictions: str, time_unit: str) -> None:
    """Raises ValueError for a scale, a rate or a unit that there is not."""
    if labels.scale not in SCALES:
        raise ValueError(f"labels.scale must be one of {', '.join(SCALES)}, got {labels.scale!r} (tracer.Tracer)")
    if not 0.0 < labels.keep_rate <= 1.0:
        raise ValueError(f"labels.keep_rate must be above 0 and at most 1, got {labels.keep_rate} (tracer.Tracer)")
    if labels.across < 0 or labels.across & (labels.across - 1):
        raise ValueError(f"labels.across must be a power of two, or 0, got {labels.across} (tracer.Tracer)")
    if not 0.0 <= labels.quantile < 1.0:
        raise ValueError(f"labels.quantile must be below 1, 0 for the mean, got {labels.quantile} (tracer.Tracer)")
    if labels.are_numbers and (labels.across or labels.keep_rate < 1.0 or labels.positive is not None):
        text = "labels that are numbers have no positives: leave across, keep_rate and positive out (tracer.Tracer)"
        raise ValueError(text)
    if labels.predicts not in ("kept", "all"):
        raise ValueError(f'labels.predicts must be "kept" or "all", got {labels.predicts!r} (tracer.Tracer)')
    if predictions not in ("probability", "logit"):
        raise ValueError(f'predictions must be "probability" or "logit", got {predictions!r} (tracer.Tracer)')
    if time_unit not in ("s", "ms", "us", "ns"):
        raise ValueError(f"time_unit must be s, ms, us or ns, got {time_unit!r} (tracer.Tracer)")

"""Small reports made by hand: points and summaries in, what stage 2 receives out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from streamgauge.pipelines.config.schema import HOUR, Feature, JobConfig, WindowSpec
from streamgauge.pipelines.metrics import Partial, Presence, Report
from streamgauge.pipelines.stream.evaluate import Evaluated, Evaluator
from streamgauge.tracer.summaries import encode

Points = Mapping[tuple[str, str, str], Sequence[tuple[float, float]]]  # (clock, name, entity) -> (value, weight)
Summaries = Iterable[tuple[Any, str, str, str]]  # summary, clock, name, entity
SHORT, LONG, WALL = 0, 1, 2
WINDOWS = (
    WindowSpec(name="short", kind="short", length=3 * HOUR, slide=3 * HOUR),
    WindowSpec(name="long", kind="long", length=24 * HOUR, slide=3 * HOUR),
    WindowSpec(name="wall", kind="wall", length=HOUR, slide=HOUR),
)


def config(**changes: Any) -> JobConfig:
    return JobConfig(**{"name": "ctr", "pane": HOUR, "windows": WINDOWS, **changes})


def feature(name: str, kind: str = "numeric", **changes: Any) -> Feature:
    return Feature(name=name, kind=kind, **changes)


def totals(clock: str, **counts: float) -> dict[tuple[str, str, str], list[tuple[float, float]]]:
    """Additive quantities of the worker itself."""
    return {(clock, name, ""): [(float(count), 1.0)] for name, count in counts.items()}


def partial(worker: str = "a", points: Points | None = None, summaries: Summaries = ()) -> Partial:
    names, columns = [], []
    for name, found in (points or {}).items():
        finite = [(v, w) for v, w in found if np.isfinite(v)]
        values, weights = [v for v, _ in finite], [w for _, w in finite]
        total = sum(v * w for v, w in finite)
        low, high = min(values, default=np.inf), max(values, default=-np.inf)
        names.append(name)
        columns.append([len(finite), sum(weights), total, low, high, len(found) - len(finite), 0.0])
    table = np.array(columns, "<f8").reshape(-1, 7).T
    sketches = sorted((encode(*one) for one in summaries), key=lambda s: (s.kind, s.clock, s.name, s.entity))
    return Partial(worker=worker, names=tuple(names), columns=table.tobytes(), sketches=tuple(sketches))


def presence(worker: str = "a", **changes: Any) -> Presence:
    usual = {"incarnation": "1", "state": "live", "seen": 0.0, "interval": HOUR, "watermark": 0.0, "joined": 0.0}
    return Presence(worker=worker, **{**usual, **changes})


def report(
    *partials: Partial, window: int = SHORT, start: float = 0.0, end: float | None = None, revision: int = 0,
    presences: Sequence[Presence] = (),
) -> Report:
    closed = start + WINDOWS[window].length if end is None else end
    return Report(
        job="ctr", shard=0, shards=1, number=1, window=window, start=start, end=closed, revision=revision, clock=closed,
        partials=partials, presences=tuple(presences),
    )


def learn(evaluator: Evaluator, evaluated: Evaluated, *rejected: str) -> None:
    """Learn from a window in which only these metrics were not normal."""
    evaluator.learn(evaluated, np.array([key.metric not in rejected for key in evaluated.keys], bool))


def values_of(evaluated: Evaluated, column: str = "value") -> dict[tuple[str, str, str], float]:
    """(worker, entity, metric) -> value, or another column."""
    found = getattr(evaluated, column).tolist()
    return {(k.worker, k.entity, k.metric): x for k, x in zip(evaluated.keys, found, strict=True)}


def evaluate(*partials: Partial, config: JobConfig = config(), **where: Any) -> dict[tuple[str, str, str], float]:  # noqa: B008
    """Values of one window by a fresh evaluator."""
    return values_of(Evaluator(config).evaluate(report(*partials, **where)))

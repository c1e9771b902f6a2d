"""Which merged summaries of a closed window are kept for the page's pictures: distributions, predictions, ROC.

Of a short window the job's and, of a job with few workers, each worker's; of a long one only the job's predictions with
labels, because its distributions are sums of the short ones. Identifiers, registers and unit counts are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pipelines.config import WindowSpec
from pipelines.outputs import Profiles
from pipelines.pipeline import Report
from pipelines.stream.distributions import SketchKey
from pipelines.stream.view import JobView
from tracer.records import Sketch
from tracer.summaries.columns import Columns

MAX_WORKERS: Final = 16  # beyond it only the job's are kept
SHORT: Final = frozenset({"counts", "moments", "histogram", "heavy", "buckets", "label_buckets"})
LONG: Final = frozenset({"label_buckets", "bins"})
WALL: Final = frozenset({"histogram"})
_KINDS: Final = {"short": SHORT, "long": LONG, "wall": WALL}


def profiles_of(report: Report, spec: WindowSpec, view: JobView) -> tuple[Profiles, ...]:
    """The job's merged summaries and perhaps the workers', those that hold something."""
    kinds = _KINDS[spec.kind]
    scopes: list[tuple[str, tuple[Sketch, ...]]] = [("", _merged(view, kinds))]
    if spec.kind == "short" and len(view.views) <= MAX_WORKERS:
        scopes += [(name, _sketches(sorted(worker.raw()), kinds)) for name, worker in view.views.items()]
    return tuple(
        Profiles(
            job=report.job, worker=worker, window=spec.name, start=report.start, end=report.end,
            revision=report.revision, number=0, sketches=sketches,
        )
        for worker, sketches in scopes
        if sketches
    )


def _merged(view: JobView, kinds: frozenset[str]) -> tuple[Sketch, ...]:
    held = ((key, parts) for key, parts in view.raw() if key[0] in kinds)
    return _sketches(((k, parts[0] if len(parts) == 1 else view.merged(k).columns()) for k, parts in held), kinds)


def _sketches(summaries: Iterable[tuple[SketchKey, Columns]], kinds: frozenset[str]) -> tuple[Sketch, ...]:
    return tuple(
        Sketch(kind, clock, name, entity, columns)  # type: ignore[arg-type]
        for (kind, clock, name, entity), columns in summaries
        if kind in kinds
    )

"""Which merged summaries of a closed window are kept for the page's pictures: distributions, predictions, ROC.

Of a short window the job's and, of a job with few workers, each worker's; of a long one only the job's predictions with
labels, because its distributions are sums of the short ones. Identifiers, registers and unit counts are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from streamgauge.pipelines.config.schema import WindowSpec
from streamgauge.pipelines.metrics import Report
from streamgauge.pipelines.stream.view import JobView, WorkerView
from streamgauge.pipelines.wire.outputs import MOST, Profiles
from streamgauge.tracer.records import Sketch

MAX_WORKERS: Final = 16  # beyond it only the job's are kept
_BESIDE: Final = 64  # bytes of a sketch beside its columns and names
SHORT: Final = (  # in the order they are sent
    "buckets", "counts", "errors", "heavy", "histogram", "label_buckets", "moments",
)  # fmt: skip
LONG: Final = ("bins", "label_buckets", "value_errors")
WALL: Final = ("histogram",)
_KINDS: Final = {"short": SHORT, "long": LONG, "wall": WALL}


def profiles_of(report: Report, spec: WindowSpec, view: JobView) -> tuple[Profiles, ...]:
    """The job's merged summaries and perhaps the workers', those that hold something."""
    kinds = _KINDS[spec.kind]
    scopes: list[tuple[str, JobView | WorkerView]] = [("", view)]
    if spec.kind == "short" and len(view.views) <= MAX_WORKERS:
        scopes += view.views.items()
    kept = [(worker, tuple(_drawn(scope, kinds))) for worker, scope in scopes]
    return tuple(
        Profiles(
            job=report.job, worker=worker, window=spec.name, start=report.start, end=report.end,
            revision=report.revision, number=0, sketches=sketches, part=part,
        )
        for worker, found in kept
        for part, sketches in enumerate(_cut(found))
    )


def _cut(sketches: Sequence[Sketch]) -> Iterator[tuple[Sketch, ...]]:
    """As many as a message takes, in their order; nothing of none."""
    some, size = list[Sketch](), 0
    for sketch in sketches:
        more = sum(map(len, sketch.columns)) + len(sketch.name.encode()) + len(sketch.entity.encode()) + _BESIDE
        if some and size + more > MOST:
            yield tuple(some)
            some, size = [], 0
        some.append(sketch)
        size += more
    if some:
        yield tuple(some)


def _drawn(scope: JobView | WorkerView, kinds: Sequence[str]) -> Iterator[Sketch]:
    """Its summaries of these kinds; those of slices are left out, they would be kept twenty times."""
    return (s for kind in kinds for s in scope.of_kind(kind) if not s.entity.rpartition("/")[2].startswith("slice:"))

"""Which merged summaries of a closed window are kept for the page's pictures: distributions, predictions, ROC.

Of a short window the job's and, of a job with few workers, each worker's; of a long one only the job's predictions with
labels, because its distributions are sums of the short ones. Identifiers, registers and unit counts are left out.
"""

from __future__ import annotations

from typing import Final

from streamgauge.pipelines.config.schema import WindowSpec
from streamgauge.pipelines.metrics import Report
from streamgauge.pipelines.stream.view import JobView, WorkerView
from streamgauge.pipelines.wire.outputs import Profiles

MAX_WORKERS: Final = 16  # beyond it only the job's are kept
SHORT: Final = ("buckets", "counts", "heavy", "histogram", "label_buckets", "moments")  # in the order they are sent
LONG: Final = ("bins", "label_buckets")
WALL: Final = ("histogram",)
_KINDS: Final = {"short": SHORT, "long": LONG, "wall": WALL}


def profiles_of(report: Report, spec: WindowSpec, view: JobView) -> tuple[Profiles, ...]:
    """The job's merged summaries and perhaps the workers', those that hold something."""
    kinds = _KINDS[spec.kind]
    scopes: list[tuple[str, JobView | WorkerView]] = [("", view)]
    if spec.kind == "short" and len(view.views) <= MAX_WORKERS:
        scopes += view.views.items()
    kept = [(worker, tuple(s for kind in kinds for s in scope.of_kind(kind))) for worker, scope in scopes]
    return tuple(
        Profiles(
            job=report.job, worker=worker, window=spec.name, start=report.start, end=report.end,
            revision=report.revision, number=0, sketches=sketches,
        )
        for worker, sketches in kept
        if sketches
    )

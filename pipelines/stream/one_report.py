"""Reports of the shards of a job made one: workers are disjoint between shards, so a merge is a sort by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from streamgauge.pipelines.metrics import Report
from streamgauge.pipelines.stream.snapshots import typed


def merge(reports: Sequence[Report]) -> Report:
    """One report of the whole job; a gap only where every shard had one."""
    gaps = [report.gap for report in reports]
    return msgspec.structs.replace(
        reports[0],
        clock=max(report.clock for report in reports),
        gap=min(gaps),
        partials=_by_worker(partial for report in reports for partial in report.partials),
        presences=_by_worker(presence for report in reports for presence in report.presences),
        revisions=(),
    )


def revise(closed: Report, changes: Sequence[Report]) -> Report:
    """A closed window of the whole job with what some shards changed of it."""
    partials = {partial.worker: partial for partial in closed.partials}
    presences = {presence.worker: presence for presence in closed.presences}
    for change in changes:
        partials |= {partial.worker: partial for partial in change.partials}
        presences |= {presence.worker: presence for presence in change.presences}
    return msgspec.structs.replace(
        closed,
        revision=closed.revision + 1,
        partials=_by_worker(partials.values()),
        presences=_by_worker(presences.values()),
    )


def _by_worker(items: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(sorted(items, key=lambda item: str(item.worker)))


def typed_report(report: Report) -> Report:
    """One that was read, its columns as arrays."""
    return msgspec.structs.replace(
        report,
        partials=tuple(typed(partial) for partial in report.partials),
        revisions=tuple(typed_report(revision) for revision in report.revisions),
    )

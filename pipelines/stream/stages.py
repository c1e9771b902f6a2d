"""What stage 1 hands closed windows to: the second stage, which holds series, scores and detectors."""

from __future__ import annotations

from typing import Final, Protocol, runtime_checkable

import msgspec

from streamgauge.pipelines.config.schema import JobConfig
from streamgauge.pipelines.metrics import Report
from streamgauge.pipelines.wire.outputs import Change
from streamgauge.tracer.records import Feedback, Setting

CONFIG: Final = "config"  # the setting that carries a JobConfig


@runtime_checkable
class Caching(Protocol):
    """What says how much it keeps only to be quicker."""

    @property
    def cached_bytes(self) -> int:
        """About. Any thread may ask."""
        ...


class Stage2(Protocol):
    """Once per job, after all its shards; what it emits is one of `pipelines.wire.outputs.Emitted`, number left 0."""

    def on_report(self, report: Report) -> list[msgspec.Struct]:
        """One closed window, or a revision of one (`revision > 0`), partials and presences sorted by worker.

        `report.revisions` is always empty here: each revision arrives as a report of its own, right after the close
        that it rode on. A report with a `gap` stands for that many empty windows, of which it is the last.
        """
        ...

    def adopt(self, config: JobConfig) -> None:
        """The log's configuration holds from here on; what was learnt of what is still there stays."""
        ...

    def learn_from(self, state: bytes) -> None:
        """Begin with what the second stage of another job has learnt."""
        ...

    def on_change(self, change: Change) -> list[msgspec.Struct]:
        """An event of the job, at its place in the log; it is given back to be shown."""
        ...

    def on_setting(self, setting: Setting) -> list[msgspec.Struct]:
        """A change of thresholds or parameters, at its place in the log; each (name, revision) arrives once."""
        ...

    def on_feedback(self, feedback: Feedback) -> list[msgspec.Struct]:
        """What on-call said of a notification, at its place in the log; arrives once."""
        ...

    def snapshot(self) -> bytes:
        """The state as versioned bytes."""
        ...

    def restore(self, data: bytes) -> None:
        """Continue exactly where `snapshot` was taken."""
        ...

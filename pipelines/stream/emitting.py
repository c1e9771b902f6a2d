"""Outputs in emission order, each with its number: how those who read them know what they have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from streamgauge.anomaly.types import Anomaly
from streamgauge.pipelines.metrics import Report
from streamgauge.pipelines.stream.stages import Stage2
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.outputs import DeadLetter, Output, Topic

TOPICS: Final[dict[type[msgspec.Struct], Topic]] = {Anomaly: "anomalies", DeadLetter: "dead-letters"}  # others: scores


class Emission:
    """The last number of a key; `number` is its whole state."""

    def __init__(self, job: str, number: int = 0) -> None:
        self.job = job
        self.number = number

    def outputs(self, records: Iterable[msgspec.Struct]) -> list[Output]:
        """Records as messages; each that has a number gets the next one."""
        return [self._output(record) for record in records]

    def _output(self, record: msgspec.Struct) -> Output:
        if not isinstance(record, DeadLetter):
            self.number += 1
            record = msgspec.structs.replace(record, number=self.number)
        return Output(TOPICS.get(type(record), "scores"), self.job, outputs.encode(record))


def evaluate(stage2: Stage2, report: Report) -> list[msgspec.Struct]:
    """What stage 2 says of a closed window, and then of each revision that came with it."""
    revisions: Sequence[Report] = report.revisions
    found = list(stage2.on_report(msgspec.structs.replace(report, revisions=())))
    for revision in revisions:
        found += stage2.on_report(revision)
    return found

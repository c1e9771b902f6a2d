"""How labels reach a job: what it declares of them, for its workers and for the pipeline."""

from __future__ import annotations

import msgspec

from streamgauge.tracer.domains import Predicts, Scale


class Labels(msgspec.Struct, frozen=True, kw_only=True):
    """How labels reach the job; seconds."""

    margin: float = 3 * 3600.0  # a label is overdue this long after it was due
    horizon: float = 86400.0  # H of the `@H` cohorts
    scale: Scale = "binary"  # what labels are; the same for every metric
    positive: float | str | None = None  # which of them is positive, where the scale does not say
    keep_rate: float = 1.0  # share of the negatives that the job was given; the others stand for those that it was not
    predicts: Predicts = "kept"  # what predictions are right for: the rows as they were kept, or all there were
    timeout: float = 86400.0  # this long after its due time a sample without label is dropped as expired
    capacity: int = 10_000_000  # samples remembered: 70 bytes each, 700 MB at the default (820 while it grows)
    hold: float = 0.0  # a label that comes before its sample waits for it so long
    quantile: float = 0.0  # of labels that are numbers: the quantile that predictions are meant to be; 0: the mean
    across: int = 0  # workers that see samples are not those that learn labels: one id in so many is joined behind them

    @property
    def are_numbers(self) -> bool:
        """Whether the job predicts numbers, not classes."""
        return self.scale == "number"

"""What a job hands over, as flat columns of rows: NumPy, lists, data frames, Arrow, tensors; none is imported here.

A column is an array with one element a row, or `Ragged` for several values a row. It is a copy: the job may reuse its
own. A value that is missing there (None, NaN, NA, NaT, masked, null) is missing here: NaN among numbers, None among
others. Whole numbers stay exact: where one beyond 2**53 stands beside a missing one, the column holds objects.

    Refusal     what cannot be used, with the reason and the remedy; it costs that one argument
"""

from __future__ import annotations

from streamgauge.tracer.inputs.columns import NA, Array, Column, Floats, Ragged, Refusal, concatenated, is_flat, is_na
from streamgauge.tracer.inputs.dense import array_of, fault_of_tensor, tensor_of
from streamgauge.tracer.inputs.readers import column_of
from streamgauge.tracer.inputs.tables import columns_of
from streamgauge.tracer.inputs.times import TimeUnit, seconds_of, within_reach
from streamgauge.tracer.inputs.vectors import flat_of, numbers_of, predictions_of

__all__ = [
    "NA",
    "Array",
    "Column",
    "Floats",
    "Ragged",
    "Refusal",
    "TimeUnit",
    "array_of",
    "column_of",
    "columns_of",
    "concatenated",
    "fault_of_tensor",
    "flat_of",
    "is_flat",
    "is_na",
    "numbers_of",
    "predictions_of",
    "seconds_of",
    "tensor_of",
    "within_reach",
]

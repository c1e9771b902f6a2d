"""The property of tests/tracer/inputs over the containers of this environment: polars and PyTorch, too."""

from __future__ import annotations

from tests.tracer.inputs.test_mixtures import test_good_columns_count_as_if_the_bad_ones_were_not_there

__all__ = ["test_good_columns_count_as_if_the_bad_ones_were_not_there"]

"""Columns of polars, PyTorch and JAX, which only this environment has; the others' are in tests/tracer/inputs."""

from __future__ import annotations

import datetime
import decimal
import warnings
from typing import Any

import jax.numpy as jnp
import polars as pl
import pytest
import torch

from streamgauge.tracer.inputs import Ragged, Refusal, column_of, columns_of, seconds_of
from tests.tracer.inputs.test_columns import BIG, NEW_YEAR, _told


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (pl.Series([1, None, BIG]), [1, None, BIG]),
        (pl.Series([2**63 + 1, None], dtype=pl.UInt64), [2**63 + 1, None]),
        (pl.Series([1, None], dtype=pl.Int128), [1, None]),
        (pl.Series([1.5, None], dtype=pl.Float32), [1.5, None]),
        (pl.Series([True, None]), [True, None]),
        (pl.Series(["a", None]), ["a", None]),
        (pl.Series(["a", None], dtype=pl.Categorical), ["a", None]),
        (pl.Series(["a", None], dtype=pl.Enum(["a"])), ["a", None]),
        (pl.Series([[1, 2], None, []]), [[1, 2], None, []]),
        (pl.Series([["a", None], ["b"]]), [["a", None], ["b"]]),
        (pl.Series([[[1], [2, 3]], [], None]), [[1, 2, 3], [], None]),
        (pl.Series([[3.0, 4.0]], dtype=pl.Array(pl.Float32, 2)), [5.0]),
        (pl.Series([[1, 2], None], dtype=pl.Array(pl.Int64, 2)), [[1, 2], None]),
        (pl.Series([datetime.datetime(2026, 1, 1), None]), [NEW_YEAR, None]),
        (pl.Series([datetime.date(2026, 1, 1), None]), [NEW_YEAR, None]),
        (pl.Series([decimal.Decimal("1.5"), None]), [1.5, None]),
        (pl.Series([None, None]), [None, None]),
    ],
)
def test_polars_columns_keep_their_nulls(given: Any, expected: Any) -> None:
    assert _told(column_of(given)) == expected


def test_a_polars_frame_is_a_table_and_its_structs_are_refused() -> None:
    assert [(name, _told(column_of(v))) for name, v in columns_of(pl.DataFrame({"a": [1, None]}))] == [("a", [1, None])]
    with pytest.raises(Refusal, match="unnest"):
        column_of(pl.Series([{"a": 1}]))
    assert seconds_of(pl.Series([datetime.datetime(2026, 1, 1)]), "ms").tolist() == [NEW_YEAR]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (torch.tensor([1.0, 2.0], requires_grad=True), [1.0, 2.0]),
        (torch.nn.Parameter(torch.ones(2)), [1.0, 1.0]),
        (torch.tensor([1.0, 2.0], dtype=torch.bfloat16), [1.0, 2.0]),
        (torch.tensor([1.0, 2.0]).to(torch.float8_e4m3fn), [1.0, 2.0]),
        (torch.tensor([1, 2], dtype=torch.uint16), [1, 2]),
        (torch.tensor([True, False]), [True, False]),
        (torch.tensor(3), [3]),
        (torch.tensor([[3.0, 4.0]]), [5.0]),
        (torch.tensor([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (torch.tensor([[0.0, 1.0], [0.0, 0.0], [2.0, 3.0]]).to_sparse(), [[1], [], [0, 1]]),
        ([torch.tensor(1.0, requires_grad=True), torch.tensor(2.0)], [1.0, 2.0]),
        ([torch.tensor([1, 2]), torch.tensor([3])], [[1, 2], [3]]),
    ],
)
def test_torch_tensors_of_every_dtype_and_layout_are_columns(given: Any, expected: Any) -> None:
    assert _told(column_of(given)) == expected


def test_torch_sparse_rows_and_nested_tensors_are_rows_of_several_values() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls both prototypes
        rows = torch.tensor([[0.0, 0.5], [0.0, 0.0]]).to_sparse_csr()
        nested = torch.nested.nested_tensor([torch.tensor([1.0, 2.0]), torch.tensor([3.0])], layout=torch.jagged)
        column = column_of(rows)
        assert isinstance(column, Ragged)
        assert (_told(column), column.weights.tolist()) == ([[1], []], [0.5])
        assert _told(column_of(nested)) == [[1.0, 2.0], [3.0]]


@pytest.mark.parametrize("given", [torch.ones(2, device="meta"), torch.ones(2, dtype=torch.complex64)])
def test_torch_tensors_without_numbers_are_refused(given: Any) -> None:
    with pytest.raises(Refusal):
        column_of(given)


def test_jax_arrays_are_columns_bfloat16_too() -> None:
    assert _told(column_of(jnp.array([1.0, 2.0]))) == [1.0, 2.0]
    assert _told(column_of(jnp.array([1.0, 2.0], jnp.bfloat16))) == [1.0, 2.0]

"""Columns of what NumPy, lists, pandas, Arrow and TensorFlow carry: values, missing marks, rows of several values."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import numpy as np
import pytest

from streamgauge.tracer.inputs import Ragged, Refusal, column_of, columns_of, predictions_of, seconds_of
from streamgauge.tracer.inputs.times import within_reach

BIG = 2**60 + 1  # float64 would round it
NEW_YEAR = 1767225600.0
UTC = datetime.UTC


def _told(column: Any) -> Any:
    """A column as plain values: NaN as None, rows of several values as lists."""
    if isinstance(column, Ragged):
        rows = [[_plain(value) for value in row.tolist()] for row in column.rows()]
        return [None if n < 0 else row for n, row in zip(column.lengths.tolist(), rows, strict=True)]
    return [_plain(value) for value in column.tolist()]


def _plain(value: Any) -> Any:
    return None if value is None or value != value else value


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([1, 2], [1, 2]),
        ([1, None], [1, None]),
        ([BIG, None], [BIG, None]),
        ([BIG, float("nan")], [BIG, None]),
        ([-1, 2**63], [-1, 2**63]),
        ([2**70], [2**70]),
        ([True, None, False], [True, None, False]),
        ([1, "a"], [1, "a"]),
        (["a", float("nan"), None], ["a", None, None]),
        ([], []),
        ([None], [None]),
        (5.0, [5.0]),
        ("x", ["x"]),
        ([decimal.Decimal("1.5"), None], [1.5, None]),
        ([decimal.Decimal(BIG), None], [BIG, None]),
        ([datetime.datetime(2026, 1, 1), None], [NEW_YEAR, None]),
        ([datetime.date(2026, 1, 1)], [NEW_YEAR]),
        ([datetime.timedelta(minutes=1)], [60.0]),
        ([[1, 2], [], None], [[1, 2], [], None]),
        ([["a", None], [], float("nan")], [["a", None], [], None]),
        ([[[1], [2, 3]], []], [[1, 2, 3], []]),
        ([np.array([1, 2]), None], [[1, 2], None]),
        ([{"a": 0.5}, {}], [["a"], []]),
        ([{"a"}, "b"], [["a"], ["b"]]),
        (np.ma.array([1, 99999], mask=[False, True]), [1, None]),
        (np.ma.array([BIG, 99999], mask=[False, True]), [BIG, None]),
        (np.array(["2026-01-01", "NaT"], "M8[D]"), [NEW_YEAR, None]),
        (np.array([90], "m8[s]"), [90.0]),
        (np.array([1.5], ">f8"), [1.5]),
        (np.array([[3.0, 4.0], [0.0, 1.0]]), [5.0, 1.0]),
        (np.array([[1], [2]]), [1, 2]),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array([None, [1]], object), [None, [1]]),
    ],
)
def test_a_column_says_what_it_was_given(given: Any, expected: Any) -> None:
    assert _told(column_of(given)) == expected


def test_weights_stay_beside_their_tags() -> None:
    for rows in ([{"a": 0.5}, {"b": 1.0, "c": 2.0}], [[("a", 0.5)], [("b", 1.0), ("c", 2.0)]]):
        tags = column_of(rows)
        assert isinstance(tags, Ragged)
        assert (tags.values.tolist(), tags.weights.tolist()) == (["a", "b", "c"], [0.5, 1.0, 2.0])


def test_a_column_is_a_copy() -> None:
    for given in (np.zeros(3), np.zeros((3, 1)), np.zeros((3, 2), int), np.ma.array([0.0, 0.0, 0.0])):
        column = column_of(given)
        given[...] = 7
        assert not np.any(column.values if isinstance(column, Ragged) else column)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (np.zeros(2, complex), "complex"),
        (np.zeros(2, [("a", int)]), "structured"),
        ((value for value in [1]), "used up"),
        ({"a": 1}, "mapping"),
    ],
)
def test_what_is_no_column_is_refused_with_a_reason(given: Any, reason: str) -> None:
    with pytest.raises(Refusal, match=reason):
        column_of(given)


@pytest.mark.parametrize(
    "table",
    [
        {"age": [1, 2], "city": ["a", None]},
        [{"age": 1, "city": "a"}, {"age": 2}],
        np.array([(1, "a"), (2, None)], [("age", int), ("city", object)]),
    ],
)
def test_features_come_as_columns_or_as_rows(table: Any) -> None:
    found = {name: _told(column_of(values)) for name, values in columns_of(table)}
    assert found == {"age": [1, 2], "city": ["a", None]}


@pytest.mark.parametrize("table", [[[1, 2]], np.zeros((2, 2)), "age", None, [{"a": 1}, 5]])
def test_what_is_no_table_is_refused(table: Any) -> None:
    with pytest.raises(Refusal, match="features"):
        columns_of(table)


@pytest.mark.parametrize(
    ("given", "unit"),
    [
        ([NEW_YEAR], "s"),
        ([NEW_YEAR * 1e3], "ms"),
        (np.array([int(NEW_YEAR * 1e6)]), "us"),
        ([datetime.datetime(2026, 1, 1, tzinfo=UTC)], "ms"),
        ([datetime.datetime(2026, 1, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))], "s"),
        (np.array(["2026-01-01"], "M8[ns]"), "ms"),
        (["2026-01-01T00:00:00Z"], "s"),
        (["2026-01-01"], "s"),
        ("2026-01-01T01:00:00+01:00", "s"),
    ],
)
def test_a_time_is_the_same_whatever_carries_it(given: Any, unit: Any) -> None:
    assert seconds_of(given, unit).tolist() == [NEW_YEAR]


@pytest.mark.parametrize(("factor", "unit"), [(1e3, "milliseconds"), (1e6, "microseconds"), (1e9, "nanoseconds")])
def test_a_time_of_another_unit_is_told_by_its_name(factor: float, unit: str) -> None:
    with pytest.raises(Refusal, match=f"looks like {unit}"):
        within_reach(np.array([NEW_YEAR * factor]), NEW_YEAR + 5.0)


def test_a_few_times_out_of_reach_are_missing() -> None:
    assert _told(within_reach(np.array([0.0, NEW_YEAR, NEW_YEAR]), NEW_YEAR)) == [None, NEW_YEAR, NEW_YEAR]


def test_text_that_is_no_time_is_refused() -> None:
    with pytest.raises(Refusal, match="yesterday"):
        seconds_of(["yesterday"])


def test_of_two_classes_the_second_is_predicted() -> None:
    assert predictions_of(np.array([[0.9, 0.1]])).tolist() == [0.1]
    assert predictions_of([[0.9, 0.1]]).tolist() == [0.1]
    assert predictions_of(np.array([[0.5], [0.6]])).tolist() == [0.5, 0.6]
    assert predictions_of(np.array([[1.0, 3.0]]), are_logits=True).tolist() == [2.0]
    with pytest.raises(Refusal, match="positive class"):
        predictions_of(np.zeros((2, 3)))


# Containers of the libraries in both environments; those of the newest only are in tests/newest


def test_pandas_columns_keep_their_missing_marks() -> None:
    pd = pytest.importorskip("pandas")
    cases: list[tuple[Any, Any]] = [
        (pd.Series([1, None, BIG], dtype="Int64"), [1, None, BIG]),
        (pd.Series([True, None], dtype="boolean"), [True, None]),
        ([True, pd.NA, False], [True, None, False]),
        (pd.Series(["a", None]), ["a", None]),
        (pd.Series(["a", None], dtype="string"), ["a", None]),
        (pd.Series(["a", None, "b"], dtype="category"), ["a", None, "b"]),
        (pd.Series([5, None, 7], dtype="category"), [5, None, 7]),
        (pd.Series(pd.to_datetime(["2026-01-01", None])), [NEW_YEAR, None]),
        (pd.Series(pd.to_datetime(["2026-01-01T01:00"])).dt.tz_localize("Europe/Oslo"), [NEW_YEAR]),
        (pd.Series([[1, 2], None, []]), [[1, 2], None, []]),
        (pd.Series([decimal.Decimal("1.5"), None]), [1.5, None]),
        (pd.Series([1, None, BIG], dtype="int64[pyarrow]"), [1, None, BIG]),
        (pd.Index([1, 2]), [1, 2]),
        (pd.Timestamp("2026-01-01"), [NEW_YEAR]),
    ]
    for given, expected in cases:
        assert _told(column_of(given)) == expected, given
    assert seconds_of(cases[7][0], "ms").tolist()[0] == NEW_YEAR
    frame = pd.DataFrame({"a": [1], "b": ["x"]})
    assert [(name, _told(column_of(values))) for name, values in columns_of(frame)] == [("a", [1]), ("b", ["x"])]


def test_arrow_columns_keep_their_nulls_in_dictionaries_chunks_and_lists() -> None:
    pa = pytest.importorskip("pyarrow")
    first, second = (pa.array(values).dictionary_encode() for values in (["a", None], ["c"]))
    cases: list[tuple[Any, Any]] = [
        (pa.array([1, None, BIG]), [1, None, BIG]),
        (pa.array(["a", None, "b"]).dictionary_encode(), ["a", None, "b"]),
        (pa.chunked_array([first, second]), ["a", None, "c"]),
        (pa.array([True, None]), [True, None]),
        (pa.array([[1, 2], None, []]), [[1, 2], None, []]),
        (pa.array([[9], [1, 2], None, [], [3]]).slice(1), [[1, 2], None, [], [3]]),
        (pa.array([[[1], [2, 3]], [], None]), [[1, 2, 3], [], None]),
        (pa.array([[3.0, 4.0]], pa.list_(pa.float32(), 2)), [5.0]),
        (pa.array([datetime.datetime(2026, 1, 1), None]), [NEW_YEAR, None]),
        (pa.array([datetime.date(2026, 1, 1), None]), [NEW_YEAR, None]),
        (pa.array([decimal.Decimal("1.5"), None]), [1.5, None]),
        (pa.array([None, None]), [None, None]),
    ]
    for given, expected in cases:
        assert _told(column_of(given)) == expected, given
    for table in (pa.table({"a": [1, None]}), pa.record_batch({"a": [1, None]})):
        assert [(name, _told(column_of(values))) for name, values in columns_of(table)] == [("a", [1, None])]
    with pytest.raises(Refusal, match="flatten"):
        column_of(pa.array([{"a": 1}]))


def test_tensorflow_tensors_are_columns_dense_ragged_or_sparse() -> None:
    tf = pytest.importorskip("tensorflow")
    cases: list[tuple[Any, Any]] = [
        (tf.constant([1.0, 2.0]), [1.0, 2.0]),
        (tf.constant(["a", "b"]), [b"a", b"b"]),
        (tf.constant([1.0, 2.0], tf.bfloat16), [1.0, 2.0]),
        (tf.Variable([1.0]), [1.0]),
        (tf.ragged.constant([[1, 2], [], [3]]), [[1, 2], [], [3]]),
        (tf.ragged.constant([[[1], [2, 3]], [], [[4]]]), [[1, 2, 3], [], [4]]),
        (tf.sparse.from_dense([[5, 0], [0, 0], [6, 7]]), [[5], [], [6, 7]]),
    ]
    for given, expected in cases:
        assert _told(column_of(given)) == expected, given

    @tf.function  # type: ignore[untyped-decorator]
    def traced(x: Any) -> Any:
        with pytest.raises(Refusal, match="symbolic"):
            column_of(x)
        return x

    traced(tf.constant([1.0]))

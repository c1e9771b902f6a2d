"""Batches of good and bad columns, in every container: the good ones count as if the bad ones were not there."""

from __future__ import annotations

import decimal
import importlib
import importlib.util
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streamgauge.tracer.summaries import encode
from tests.tracer.streams import Sent

Values = list[Any]


def _library(name: str) -> Any:
    """A library of this environment, or None: the newest environment has all of them."""
    return importlib.import_module(name) if importlib.util.find_spec(name) else None


def _masked(values: Values) -> Any:
    return np.ma.array([0 if value is None else value for value in values], mask=[value is None for value in values])


def _tensor(values: Values) -> Any:
    torch = _library("torch")
    return torch.tensor([float("nan") if value is None else value for value in values], requires_grad=True)


def _object(values: Values) -> Any:
    found = np.empty(len(values), object)
    found[:] = values
    return found


ANY: Final[dict[str, Callable[[Values], Any]]] = {"list": list, "tuple": tuple, "objects": _object}
NUMBERS: Final[dict[str, Callable[[Values], Any]]] = {
    "floats": lambda values: np.array([np.nan if value is None else value for value in values], np.float64),
    "masked": _masked,
    "decimals": lambda values: [None if value is None else decimal.Decimal(value) for value in values],
    "column": lambda values: np.array([np.nan if value is None else value for value in values]).reshape(-1, 1),
}
if pd := _library("pandas"):
    ANY |= {"pandas": lambda values: pd.Series(values, dtype=object)}
    NUMBERS |= {"Float64": lambda values: pd.Series(values, dtype="Float64")}
if pa := _library("pyarrow"):
    ANY |= {
        "arrow": pa.array,
        "dictionary": lambda values: pa.array(values).dictionary_encode(),
        "chunks": lambda values: pa.chunked_array([pa.array(values).slice(0, 1), pa.array(values).slice(1)]),
    }
if pl := _library("polars"):
    ANY |= {"polars": lambda values: pl.Series(values, strict=False)}
if _library("torch"):
    NUMBERS |= {"torch": _tensor}

BAD: Final[tuple[Callable[[int], Any], ...]] = (
    lambda rows: np.zeros(rows, complex),
    lambda rows: np.zeros(rows, [("a", int)]),
    lambda rows: (number for number in range(rows)),
    lambda rows: {"a": 1},
    lambda rows: [1.0] * (rows + 1),
    lambda rows: [[1]] * (rows + 2),
)
BAD_ARGUMENTS: Final[dict[str, tuple[Any, ...]]] = {
    "time": ("yesterday", [1.7e15], np.zeros(3, complex)),
    "due": ({"a": 1}, [object()]),
    "predictions": (np.zeros((2, 5)), ["high"], [[0.1], [0.2, 0.3]]),
}
NUMERIC = st.lists(st.none() | st.floats(-1e6, 1e6, width=32), min_size=1, max_size=12)
TEXT = st.lists(st.none() | st.sampled_from(["a", "b", "cc", "d e"]), min_size=1, max_size=12)


def _fitted(values: Values, rows: int) -> Values:
    return (values * rows)[:rows]


@given(data=st.data())
@settings(max_examples=60)
def test_good_columns_count_as_if_the_bad_ones_were_not_there(data: st.DataObject) -> None:
    rows = data.draw(st.integers(1, 12))
    plain, given_ = dict[str, Any](), dict[str, Any]()
    for number in range(data.draw(st.integers(2, 4))):  # more good ones than bad: the rows are theirs
        is_number = data.draw(st.booleans())
        values = _fitted(data.draw(NUMERIC if is_number else TEXT), rows)
        readers = ANY | NUMBERS if is_number else ANY
        container = readers[data.draw(st.sampled_from(sorted(readers)))]
        plain[f"good{number}"], given_[f"good{number}"] = values, container(values)
    bad = {f"bad{i}": data.draw(st.sampled_from(BAD))(rows) for i in range(data.draw(st.integers(0, 2)))}
    order = data.draw(st.permutations(sorted(given_ | bad)))
    name = data.draw(st.sampled_from(["", *sorted(BAD_ARGUMENTS)]))
    wrong = {name: data.draw(st.sampled_from(BAD_ARGUMENTS[name]))} if name else {}
    ids = list(range(rows))
    mixed, alone = Sent(1.7e9), Sent(1.7e9)
    mixed.tracer.observe({key: (given_ | bad)[key] for key in order}, ids=ids, **wrong)
    alone.tracer.observe(plain, ids=ids)
    _check(mixed, alone, expected=len(bad) + len(wrong))


def _check(mixed: Sent, alone: Sent, *, expected: int) -> None:
    counters = mixed.tracer.counters
    assert not [key for key in counters if key.startswith("fault_")]
    assert not mixed.tracer.is_off
    totals = {key: total for key, total in mixed.totals().items() if key.name != "refused"}
    assert totals == alone.totals()
    assert sum(total for key, total in mixed.totals().items() if key.name == "refused") == expected
    assert sum(count for key, count in counters.items() if key.startswith("refused_")) == expected
    good, reference = mixed.sketches(), alone.sketches()
    assert good.keys() == reference.keys()
    for key, sketch in good.items():
        assert encode(sketch, *key[:3]) == encode(reference[key], *key[:3]), key

"""Features as jobs have them: a mapping of columns, a data frame, an Arrow table, a structured array, row dicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from streamgauge.tracer.inputs.columns import Refusal


def columns_of(features: Any) -> Iterable[tuple[Any, Any]]:
    """(name, values) of each column, not yet read. Raises Refusal for what is no table.

    >>> dict(columns_of([{"age": 31}, {"city": "Oslo"}]))
    {'age': [31, None], 'city': [None, 'Oslo']}
    """
    if type(features) is dict or isinstance(features, Mapping):
        return features.items()
    if isinstance(features, (list, tuple)):
        return _of_rows(features)
    if isinstance(features, np.ndarray) and features.dtype.names:
        return [(name, features[name]) for name in features.dtype.names]
    library = type(features).__module__.partition(".")[0]
    if library == "pandas" and hasattr(features, "items") and getattr(features, "ndim", 0) == 2:
        return features.items()  # type: ignore[no-any-return]
    if library == "polars" and hasattr(features, "get_columns"):
        return zip(features.columns, features.get_columns())
    if library == "pyarrow" and hasattr(features, "column_names"):
        return zip(features.column_names, features.columns)
    raise Refusal(
        f"features are a mapping of columns, a data frame, an Arrow table or a list of row dicts, "
        f"not a {type(features).__name__}"
    )


def _of_rows(rows: Any) -> list[tuple[Any, list[Any]]]:
    """Columns of row dicts; a key that a row does not have is missing there."""
    wrong = next((row for row in rows if not isinstance(row, Mapping)), None)
    if wrong is not None:
        raise Refusal(f"a list of features holds one dict a row, not a {type(wrong).__name__}; name the columns")
    names = dict.fromkeys(name for row in rows for name in row)
    return [(name, [row.get(name) for row in rows]) for name in names]

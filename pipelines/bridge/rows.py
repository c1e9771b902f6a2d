"""Sample messages become columns: JSON, MessagePack, Avro or CSV, one row a message.

A field is named by its path (`user.id`). What cannot be read is told with a reason and leaves the others alone; a value
of a wrong type is a value all the same: it counts as invalid in its feature's profile.
"""

from __future__ import annotations

import csv
import datetime
import io
import json
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamgauge.pipelines.config.faults import ConfigError, Fault
from streamgauge.tracer import inputs
from streamgauge.tracer.inputs import NA, Array, Column

Format = Literal["json", "msgpack", "avro", "csv"]
TimeUnit = Literal["s", "ms", "us", "iso"]
Row = tuple[Any, ...]  # the values of the fields asked for, in their order
Decode = Callable[[bytes], Row]  # raises ValueError

_SCALE: Final = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
_BOOLEANS: Final = {"true": 1.0, "false": 0.0}
_CONFLUENT: Final = 5  # bytes of a schema registry's prefix: 0 and the schema's id


class Bad(NamedTuple):
    """A message that is no row: its place among those given, and why."""

    place: int
    text: str


def decode(decoder: Decode, messages: Sequence[bytes]) -> tuple[list[Row], list[Bad]]:
    """The rows of the messages that are some, in order, and the others."""
    rows, bad = list[Row](), list[Bad]()
    for place, data in enumerate(messages):
        try:
            rows.append(decoder(data))
        except ValueError as error:
            bad.append(Bad(place, str(error)))
    return rows, bad


def decoder_of(
    form: Format, fields: Sequence[str], *, schema: str = "", columns: Sequence[str] = (), delimiter: str = ","
) -> Decode:
    """Reads `fields` out of one message.

    Args:
        form: how a message is written.
        fields: their paths; a field that is missing is None.
        schema: file with the Avro schema that the messages were written by.
        columns: names of the CSV columns, in order.
        delimiter: between them.

    Raises:
        ConfigError: the schema cannot be read, a CSV field is no column, or fastavro is missing.
    """
    if form == "avro":
        return _avro(fields, schema)
    if form == "csv":
        return _csv(fields, columns, delimiter)
    tree = _struct("Row", [field.split(".") for field in fields])
    pick = attrgetter(*[_path(field, fields) for field in fields])
    read = (msgspec.json.Decoder if form == "json" else msgspec.msgpack.Decoder)(tree).decode
    if len(fields) == 1:
        return lambda data: (pick(read(data)),)
    return lambda data: pick(read(data))


def column_of(values: Sequence[Any]) -> Column:
    """One column; a list is a row of several values, an object is told by its text.

    Whole numbers stay exact beside missing ones, so that ids stay apart.

    >>> column_of([1, None, 2.5]).tolist(), column_of([2**60 + 1, None]).tolist()
    ([1.0, nan, 2.5], [1152921504606846977, None])
    """
    return inputs.column_of([_text(value) if isinstance(value, dict) else value for value in values])


def ids_of(values: Sequence[Any]) -> Array:
    """Ids of the samples; one that is no single value is told by its text."""
    return inputs.flat_of([_text(value) if isinstance(value, (dict, list)) else value for value in values])


def labels_of(values: Sequence[Any]) -> Array:
    """Labels as the job's declaration reads them: numbers, digits and booleans in text as numbers, other text as it is.

    >>> labels_of([1, "0", "true", None, "click"]).tolist()
    [1.0, 0.0, 1.0, None, 'click']
    """
    numbers = [_number(value) for value in values]
    both = zip(values, numbers, strict=True)
    return ids_of([value if number != number else number for value, number in both])


def numbers_of(values: Sequence[Any]) -> NDArray[np.float64]:
    """A column of numbers, NaN for what is none; digits and booleans in text count."""
    return np.array([NA if value is None else _number(value) for value in values], np.float64)


def numeric_of(values: Sequence[Any]) -> Column:
    """The column of a numeric feature: digits in text are numbers, what is none stays what it is, to count as invalid.

    >>> numeric_of(["1", None, "2.5"]).tolist(), numeric_of(["1", "x", "true"]).tolist()
    ([1.0, nan, 2.5], [1.0, 'x', 1.0])
    """
    numbers = [value if isinstance(value, (int, float, list)) else _number(value) for value in values]
    both = zip(values, numbers, strict=True)
    return column_of([value if number != number else number for value, number in both])


def times_of(values: Sequence[Any], unit: TimeUnit) -> NDArray[np.float64]:
    """Seconds since the epoch, NaN for what is no time. ISO 8601 without an offset is UTC."""
    if unit == "iso":
        return np.array([_iso(value) for value in values], np.float64)
    return numbers_of(values) * _SCALE[unit]


def _struct(name: str, paths: list[list[str]]) -> type[msgspec.Struct]:
    """A struct with one attribute a path element, None where a message has none."""
    heads = dict.fromkeys(path[0] for path in paths)
    fields: list[tuple[str, Any, Any]] = []
    for i, head in enumerate(heads):
        below = [path[1:] for path in paths if path[0] == head and len(path) > 1]
        inner = _struct(f"{name}_{i}", below) if below else None
        fields.append((f"f{i}", inner or Any, msgspec.field(default_factory=inner) if inner else None))
    names = {f"f{i}": head for i, head in enumerate(heads)}
    return msgspec.defstruct(name, fields, rename=names, gc=False)


def _path(field: str, fields: Sequence[str]) -> str:
    """Where `_struct` has put a field: attribute names with dots."""
    paths, found = [one.split(".") for one in fields], list[str]()
    for part in field.split("."):
        heads = list(dict.fromkeys(path[0] for path in paths if path))
        found.append(f"f{heads.index(part)}")
        paths = [path[1:] for path in paths if path and path[0] == part and len(path) > 1]
    return ".".join(found)


def _csv(fields: Sequence[str], columns: Sequence[str], delimiter: str) -> Decode:
    unknown = [field for field in fields if field not in columns]
    if unknown:
        raise ConfigError([Fault("columns", f"has no {', '.join(unknown)}; name the CSV columns in their order")])
    places, width = [columns.index(field) for field in fields], len(columns)

    def read(data: bytes) -> Row:
        try:
            line = next(csv.reader(io.StringIO(data.decode()), delimiter=delimiter, strict=True))
        except (csv.Error, StopIteration) as error:
            raise ValueError(f"no CSV line: {error}") from None
        if len(line) != width:
            raise ValueError(f"{len(line)} CSV columns, expected {width}")
        return tuple(line[place] or None for place in places)

    return read


def _avro(fields: Sequence[str], schema: str) -> Decode:
    try:
        import fastavro
    except ImportError:
        raise ConfigError([Fault("format", "avro needs fastavro: pip install 'streamgauge[bridge]'")]) from None
    try:
        parsed = fastavro.parse_schema(json.loads(Path(schema).read_text()))
    except Exception as error:  # fastavro raises whatever its reading meets
        text = f"{schema} is no Avro schema: {type(error).__name__} {error}"
        raise ConfigError([Fault("schema_file", text)]) from None
    paths = [field.split(".") for field in fields]

    def read(data: bytes) -> Row:
        body = data[_CONFLUENT:] if data[:1] == b"\0" and len(data) > _CONFLUENT else data
        try:
            record = fastavro.schemaless_reader(io.BytesIO(body), parsed, None)
        except Exception as error:  # fastavro raises whatever its reading meets
            raise ValueError(f"no Avro record of this schema: {type(error).__name__} {error}") from None
        return tuple(_follow(record, path) for path in paths)

    return read


def _follow(record: Any, path: Iterable[str]) -> Any:
    for part in path:
        record = record.get(part) if isinstance(record, dict) else None
    return record


def _text(value: Any) -> str:
    return msgspec.json.encode(value, order="sorted", enc_hook=str).decode()


def _number(value: Any) -> float:
    """A number, from its text too; booleans are 1 and 0."""
    if isinstance(value, str) and value.strip().lower() in _BOOLEANS:
        return _BOOLEANS[value.strip().lower()]
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def _iso(value: Any) -> float:
    try:
        time = datetime.datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return float("nan")
    return (time if time.tzinfo else time.replace(tzinfo=datetime.UTC)).timestamp()

"""Sample messages become columns, whatever they are written in."""

from __future__ import annotations

import io
import json
from pathlib import Path

import fastavro
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.pipelines.bridge import rows
from streamgauge.pipelines.config.faults import ConfigError
from streamgauge.tracer.inputs import Ragged
from streamgauge.tracer.summaries import hash_values

FIELDS = ["id", "user.age", "user.city", "clicked"]
ROW = {"id": "a1", "user": {"age": 31, "city": "Ulm"}, "clicked": True, "more": [1, 2]}
SCHEMA = {
    "type": "record", "name": "Click", "fields": [
        {"name": "id", "type": "string"}, {"name": "clicked", "type": "boolean"},
        {"name": "user", "type": {"type": "record", "name": "User", "fields": [
            {"name": "age", "type": ["null", "int"]}, {"name": "city", "type": "string"}]}},
    ],
}  # fmt: skip


def avro(tmp_path: Path) -> rows.Decode:
    (tmp_path / "click.avsc").write_text(json.dumps(SCHEMA))
    return rows.decoder_of("avro", FIELDS, schema=str(tmp_path / "click.avsc"))


def written() -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(SCHEMA), ROW)
    return out.getvalue()


def test_every_format_gives_the_same_row(tmp_path: Path) -> None:
    expected = ("a1", 31, "Ulm", True)
    assert rows.decoder_of("json", FIELDS)(json.dumps(ROW).encode()) == expected
    assert rows.decoder_of("msgpack", FIELDS)(msgspec.msgpack.encode(ROW)) == expected
    assert avro(tmp_path)(written()) == expected
    assert avro(tmp_path)(b"\0\0\0\0\x07" + written()) == expected  # as a schema registry's clients write it
    comma = rows.decoder_of("csv", ["id", "city"], columns=["id", "age", "city"])
    assert comma(b'a1,31,"Ulm, Donau"\n') == ("a1", "Ulm, Donau")


@pytest.mark.parametrize("form", ["json", "msgpack"])
def test_what_is_missing_is_none(form: rows.Format) -> None:
    encode = json.dumps if form == "json" else msgspec.msgpack.encode
    data = encode({"clicked": 0})
    assert rows.decoder_of(form, FIELDS)(data.encode() if isinstance(data, str) else data) == (None, None, None, 0)


@given(st.binary(max_size=40))
def test_any_bytes_are_a_row_or_a_reason(data: bytes) -> None:
    for form in ("json", "msgpack", "csv"):
        found, bad = rows.decode(rows.decoder_of(form, ["a"], columns=["a"]), [data, data])  # type: ignore[arg-type]
        assert len(found) + len(bad) == 2
        assert all(one.text for one in bad)


@given(st.lists(st.none() | st.integers() | st.floats() | st.text() | st.booleans() | st.lists(st.integers())))
def test_equal_values_hash_alike_in_every_batch(values: list[object]) -> None:
    together = hash_values(rows.ids_of(values)) if values else np.zeros(0, np.uint64)
    alone = [hash_values(rows.ids_of([value]))[0] for value in values]
    numbers = [isinstance(value, float | None) for value in values]
    assert [a for a, skip in zip(together, numbers, strict=True) if not skip] == [
        b for b, skip in zip(alone, numbers, strict=True) if not skip
    ]


def test_ids_beside_missing_ones_stay_apart() -> None:
    ids = [2**60 + k for k in range(1000)]
    column = rows.ids_of([*ids, None])
    assert len(set(hash_values(column[:-1]).tolist())) == 1000


def test_booleans_in_text_are_labels_and_numbers() -> None:
    assert rows.labels_of(["true", "False", 1, None, "click"]).tolist() == [1.0, 0.0, 1.0, None, "click"]
    assert rows.numbers_of(["true", "0.5", None]).tolist()[:2] == [1.0, 0.5]


def test_a_list_is_a_row_of_several_values() -> None:
    column = rows.column_of([["a", "b"], [], None])
    assert isinstance(column, Ragged)
    assert (column.values.tolist(), column.lengths.tolist()) == (["a", "b"], [2, 0, -1])


def test_times_of_every_unit() -> None:
    assert rows.times_of([1_700_000_000_000, None, "x"], "ms").tolist()[0] == 1.7e9
    assert np.isnan(rows.times_of([None, "x"], "ms")).all()
    assert rows.times_of(["2023-11-14T22:13:20Z", "2023-11-14T23:13:20+01:00"], "iso").tolist() == [1.7e9, 1.7e9]
    assert np.isnan(rows.times_of(["yesterday", None, 3], "iso")).all()


def test_a_schema_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "bad.avsc").write_text("{}")
    with pytest.raises(ConfigError, match="is no Avro schema"):
        rows.decoder_of("avro", FIELDS, schema=str(tmp_path / "bad.avsc"))
    with pytest.raises(ConfigError, match="has no city"):
        rows.decoder_of("csv", ["city"], columns=["town"])

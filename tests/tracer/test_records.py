"""The wire format: golden bytes of every kind, and no bytes that raise anything but RecordError."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.tracer import codec, records
from streamgauge.tracer.bounds import MAX_BYTES, MAX_NAME, MAX_SHARDS, RecordError
from streamgauge.tracer.records import Event, Feedback, Name, Open, Record, Setting, Sketch, Tick, TraceBatch
from tests.places import TESTS

GOLDEN = TESTS / "golden"
NAMES = [Name("train", "loss", ""), Name("sample", "rows", ""), Name("train", "gradient_norm", "tensor:dense/kernel")]
TRACE = TraceBatch(
    job="ctr", worker="worker:3", shard=1, shards=4, incarnation="b2c1", sequence=17, pane=1360000800.0,
    pane_length=10.0, interval=10.0, watermark=1360000807.5, step_first=100, step_last=109, mode="backfill", final=True,
    plans=(("loss", 3),), captured=2000, names=codec.encode_names(NAMES),
    index=np.array([0, 1, 2, 0], "<u2").tobytes(), value=np.array([0.69, 512.0, np.nan, 5e-324], "<f8").tobytes(),
    weight=np.array([512.0, 1.0, 1.0, 1.0], "<f8").tobytes(),
    sketches=(Sketch("counts", "sample", "profile", "feature:tailnum", (b"\x01\x00", b"")),),
    hard=(("nonfinite", "tensor:dense/kernel", 3.0),),
)  # fmt: skip
EMPTY = TraceBatch(
    job="ctr", worker="w", incarnation="a", sequence=1, pane=0.0, pane_length=10.0, interval=10.0, watermark=-5.0
)
# What each file in tests/golden holds. A file is never rewritten: a reader must read what any older writer wrote.
RECORDS: dict[str, Record] = {
    "trace": TRACE,
    "trace_empty": EMPTY,
    "open": Open(job="ctr", shard=2, shards=4, start=1360000800.0),
    "tick": Tick(job="ctr", shard=1, time=1360000801.0),
    "setting": Setting(job="ctr", name="thresholds", revision=7, effective=1360000860.0, body=b'{"loss": 8.0}'),
    "feedback": Feedback(
        job="ctr", notification="n-1", verdict="false_alarm", author="ann", comment="a test of ours", time=1360000900.0
    ),
    "event": Event(job="ctr", worker="w", name="model pushed", time=1360000900.0, text="v17"),
}
BYTES = {name: codec.encode(record) for name, record in RECORDS.items()}
NAMED = pytest.mark.parametrize("name", sorted(RECORDS))


def reason_of(data: bytes) -> str:
    with pytest.raises(RecordError) as caught:
        codec.decode(data)
    assert str(caught.value).startswith(caught.value.reason)
    return caught.value.reason


def changed(record: Record, **fields: Any) -> bytes:
    return codec.encode(msgspec.structs.replace(record, **fields))


def extended(name: str, *more: Any) -> bytes:
    """The record with fields of a later minor version behind its own."""
    return checked([*plain(name), *more])


def plain(name: str) -> list[Any]:
    """The record's fields as they are written."""
    fields: list[Any] = msgspec.msgpack.decode(BYTES[name][:-5])
    return fields


def checked(fields: list[Any]) -> bytes:
    """Fields as a record with a sound CRC."""
    body = msgspec.msgpack.encode(fields)
    return body + b"\xce" + zlib.crc32(body).to_bytes(4, "big")


@NAMED
def test_a_record_encodes_to_its_golden_bytes_and_back(name: str) -> None:
    golden = (GOLDEN / f"{name}-{records.VERSION}.msgpack").read_bytes()
    assert BYTES[name] == golden
    assert codec.decode(golden) == RECORDS[name]


@NAMED
def test_a_record_of_version_1_is_read_and_written_in_its_version(name: str) -> None:
    golden = (GOLDEN / f"{name}.msgpack").read_bytes()
    read = codec.decode(golden)
    assert msgspec.structs.replace(read, version=records.VERSION) == RECORDS[name]
    older = msgspec.msgpack.decode(golden)
    assert msgspec.msgpack.decode(codec.encode(read))[: len(older)] == older  # fields that came since are behind


@pytest.mark.parametrize("file", sorted((GOLDEN / "older").glob("*.msgpack")), ids=lambda file: file.stem)
def test_the_golden_bytes_of_older_writers_of_this_version_are_read(file: Path) -> None:
    assert codec.decode(file.read_bytes()) == RECORDS[file.stem.split("_without_")[0]]


@NAMED
def test_a_record_with_any_bit_flipped_is_refused(name: str) -> None:
    for bit in range(8 * len(BYTES[name])):
        flipped = bytearray(BYTES[name])
        flipped[bit // 8] ^= 1 << bit % 8
        reason_of(bytes(flipped))


def test_a_damaged_record_says_so() -> None:
    damaged = bytearray(BYTES["trace"])
    damaged[damaged.index(b"ctr")] ^= 1
    assert reason_of(bytes(damaged)) == "checksum"


def test_every_kind_has_golden_bytes() -> None:
    assert {record.kind for record in RECORDS.values()} == set(records.Kind)
    assert {file.stem for file in GOLDEN.glob("*.msgpack")} == {*RECORDS, *(f"{name}-2" for name in RECORDS)}


@NAMED
def test_peek_tells_who_and_what_without_columns(name: str) -> None:
    head, record = codec.peek(BYTES[name]), RECORDS[name]
    assert (head.version, head.kind) == (2, record.kind)
    assert (head.job, head.worker, head.shard) == (record.job, record.worker, record.shard)


@NAMED
def test_a_record_cut_anywhere_is_truncated(name: str) -> None:
    assert {reason_of(BYTES[name][:cut]) for cut in range(len(BYTES[name]))} == {"truncated"}


@NAMED
def test_fields_of_a_later_version_are_skipped(name: str) -> None:
    assert codec.decode(extended(name, "new", 1.5, [1, {"a": None}])) == RECORDS[name]


@NAMED
def test_an_older_writers_record_is_filled_up_with_defaults(name: str) -> None:
    fields = msgspec.structs.fields(RECORDS[name])
    written = 1 + max(i for i, field in enumerate(fields) if field.required or field.name == "shard")
    read = codec.decode(checked(plain(name)[:written]))
    for i, field in enumerate(fields):
        expected = getattr(RECORDS[name], field.name) if i < written else field.default
        assert getattr(read, field.name) == expected, field.name


@NAMED
def test_another_major_version_is_refused_whatever_follows(name: str) -> None:
    assert reason_of(checked([3, *plain(name)[1:]])) == "version"
    assert reason_of(msgspec.msgpack.encode([3, 99, "ctr", "", 0])) == "version"
    assert reason_of(msgspec.msgpack.encode([0, *plain(name)[1:]])) == "version"


def test_an_unknown_kind_is_refused() -> None:
    assert reason_of(msgspec.msgpack.encode([1, 99, "ctr", "w", 0])) == "kind"


@pytest.mark.parametrize(
    "data",
    [b"\xc0", b"\x81\x01\x02", b"\xa3abc", msgspec.msgpack.encode(["1", 3, "ctr", "w", 0]),
     msgspec.msgpack.encode([1, *msgspec.msgpack.decode(BYTES["tick"][:-5])[1:]]) + b"\x00",
     b"\x96\x01\x03\xc1", b"\x96\x01\x03\xa1\xff\xa0\x00\xcb" + bytes(8),
     b"\x97\x01\x03\xa1j\xa0\x00\x01" + b"\x91" * 100_000,
     msgspec.msgpack.encode([1, 3, "ctr", "w", 0, "noon"]), msgspec.msgpack.encode([1, 3, "ctr", "w", 0])],
    ids=["nil", "map", "text", "text version", "trailing byte", "invalid opcode", "invalid utf-8", "nested too deep",
         "text time", "field missing"],
)  # fmt: skip
def test_what_is_no_record_is_of_a_wrong_type(data: bytes) -> None:
    assert reason_of(data) == "type"


def test_a_record_beyond_the_limit_is_oversized_before_it_is_read() -> None:
    assert reason_of(bytes(MAX_BYTES + 1)) == "oversized"
    with pytest.raises(RecordError, match="oversized"):
        codec.peek(bytes(MAX_BYTES + 1))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"index": b"\x00"}, "columns"),
        ({"index": bytes(4), "value": bytes(8)}, "columns"),
        ({"index": bytes(2), "value": bytes(8), "weight": bytes(16)}, "columns"),
        ({"weight": bytes(8)}, "columns"),
        ({"sequence": 0}, "columns"),
        ({"sequence": 1 << 63}, "columns"),
        ({"captured": -1}, "columns"),
        ({"shard": 1}, "columns"),
        ({"shards": 0}, "columns"),
        ({"shards": MAX_SHARDS + 1}, "columns"),
        ({"pane": float("nan")}, "time"),
        ({"watermark": float("inf")}, "time"),
        ({"pane_length": 0.0}, "time"),
        ({"interval": -1.0}, "time"),
        ({"job": "j" * (MAX_NAME + 1)}, "type"),
        ({"incarnation": "i" * (MAX_NAME + 1)}, "type"),
        ({"hard": (("nonfinite", "e" * (MAX_NAME + 1), 1.0),)}, "names"),
        ({"sketches": (Sketch("counts", "sample", "profile", "e" * (MAX_NAME + 1), ()),)}, "names"),
    ],
)  # fmt: skip
def test_a_batch_that_does_not_fit_together_says_where(fields: dict[str, Any], reason: str) -> None:
    assert reason_of(changed(EMPTY, **fields)) == reason


@pytest.mark.parametrize("time", [float("nan"), float("inf"), -1e300])
def test_a_time_that_is_none_is_refused_in_every_kind(time: float) -> None:
    times = {"tick": "time", "open": "start", "setting": "effective", "event": "time", "feedback": "time"}
    for name, field in times.items():
        assert reason_of(changed(RECORDS[name], **{field: time})) == "time"


def test_points_are_views_of_the_records_bytes() -> None:
    batch = codec.decode(BYTES["trace"])
    assert isinstance(batch, TraceBatch)
    index, value, weight = codec.points(batch)
    assert index.tolist() == [0, 1, 2, 0]
    assert value[3] == 5e-324  # a denormal survives
    assert np.isnan(value[2])
    assert weight is not None
    assert weight[0] == 512.0
    assert not value.flags.writeable
    assert codec.points(EMPTY).weight is None


def test_names_come_back_and_bad_ones_are_refused() -> None:
    assert codec.decode_names(codec.encode_names(NAMES)) == tuple(NAMES)
    too_long = codec.encode_names([Name("train", "n" * (MAX_NAME + 1), "")])
    too_many = codec.encode_names([Name("train", "a", "")] * 65_537)
    for blob in (b"", b"\xc0", codec.encode_names(NAMES)[:-1], too_long, too_many, b"\x91\x93\xa5train\xa1\xff\xa0"):
        with pytest.raises(RecordError, match="names"):
            codec.decode_names(blob)


def check_only_record_errors(data: bytes) -> None:
    try:
        record = codec.decode(data)
        if isinstance(record, TraceBatch):
            codec.points(record)
            codec.decode_names(record.names)
    except RecordError:
        return
    codec.decode(codec.encode(record))  # what was read can be written and read again


@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_but_record_errors(data: bytes) -> None:
    check_only_record_errors(data)
    check_only_record_errors(b"\x96\x01\x03" + data)
    check_only_record_errors(b"\xdc\x00\x18\x01\x01" + data)


@given(name=st.sampled_from(sorted(BYTES)), data=st.data())
def test_mutated_records_raise_nothing_but_record_errors(name: str, data: st.DataObject) -> None:
    mutated = bytearray(BYTES[name])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(mutated) - 1))
        mutated[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
        if not mutated:
            break
    check_only_record_errors(bytes(mutated))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=5) | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=6,
)


@given(name=st.sampled_from(sorted(BYTES)), fields=st.dictionaries(st.integers(0, 23), VALUES, min_size=1, max_size=3))
def test_fields_of_any_type_raise_nothing_but_record_errors(name: str, fields: dict[int, Any]) -> None:
    changed = plain(name)
    for i, value in fields.items():
        changed[i % len(changed)] = value
    check_only_record_errors(msgspec.msgpack.encode(changed))
    check_only_record_errors(checked(changed))


def test_a_dead_letters_identity_is_of_its_bytes() -> None:
    assert codec.identity_of(b"a") == codec.identity_of(b"a") != codec.identity_of(b"b")
    assert len(codec.identity_of(b"")) == 32


@given(worker=st.text(max_size=20), shards=st.integers(1, 64))
def test_a_workers_shard_is_fixed_and_within_bounds(worker: str, shards: int) -> None:
    assert 0 <= records.shard_of(worker, shards) < shards
    assert records.key_of("ctr", records.shard_of("worker:3", 4), 4) == "ctr/2"  # in every process, on every day

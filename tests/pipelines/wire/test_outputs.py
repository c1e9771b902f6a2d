"""What the pipeline says on the bus: no flipped bit of it goes unseen, and records from before checksums are read."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.outputs import Change, Profiles

SAID = (
    Change(job="ctr", name="begin", time=1.5, text="x" * 40, number=7),
    Profiles(job="ctr", worker="", window="long", start=0.0, end=60.0, revision=0, number=1, sketches=(), part=2),
)


@pytest.mark.parametrize("record", SAID)
def test_no_single_flipped_bit_goes_unseen(record: msgspec.Struct) -> None:
    data = outputs.encode(record)
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ValueError, match=r"\w"):
            outputs.decode(bytes(flipped))


@given(st.builds(Change, job=st.text(), name=st.text(), time=st.floats(allow_nan=False), text=st.text()), st.data())
def test_what_is_cut_or_longer_is_refused(record: Change, data: st.DataObject) -> None:
    sent = outputs.encode(record)
    assert outputs.decode(sent) == record
    with pytest.raises(ValueError, match=r"\w"):
        outputs.decode(sent[: data.draw(st.integers(0, len(sent) - 1))])
    with pytest.raises(ValueError, match=r"\w"):
        outputs.decode(sent + data.draw(st.binary(min_size=1, max_size=8)))


@pytest.mark.parametrize("record", SAID)
def test_a_record_from_before_checksums_is_read(record: msgspec.Struct) -> None:
    before = msgspec.msgpack.encode((type(record).__name__.lower(), record))
    assert outputs.decode(before) == record
    assert outputs.opened(before)[0] == outputs.opened(outputs.encode(record))[0]


def test_any_reader_of_messagepack_has_kind_and_record() -> None:
    kind, record, checksum = msgspec.msgpack.decode(outputs.encode(SAID[0]))
    assert (kind, record[1], record[3]) == ("change", "ctr", "begin")
    assert 0 <= checksum < 1 << 32

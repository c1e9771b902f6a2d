"""Blocks of a sample topic: the same records however its messages come, and wherever reading breaks off."""

from __future__ import annotations

import json
from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.pipelines.bridge import rows
from streamgauge.pipelines.bridge.blocks import Block, Blocks, Place, Sample, fields_of, place_of
from streamgauge.pipelines.config.schema import Bridge, Feature, JobConfig
from streamgauge.pipelines.wire import outputs
from streamgauge.tracer import codec, summaries
from streamgauge.tracer.records import TraceBatch

JOB = JobConfig(
    name="ctr",
    pane=10.0,
    features=(Feature(name="age", kind="numeric"), Feature(name="city", kind="categorical")),
)
BRIDGE = Bridge(
    job="ctr", topic="clicks", id="id", time="at", label="y", prediction="p", fields={"age": "user.age"}, rows=64,
    max_age=5.0,
)  # fmt: skip
T0 = 1_700_000_000.0


def blocks(place: Place | None = None, offset: int = 0) -> Blocks:
    def fail(where: str, error: Exception) -> None:
        raise error

    read = rows.decoder_of("json", fields_of(BRIDGE, JOB))
    return Blocks(BRIDGE, JOB, "clicks/0", read, salt=b"s", offset=offset, place=place, fault=fail)


def samples(seed: int, count: int) -> list[Sample]:
    """Rows of a few panes with jumps, and some that are none."""
    dice, stamp, found = Random(seed), T0, list[Sample]()
    for offset in range(count):
        stamp += dice.choice([0.0, 0.05, 0.3, -0.2, 3.0])
        row = {
            "id": f"s{dice.randrange(200)}", "at": stamp - dice.random() * 9, "p": dice.random(),
            "y": dice.choice([0, 1, None]), "user": {"age": dice.choice([None, 1.5, 40, "old"])},
            "city": dice.choice(["Ulm", "Rom", None, 7]),
        }  # fmt: skip
        found.append(Sample(offset, stamp, b"no row" if dice.random() < 0.03 else json.dumps(row).encode()))
    return found


def sent(done: list[Block]) -> list[tuple[str, str, bytes]]:
    return [tuple(output) for block in done for output in block.outputs]  # type: ignore[misc]


def batches(done: list[Block]) -> list[TraceBatch]:
    found = [codec.decode(value) for topic, _, value in sent(done) if topic == "traces"]
    assert all(isinstance(one, TraceBatch) for one in found)
    return found  # type: ignore[return-value]


@given(st.integers(0, 10**6), st.lists(st.integers(1, 90), max_size=12), st.data())
def test_the_records_do_not_depend_on_polls_and_restarts(seed: int, polls: list[int], data: st.DataObject) -> None:
    whole = samples(seed, 300)
    once = blocks().add(whole)
    reader, done, at = blocks(), list[Block](), 0
    for size in [*polls, 300]:
        done += reader.add(whole[at : at + size])
        at = min(300, at + size)
        if data.draw(st.booleans()):  # killed: what was committed last is all that is left
            place = place_of(done[-1].place.text()) if done else None
            at = done[-1].offset if done else 0
            reader = blocks(place, at)
    assert sent(done) == sent(once)
    assert [block.offset for block in done] == [block.offset for block in once]


@given(st.integers(0, 10**6), st.integers(1, 250), st.booleans())
def test_a_silence_is_passed_at_the_same_place_after_a_restart(seed: int, quiet: int, dies: bool) -> None:
    whole = samples(seed, 300)
    first = blocks()
    done = first.add(whole[:quiet])
    reserved = first.reserved(whole[quiet - 1].stamp + 60.0)
    assert reserved is not None
    if dies:
        start, place = first.offset, place_of(reserved.text())
        again = blocks(place, start)
        rest = again.add(whole[start:])
    else:
        rest = [first.pass_silence(whole[quiet - 1].stamp + 60.0), *first.add(whole[quiet:])]
    expected = blocks()
    wanted = [*expected.add(whole[:quiet]), expected.pass_silence(whole[quiet - 1].stamp + 60.0)]
    wanted += expected.add(whole[quiet:])
    assert sent([*done, *rest]) == sent(wanted)
    sequences = [one.sequence for one in batches([*done, *rest])]
    assert sequences == list(range(1, len(sequences) + 1))


def test_time_passes_in_a_silence_and_life_is_proved() -> None:
    reader = blocks()
    assert reader.reserved(T0) is None  # nothing has come yet: there is nobody to be alive
    reader.add(samples(1, 5))
    (one,) = batches([reader.pass_silence(T0 + 100.0)])[-1:]
    assert one.watermark == T0 + 100.0
    (two,) = batches([reader.pass_silence(T0 + 110.0)])
    assert (two.watermark, two.sequence, two.sketches) == (T0 + 110.0, one.sequence + 1, ())


def test_rows_are_counted_once_and_what_is_none_is_a_dead_letter() -> None:
    whole = samples(3, 300)
    reader = blocks()
    done = [*reader.add(whole), reader.pass_silence(whole[-1].stamp)]
    letters = [outputs.decode(value) for topic, _, value in sent(done) if topic == "dead-letters"]
    bad = [one for one in whole if one.value == b"no row"]
    assert [letter.data for letter in letters] == [b"no row"] * len(bad)
    assert {(letter.reason, letter.topic) for letter in letters} == {("not json", "clicks")}
    found = batches(done)
    assert total(found, "rows", "sample") == len(whole) - len(bad)
    known = [json.loads(one.value) for one in whole if one.value != b"no row"]
    labelled = [row for row in known if row["y"] is not None]
    assert total(found, "labels", "label") == len(labelled)
    assert total(found, "positives", "label") == sum(row["y"] for row in labelled)
    stamps = np.maximum.accumulate([one.stamp for one in whole])
    late = sum(
        stamp - json.loads(one.value)["at"] > 5.0
        for one, stamp in zip(whole, stamps, strict=True)
        if one.value != b"no row"
    )
    assert total(found, "late_rows", "sample") == late
    ids = [s for one in found for s in one.sketches if s.name == "sample_id"]
    merged = [summaries.decode(sketch) for sketch in ids]
    assert sum(int(one.counts.sum()) for one in merged) == len(known)  # type: ignore[attr-defined]


def test_a_topic_made_anew_is_another_incarnation() -> None:
    one, two = samples(1, 80), samples(2, 80)
    names = [batches(blocks().add(each))[0].incarnation for each in (one, two, one)]
    assert names[0] == names[2] != names[1]


def test_metadata_of_others_is_none_of_ours() -> None:
    assert place_of("") is None
    assert place_of("bm90IG91cnM=") is None
    assert place_of("ünïcode") is None
    assert len(Place(incarnation="x" * 12, sequence=2**60, clock=T0, watermark=T0).text()) < 200


def total(found: list[TraceBatch], name: str, clock: str) -> float:
    whole = 0.0
    for one in found:
        names = codec.decode_names(one.names)
        points = codec.points(one)
        whole += sum(
            value
            for index, value in zip(points.index, points.value, strict=True)
            if (names[index].name, names[index].clock, names[index].entity) == (name, clock, "")
        )
    return whole


def test_rows_of_several_values_in_text_are_split_as_the_job_declares() -> None:
    job = JobConfig(name="ctr", pane=10.0, features=(
        Feature(name="tags", kind="categorical", separator=",", weight="|"),
        Feature(name="bids", kind="numeric", separator=";"),
    ))  # fmt: skip
    read = rows.decoder_of("json", ["tags", "bids"])

    def fail(where: str, error: Exception) -> None:
        raise error

    bridge = Bridge(job="ctr", topic="clicks", rows=64)
    reader = Blocks(bridge, job, "clicks/0", read, salt=b"s", offset=0, place=None, fault=fail)
    told = [{"tags": "a|0.5,b|1.5", "bids": "1;2.5"}, {"tags": None, "bids": ""}, {"tags": "a|1", "bids": "4;x"}]
    first = [Sample(i, T0 + i, json.dumps(row).encode()) for i, row in enumerate(told)]
    found = batches(reader.add([*first, Sample(3, T0 + 30.0, b"{}")]))
    sketches = {(s.entity, s.name, s.kind): summaries.decode(s) for batch in found for s in batch.sketches[:]}
    counts = sketches["feature:tags", "profile", "counts"]
    assert (counts.rows, counts.missing) == (3, 1)  # type: ignore[attr-defined]
    assert sketches["feature:tags", "profile", "heavy"].total == 3  # type: ignore[attr-defined]
    assert sketches["feature:tags.weight", "profile", "moments"].mean() == 1.0  # type: ignore[attr-defined]
    bids = sketches["feature:bids", "profile", "moments"]
    assert (bids.count, bids.high) == (3, 4.0)  # type: ignore[attr-defined]
    assert sketches["feature:bids", "profile", "counts"].invalid == 1  # type: ignore[attr-defined]

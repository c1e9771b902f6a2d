"""Records as lines: names and times come back, an older form never follows a newer one, whatever crashes."""

from __future__ import annotations

import itertools
import math
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.pipelines.adapters.influx.lines import (
    body,
    key,
    name_of,
    nanoseconds,
    of_body,
    seconds,
    stored_name,
)
from streamgauge.pipelines.adapters.influx.rows import _ROWS, Rows
from streamgauge.pipelines.adapters.influx.schema import BODY_PIECE, BODY_PIECES, TABLES
from streamgauge.pipelines.ports import Stored
from streamgauge.pipelines.wire.outputs import Change, Counters, DeadLetter
from tests.pipelines.adapters.sqlite.records import anomaly, columns, score
from tests.pipelines.adapters.sqlite.test_store import EVERYTHING, profiles

T = 1_360_000_800.0
_KINDS = {"float": r"-?\d.*\d", "integer": r"-?\d+i", "string": '".*"', "boolean": "true|false"}
_LINE = re.compile(r'((?:[^ \\]|\\.)+) ((?:[^ "]|"(?:[^"\\]|\\.)*")+) (-?\d+)')


def told(line: str) -> tuple[str, dict[str, str], dict[str, str], int]:
    """Table, tags, fields and time of a line, as text."""
    match = _LINE.fullmatch(line)
    assert match, line
    table, *tags = re.split(r"(?<!\\),", match[1])
    fields = re.findall(r'([a-z_0-9]+)=("(?:[^"\\]|\\.)*"|[^,]*)', match[2])
    split = (re.split(r"(?<!\\)=", tag) for tag in tags)
    return table, dict(split), dict(fields), int(match[3])


def rows_of(*records: Stored) -> list[tuple[str, dict[str, str], dict[str, str], int]]:
    return [told(line) for line in Rows().lines(records, T)]


def test_every_kind_of_record_has_its_tables_and_no_other_tags_or_fields() -> None:
    seen = set()
    for table, tags, fields, _ in rows_of(*EVERYTHING):
        assert list(tags) == list(TABLES[table].tags), table
        for name, text in fields.items():
            assert re.fullmatch(_KINDS[TABLES[table].fields[name].kind], text), (table, name, text)
        seen.add(table)
    assert seen == set(TABLES)
    assert {type(record) for record in EVERYTHING} == set(_ROWS)
    assert all(not table.tags.keys() & table.fields.keys() for table in TABLES.values())


@given(st.floats(-1e6, 4e9))
def test_a_time_comes_back_to_within_a_nanosecond_and_in_this_century_to_the_bit(time: float) -> None:
    back = seconds(nanoseconds(time))
    assert abs(back - time) <= 1e-9
    assert back == time or abs(time) < 1e7


@pytest.mark.parametrize("time", [math.nan, math.inf, -math.inf, 1e10, -1e300])
def test_a_time_that_the_store_cannot_say_is_refused(time: float) -> None:
    with pytest.raises(ValueError, match="from 1678 to 2261"):
        Rows().lines([Change(job="a", name="x", time=time)], T)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_any_name_is_one_tag_of_one_line_and_comes_back(name: str) -> None:
    line = f"{key('metric', {'job': name, 'worker': 'w'})} value=1 1"
    assert "\n" not in line
    assert name_of(stored_name(name)) == name
    assert stored_name(name) not in ("", "-") or not name
    assert told(line)[1]["worker"] == "w"


def test_what_is_no_text_or_no_number_stops_no_line() -> None:
    [(_, _, fields, _)] = rows_of(anomaly(T, number=1, text='tabs\tand\nbreaks, "quotes" \\'))
    assert fields["text"] == '"tabs and breaks, \\"quotes\\" \\\\"'
    rows = rows_of(columns(T, [math.nan, math.inf], low=[math.nan, 1.0], rows=[-0.0, 5e-324]))
    assert [fields.get("value") for table, _, fields, _ in rows if table == "metric"] == [None, None]
    assert [fields["known"] for table, _, fields, _ in rows if table == "metric"] == ["false", "false"]
    assert [fields["band"] for table, _, fields, _ in rows if table == "metric"] == ["0i", "2i"]


def test_a_long_body_is_cut_into_fields_and_comes_back_and_a_longer_one_is_refused() -> None:
    import random

    noise = random.Random(1).randbytes(BODY_PIECE)
    letter = DeadLetter(identity="i", reason="type", text="", topic="t", key="k", data=noise)
    fields = body(letter)
    assert list(fields) == ["bodies", "body", "body_1"]
    assert of_body(fields, msgspec.msgpack.Decoder(DeadLetter)) == letter
    with pytest.raises(ValueError, match="a deadletter has"):
        body(msgspec.structs.replace(letter, data=noise * BODY_PIECES))


def test_two_changes_of_one_moment_are_two_rows_and_a_repeat_is_the_same() -> None:
    lines = Rows().lines([Change(job="a", name="ack", time=T, text=text) for text in ("one", "two", "one")], T)
    assert len(set(lines)) == 2
    times = [told(line)[3] for line in lines]
    assert times[0] == times[2] != times[1]
    assert all(0 <= time - nanoseconds(T) < 1_000_000 for time in times)


def test_parts_that_a_revision_lost_become_0() -> None:
    rows = Rows()
    before = rows.lines([score(T, 80)], T)
    after = rows.lines([msgspec.structs.replace(score(T, 100), parts=(), revision=1)], T)
    lost = [told(line) for line in after if line.startswith("breakdown")]
    assert [(tags["metric"], fields["micropoints"], fields["revision"]) for _, tags, fields, _ in lost] == [
        ("missing_rate", "0i", "1i")
    ]
    assert {told(line)[3] for line in before} == {told(line)[3] for line in after}


def final(batches: list[list[str]]) -> dict[tuple[str, str], str]:
    """What a store holds in the end that keeps the last row of each identity."""
    kept: dict[tuple[str, str], str] = {}
    for line in itertools.chain(*batches):
        match = _LINE.fullmatch(line)
        assert match
        kept[match[1], match[3]] = match[2]
    return kept


@given(st.data())
def test_the_newest_form_wins_whenever_writer_and_engine_crash(data: st.DataObject) -> None:
    """An engine that crashes emits again from an earlier point; a writer reads again from what it committed."""
    stream: list[Stored] = []
    for window in range(6):
        stream += [columns(T + 60 * window, [window, 1.0]), score(T + 60 * window, 90)]
        for revision in range(1, 3):
            if window >= revision and data.draw(st.booleans()):
                end = T + 60 * (window - revision)
                stream.append(columns(end, [window + revision / 10, math.nan], revision=revision))
                stream.append(score(end, 80, revision=revision))
        stream += [anomaly(T, number=window + 1, text=str(window)), profiles(T + 60 * (window // 2), window % 2)]
        stream.append(Counters(job="ctr", number=window, time=T + 60 * window, counts={"records": window}))
    straight = final([Rows().lines(stream, T)])
    log, at = [], 0
    for _ in range(data.draw(st.integers(0, 3))):  # the engine dies and goes on from an earlier snapshot
        crash = data.draw(st.integers(at, len(stream)))
        log += stream[at:crash]
        at = data.draw(st.integers(0, crash))
    log += stream[at:]
    sent, offset = [], 0
    for _ in range(data.draw(st.integers(0, 3))):  # the writer dies after some lines, of which it committed fewer
        crash = data.draw(st.integers(offset, len(log)))
        sent.append(Rows().lines(log[offset:crash], T))
        offset = data.draw(st.integers(offset, crash))
    sent.append(Rows().lines(log[offset:], T))
    assert final(sent) == straight


def test_within_a_process_an_older_form_is_not_even_sent() -> None:
    rows = Rows()
    assert rows.lines([columns(T, [2.0, 2.0], revision=2), score(T, 60, revision=1), anomaly(T, number=5)], T)
    assert rows.lines([columns(T, [1.0, 1.0], revision=1), score(T, 90), anomaly(T, number=4)], T) == []


def test_dead_letters_have_distinct_times_of_arrival() -> None:
    letters = [DeadLetter(identity=str(i), reason="r", text="", topic="t", key="", data=b"") for i in range(3)]
    times = [told(line)[3] for line in Rows().lines(letters, T)]
    assert times == sorted(set(times))

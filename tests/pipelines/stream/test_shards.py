"""A job in shards: what shards ship, what the combiner makes of it."""

from __future__ import annotations

from random import Random

import pytest

from streamgauge.pipelines.config.schema import JobConfig, WindowSpec
from streamgauge.pipelines.stream import pieces
from streamgauge.pipelines.stream.operators import Operator
from streamgauge.pipelines.stream.pieces import Piece
from streamgauge.pipelines.stream.shards import KINDS, Combiner
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.outputs import Change, DeadLetter
from streamgauge.tracer.codec import encode
from streamgauge.tracer.records import Event, Feedback, Open, Setting, shard_of
from tests.pipelines.stream.logs import (
    PANE,
    T0,
    Echo,
    batch,
    canonical,
    combine,
    config_of,
    records,
    reports,
    script,
    shard_outputs,
    tick,
)

CONFIG = JobConfig(
    name="j", pane=PANE, tick=PANE, shards=2, windows=(WindowSpec(name="s", kind="short", length=30, slide=30),)
)
NAME = {shard_of(f"w{i}", 2): f"w{i}" for i in range(9)}  # one worker of each shard


def ship(shard: int, messages: list[bytes]) -> list[bytes]:
    sent = Operator(CONFIG, None, shard).on_records(messages)
    return [output.value for output in sent if output.topic == "partials"]


def opened(shard: int) -> bytes:
    return encode(Open(job="j", shard=shard, shards=2, start=T0))


def ticks(shard: int, until: int) -> list[bytes]:
    return [tick(T0 + k * PANE, shard) for k in range(1, until)]


def test_an_empty_shard_reports_every_window_and_closes_go_on() -> None:
    worker = NAME[1]
    busy = [opened(1)]
    for k in range(9):
        busy += [batch(worker, k + 1, T0 + k * PANE, [(0, 1.0)], shards=2), tick(T0 + (k + 1) * PANE, 1)]
    sent = combine(CONFIG, [ship(0, [opened(0), *ticks(0, 10)]), ship(1, busy)], Random(1))
    closed = reports(sent)
    assert [report.end - T0 for report in closed] == [30.0, 60.0, 90.0]
    assert [[partial.worker for partial in report.partials] for report in closed] == [[worker]] * 3


def test_nothing_closes_before_all_shards_have_reported() -> None:
    combiner = Combiner(CONFIG, Echo())
    first, second = ship(0, [opened(0), *ticks(0, 10)]), ship(1, [opened(1), *ticks(1, 7)])
    assert reports(combiner.on_records(first)) == []
    assert [report.end - T0 for report in reports(combiner.on_records(second))] == [30.0, 60.0]


def test_a_revision_of_one_shard_keeps_the_other_shards_share() -> None:
    logs = []
    for shard in (0, 1):
        log, worker = [opened(shard)], NAME[shard]
        for k in range(9):
            log += [batch(worker, k + 1, T0 + k * PANE, [(0, 1.0)], shards=2), tick(T0 + (k + 1) * PANE, shard)]
        logs.append(log)
    joiner = next(name for name in (f"v{i}" for i in range(20)) if shard_of(name, 2) == 0)
    logs[0].insert(13, batch(joiner, 1, T0 + 50, [(0, 9.0)], shards=2, watermark=T0 + 50))
    logs[0].insert(16, batch(joiner, 2, T0 + 60, [(0, 5.0)], shards=2, watermark=T0 + 200))
    sent = combine(CONFIG, [ship(0, logs[0]), ship(1, logs[1])], Random(2))
    revised = [report for report in reports(sent) if report.revision]
    assert [(report.end - T0, report.revision) for report in revised] == [(60.0, 1)]
    assert {partial.worker for partial in revised[0].partials} == {NAME[0], NAME[1], joiner}


def test_settings_feedback_and_events_pass_once_and_have_their_place() -> None:
    setting = encode(Setting(job="j", name="thresholds", revision=1, effective=T0, body=b"{}"))
    feedback = encode(Feedback(job="j", notification="n", verdict="expected"))
    event = encode(Event(job="j", name="pushed", time=T0))
    logs = [[opened(shard), *ticks(shard, 5), setting, feedback, *ticks(shard, 10)[4:]] for shard in (0, 1)]
    logs[0].append(event)
    shipped = [ship(shard, log) for shard, log in enumerate(logs)]
    sent = [combine(CONFIG, shipped, Random(seed)) for seed in range(40)]
    assert [change.name for change in records(sent[0], Change)].count("pushed") == 1
    assert len({tuple(canonical(one)) for one in sent}) == 1, "stage 2 is told everything in the same order"


def test_what_is_no_partial_becomes_a_dead_letter() -> None:
    combiner = Combiner(CONFIG, Echo())
    sent = combiner.on_records([b"nonsense", outputs.encode(Change(job="j", name="x", time=0.0))])
    letters = records(sent, DeadLetter)
    assert [letter.topic for letter in letters] == ["partials", "partials"]


@pytest.mark.parametrize("seed", range(40))
def test_reports_in_pieces_say_the_same_in_any_order_between_shards(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = script(Random(seed), config_of(Random(seed), shards=3))
    whole = combine(plan.config, shard_outputs(plan, Random(seed)), Random(seed))
    monkeypatch.setattr(pieces, "MOST", 150)
    shipped = shard_outputs(plan, Random(seed))
    assert all(len(data) < 300 for data in pieces_of(shipped)) and len(pieces_of(shipped)) > 3
    assert canonical(combine(plan.config, shipped, Random(seed + 1))) == canonical(whole)


@pytest.mark.parametrize("seed", range(40))
def test_a_shard_that_crashes_between_pieces_sends_them_again(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "MOST", 150)
    chance, combiner, sent = Random(seed), Combiner(CONFIG, Echo()), []
    busy = [opened(1)]
    for k in range(9):
        busy += [batch(NAME[1], k + 1, T0 + k * PANE, [(0, 1.0)], shards=2), tick(T0 + (k + 1) * PANE, 1)]
    shipped = [ship(0, [opened(0), *ticks(0, 10)]), ship(1, busy)]
    expected = combine(CONFIG, shipped, Random(0))
    at = [0, 0]
    while any(at[i] < len(shipped[i]) for i in range(2)):
        i = chance.randrange(2)
        if at[i] < len(shipped[i]):
            sent += combiner.on_records([shipped[i][at[i]]])
            at[i] = chance.randint(max(0, at[i] - 4), at[i]) if chance.random() < 0.2 else at[i] + 1
        if chance.random() < 0.2:
            state, combiner = combiner.snapshot(), Combiner(CONFIG, Echo())
            combiner.restore(state)
    assert canonical(sent) == canonical(expected)
    assert len(reports(sent)) == 3


def pieces_of(shipped: list[list[bytes]]) -> list[bytes]:
    return [data for messages in shipped for data in messages if isinstance(outputs.decode(data, KINDS), Piece)]

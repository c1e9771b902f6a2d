"""Samples seen by one worker and labelled by another are joined behind them, and nobody calls their labels overdue."""

from __future__ import annotations

import numpy as np
import pytest

from streamgauge.pipelines.config.schema import HOUR, JobConfig
from streamgauge.pipelines.stream import joining
from streamgauge.pipelines.stream.operators import Operator
from streamgauge.pipelines.stream.shards import Combiner
from streamgauge.pipelines.stream.stage2 import Stage2
from streamgauge.pipelines.wire.outputs import Output
from streamgauge.tracer import codec
from streamgauge.tracer.labels import Labels
from streamgauge.tracer.records import Open, shard_of
from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import MemoryLog
from tests.pipelines.stream import apart
from tests.pipelines.stream.apart import Values, config, play, told

DECLARED = Labels(horizon=HOUR, timeout=2 * HOUR, margin=HOUR / 2, across=1, hold=300.0)
OF_TIME = ("label_overdue", "label_coverage@H", "label_expired", "label_delay_p50", "label_rate@H")
AS_TRAINED = ("auc", "pcoc", "normalized_entropy")
OF_PAIRS = ("auc@H", "pcoc@H", "normalized_entropy@H", "ece@H")


def judged(across: int, *, apart: bool, labelled: float = 1.0, weighed: bool = False, **changes: object) -> Values:
    job = config(across, **changes)
    records = play(job, 4.0, apart=apart, labelled=labelled, weighed=weighed)
    return told(Operator(job, Stage2(job)).on_records, records)[0]


def of(values: Values, metric: str) -> np.ndarray:
    ordered = sorted(values.items(), key=lambda item: item[0][1])
    return np.array([value for (name, _), value in ordered if name == metric])


def test_without_a_join_across_workers_every_label_is_overdue() -> None:
    values = judged(0, apart=True)
    assert of(values, "label_overdue")[-1] == 1.0
    assert "auc@H" not in {name for name, _ in values}


def test_joined_on_every_id_two_workers_say_what_one_would() -> None:
    one, two = judged(0, apart=False, labelled=0.9), judged(1, apart=True, labelled=0.9)
    for metric in (*OF_TIME, *OF_PAIRS):
        expected, found = of(one, metric), of(two, metric)
        assert np.isfinite(expected).any(), metric
        np.testing.assert_allclose(found, expected, rtol=1e-9, err_msg=metric)


def test_weights_travel_with_the_rows_that_are_joined() -> None:
    one = judged(0, apart=False, labelled=0.9, weighed=True)
    two = judged(1, apart=True, labelled=0.9, weighed=True)
    plain = judged(1, apart=True, labelled=0.9)
    for metric in (*AS_TRAINED, *OF_PAIRS):
        expected, found = of(one, metric), of(two, metric)
        assert np.isfinite(expected).any(), metric
        np.testing.assert_allclose(found, expected, rtol=1e-9, err_msg=metric)
        assert not np.allclose(found[-6:], of(plain, metric)[-6:], rtol=1e-4), metric


def test_joined_on_one_id_in_four_the_sample_is_unbiased_and_the_page_says_that_it_is_one() -> None:
    job = config(4)
    values, changes = told(Operator(job, Stage2(job)).on_records, play(job, 4.0, apart=True, labelled=0.9))
    assert [change.text.split(":")[0] for change in changes if change.name == "joined"] == [
        "labels are joined across workers on one id in 4"
    ]
    assert of(values, "label_coverage@H").mean() == pytest.approx(0.9, abs=0.02)
    assert of(values, "pcoc@H")[-6:].mean() == pytest.approx(1.0, abs=0.1)


def test_beyond_its_room_the_join_goes_on_with_fewer_ids_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "CAPACITY", 9_000)  # of 36,000 ids that are open at a time
    job = config(1)
    values, changes = told(Operator(job, Stage2(job)).on_records, play(job, 4.0, apart=True, labelled=0.9))
    assert [change.text.split(":")[0].split()[-1] for change in changes if change.name == "joined"] == ["1", "2", "4"]
    assert of(values, "label_coverage@H").mean() == pytest.approx(0.9, abs=0.02)
    assert of(values, "label_overdue").max() < 0.2


def test_shards_batches_and_restarts_change_nothing_of_what_is_joined() -> None:
    job, sharded = config(2), config(2, shards=2)
    names = {shard_of(name, 2) for name in ("sees", "learns")}
    assert names == {0, 1}  # the two workers are of different shards
    whole, _ = told(Operator(job, Stage2(job)).on_records, play(job, 3.0, apart=True, weighed=True))
    parts, _ = told(lambda records: _in_shards(records, sharded), play(sharded, 3.0, apart=True, weighed=True))
    assert {key: value.hex() for key, value in parts.items()} == {key: value.hex() for key, value in whole.items()}


def test_a_label_that_comes_before_its_sample_is_held_for_the_declared_time() -> None:
    rows = 100
    ids = np.arange(rows)
    log = MemoryLog()
    now = [apart.T0]
    seen, known = (
        Tracer("ctr", name, log, clock=lambda: now[0], pane=60.0, labels=DECLARED, incarnation="a", usage=False)
        for name in ("sees", "learns")
    )
    for turn in range(120):
        now[0] = apart.T0 + 60.0 * turn + 1.0
        if turn == 8:
            known.label(ids, np.ones(rows))
        if turn == 12:  # in the next window, within the 300 seconds for which labels are held
            seen.observe({}, ids=ids, due=now[0], predictions=np.full(rows, 0.5))
        for tracer in (seen, known):
            tracer.step(rows=0)
            tracer.beat()
    job = config(1)
    records = [message.value for message in log.read("traces", 0, 100_000)]
    values, _ = told(Operator(job, Stage2(job)).on_records, [codec.encode(Open(job="ctr", start=apart.T0)), *records])
    coverage, overdue = of(values, "label_coverage@H"), of(values, "label_overdue")
    assert coverage[np.isfinite(coverage)].tolist() == [1.0]
    assert overdue[np.isfinite(overdue)].tolist() == [0.0]


def _in_shards(records: list[bytes], job: JobConfig) -> list[Output]:
    """Two shards and what makes one job of them, restored from its state over and over, in batches of odd sizes."""
    shards = [Operator(job, None, shard=i) for i in range(2)]
    combiner, sent = Combiner(job, Stage2(job)), []
    for at in range(0, len(records), 37):
        for i, shard in enumerate(shards):
            of_shard = [data for data in records[at : at + 37] if codec.peek(data).shard == i]
            if at == 0 and i:
                of_shard.insert(0, codec.encode(Open(job="ctr", start=apart.T0, shard=i, shards=2)))
            sent += combiner.on_records([one.value for one in shard.on_records(of_shard) if one.topic == "partials"])
        if at % 5 == 0:
            state, combiner = combiner.snapshot(), Combiner(job, Stage2(job))
            combiner.restore(state)
            assert combiner.snapshot() == state
    return sent

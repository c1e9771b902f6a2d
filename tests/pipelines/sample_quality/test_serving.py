"""Serving and training told by two processes: what differs by feature, in scores, and how much of it met."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from streamgauge.anomaly.types import Anomaly
from streamgauge.pipelines.config.schema import HOUR
from streamgauge.pipelines.stream.operators import Operator
from streamgauge.pipelines.stream.stage2 import Stage2
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.outputs import Output, PointColumns
from streamgauge.tracer import codec
from streamgauge.tracer.evaluation import Evaluation, faults_of
from streamgauge.tracer.records import Open
from streamgauge.tracer.served import Serving
from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import MemoryLog
from tests.pipelines.stream.apart import T0, TURN, config
from tests.pipelines.stream.test_joining import _in_shards
from tests.tracer.streams import Sent

EVALUATION = Evaluation(serving=Serving(features=("age", "city", "tags"), horizon=600.0))
ROWS, TURNS = 80, 46


def play(*, shards: int = 1, trains: float = 1.0) -> list[bytes]:
    """The job's log: one process serves, three minutes later another trains on what it served.

    A tenth of the ages is 0 in training, from the 31st minute on; the city is the same, tags of one row in 40 are not.
    """
    random, now, log = np.random.default_rng(3), [T0], MemoryLog()
    trainer, server = (
        Tracer("ctr", name, log, clock=lambda: now[0], pane=TURN, incarnation="a", usage=False, shards=shards,
               evaluation=EVALUATION)
        for name in ("sees", "learns")
    )  # fmt: skip
    waiting = []
    for turn in range(TURNS):
        now[0] = T0 + turn * TURN + 1.0
        ids = np.arange(ROWS) + turn * 100_000
        rows = {
            "age": random.integers(1, 90, ROWS).astype(float), "city": random.choice(["oslo", "rome", None], ROWS),
            "tags": [["a", "b"] for _ in range(ROWS)],
        }  # fmt: skip
        p = random.random(ROWS)
        server.serve(rows, ids=ids, predictions=p)
        server.beat()
        waiting.append((ids, rows, p))
        if turn >= 3:
            ids, rows, p = waiting.pop(0)
            some = random.random(ROWS) < trains
            off = (random.random(ROWS) < 0.1) & (turn >= 31)
            seen = {
                "age": np.where(off, 0.0, rows["age"])[some], "city": rows["city"][some],
                "tags": [["b", "a"] if at % 40 == 0 else tags for at, tags in enumerate(rows["tags"]) if some[at]],
            }  # fmt: skip
            trainer.observe(seen, ids=ids[some])
            trainer.rescore(ids[some], np.where(off, 1.0 - p, p)[some])
        trainer.step(rows=0)
        trainer.beat()
    for tracer in (trainer, server):
        tracer.close()
    return [codec.encode(Open(job="ctr", start=T0, shards=shards)), *(m.value for m in log.read("traces", 0, 10**6))]


def told(found: list[Output]) -> tuple[dict[tuple[str, str], list[float]], list[Anomaly]]:
    """Values of the job by metric and entity in the order of the windows, and the anomalies."""
    values: dict[tuple[str, str], list[float]] = {}
    anomalies = []
    for output in (outputs.decode(one.value) for one in found if one.topic in ("scores", "anomalies")):
        if isinstance(output, Anomaly):
            anomalies.append(output)
        elif isinstance(output, PointColumns) and not output.revision:
            for key, value in zip(msgspec.msgpack.decode(output.keys), np.frombuffer(output.value), strict=True):
                if not key[0] and (key[3].endswith("inconsistency") or key[3] in ("inconsistency_rate", "join_share")):
                    values.setdefault((key[3], key[2]), []).append(float(value))
    return values, anomalies


def run(records: list[bytes], **changes: object) -> tuple[dict[tuple[str, str], list[float]], list[Anomaly]]:
    job = config(0, evaluation=EVALUATION, **changes)
    return told(Operator(job, Stage2(job)).on_records(records))


def test_what_training_gets_otherwise_is_told_by_feature_with_examples() -> None:
    values, anomalies = run(play())
    age, city, tags = (values["inconsistency_rate", f"feature:{name}"] for name in ("age", "city", "tags"))
    assert age[:3] == [0.0, 0.0, 0.0] and age[-1] == pytest.approx(0.1, abs=0.04)
    assert set(city) == {0.0}
    assert tags[1] == pytest.approx(1 / 40, abs=1e-3)  # an order of values
    assert values["score_inconsistency", ""][0] == 0.0
    assert values["score_inconsistency", ""][-1] == pytest.approx(0.1, abs=0.04)
    assert np.nanmin(values["join_share", ""]) == 1.0
    (text,) = (one.text for one in anomalies if (one.metric, one.entity) == ("inconsistency_rate", "feature:age"))
    assert "; served " in text and ", trained on 0" in text


def test_where_little_is_trained_on_nothing_is_said_of_it() -> None:
    values, anomalies = run(play(trains=0.3))
    assert values["join_share", ""][-1] == pytest.approx(0.3, abs=0.07)
    assert np.isnan(values["inconsistency_rate", "feature:age"][-2:]).all()
    assert not [one for one in anomalies if one.metric in ("inconsistency_rate", "score_inconsistency")]


def test_shards_batches_and_restarts_change_nothing() -> None:
    whole, _ = run(play())
    job = config(0, evaluation=EVALUATION, shards=2)
    parts, _ = told(_in_shards(play(shards=2), job))
    assert {key: [v.hex() for v in found] for key, found in whole.items()} == {
        key: [v.hex() for v in found] for key, found in parts.items()
    }


def test_more_ids_than_a_pane_aims_at_are_thinned_from_the_next_on_and_rows_without_an_id_are_counted() -> None:
    sent = Sent(evaluation=Evaluation(serving=Serving(features=("age",))), pane=10.0)
    for turn in range(3):
        sent.now = 10.0 * turn + 1.0
        sent.tracer.serve({"age": np.arange(3000.0)}, ids=np.arange(3000) + 5000 * turn)
    sent.tracer.serve({"age": [1.0, 2.0]}, ids=[None, "x"])
    sent.tracer.serve({"age": [1.0, 2.0]}, ids=None)  # type: ignore[arg-type]
    found = [s for batch in sent.batches() for s in batch.sketches if s.name == "served"]
    assert [len(s.columns[1]) // 8 > 2900 for s in found[:1]] == [True]
    assert len(found[-1].columns[1]) // 8 < 600
    assert sent.total("sample", "missing_served_ids") == 1


def test_what_cannot_be_is_a_fault() -> None:
    bad = Serving(features=tuple("abcdefghijklmnopq"), modulus=3, horizon=HOUR * 24 * 8, relative_tolerance=1.0)
    assert [text.partition(":")[0] for text in faults_of(Evaluation(serving=bad))] == [
        "serving.features", "serving.modulus", "serving.horizon", "serving.relative_tolerance",
    ]  # fmt: skip

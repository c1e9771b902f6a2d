"""What the tracer promises a training job and the pipelines behind it."""

from __future__ import annotations

import logging
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamgauge.tracer import arrays, codec, control, panes
from streamgauge.tracer.profiles import Feature
from streamgauge.tracer.records import Name, TraceBatch
from streamgauge.tracer.selection import Select
from streamgauge.tracer.summaries import decode, hash_values
from streamgauge.tracer.tracer import Labels, Tensor, Tracer
from streamgauge.tracer.transport import LogError, MemoryLog, Message

LABELS = Labels(margin=20.0, horizon=30.0, timeout=40.0)


class Stream:
    """One tracer in stream time, and what it sent."""

    def __init__(self, **options: Any) -> None:
        self.now = 0.0
        self.log = MemoryLog()
        merged = {"clock": lambda: self.now, "incarnation": "a", "usage": False, "labels": LABELS, **options}
        self.tracer = Tracer("ctr", "w", self.log, **merged)

    def at(self, now: float) -> Tracer:
        self.now = now
        return self.tracer

    def batches(self) -> list[TraceBatch]:
        return _batches(self.log)

    def totals(self) -> dict[Name, float]:
        found: dict[Name, float] = {}
        for batch in self.batches():
            for name, value in _points(batch):
                found[name] = found.get(name, 0.0) + value
        return found

    def total(self, clock: str, name: str, entity: str = "") -> float:
        return self.totals().get(Name(clock, name, entity), 0.0)  # type: ignore[arg-type]


class Bus:
    """A bus that can be slow, dead or picky."""

    def __init__(self) -> None:
        self.log = MemoryLog()
        self.delay = 0.0
        self.error: Exception | None = None
        self.largest = 10**9

    def send(self, messages: Sequence[tuple[str, str, bytes]]) -> None:
        self._suffer()
        if any(len(value) > self.largest for _, _, value in messages):
            raise LogError("message too large", retryable=False)
        self.log.send(messages)

    def read(self, topic: str, offset: int, limit: int) -> list[Message]:
        return self.log.read(topic, offset, limit)

    def latest(self, topic: str) -> Mapping[str, bytes]:
        self._suffer()
        return self.log.latest(topic)

    def close(self) -> None: ...

    def _suffer(self) -> None:
        time.sleep(self.delay)
        if self.error is not None:
            raise self.error


def _batches(log: MemoryLog) -> list[TraceBatch]:
    decoded = [codec.decode(message.value) for message in log.read("traces", 0, 100_000)]
    return [batch for batch in decoded if isinstance(batch, TraceBatch)]


def _points(batch: TraceBatch) -> Iterator[tuple[Name, float]]:
    names, columns = codec.decode_names(batch.names), codec.points(batch)
    yield from zip([names[i] for i in columns.index], columns.value.tolist(), strict=True)


def _sketches(batches: Sequence[TraceBatch]) -> dict[tuple[str, str, str, str], Any]:
    return {(s.clock, s.name, s.entity, s.kind): decode(s) for batch in batches for s in batch.sketches}


# The join, end to end


def test_a_sample_is_seen_labelled_and_trained_once_a_clock() -> None:
    job = Stream(features=[Feature(name="age", kind="numeric"), Feature(name="city", kind="categorical")])
    job.at(1.0).observe(
        {"age": [30.0, None], "city": ["a", "b"]}, ids=["x", "y"], time=-1.0, due=5.0, predictions=[0.9, 0.2]
    )
    job.at(3.0).label(["x"], [1])
    job.at(4.0).step(0.5, ids=["x"])
    job.at(10.0).idle()
    job.tracer.beat()
    (batch,) = job.batches()
    assert [job.total(c, n) for c, n in [("sample", "rows"), ("label", "labels"), ("train", "rows")]] == [2, 1, 1]
    assert [job.total("wall", n) for n in ("rows_seen", "rows_trained")] == [2, 1]
    sketches = _sketches([batch])
    pairs = sketches["train", "labels", "", "label_buckets"]
    assert (pairs.rows, pairs.positive_rows, float(pairs.sum_p.sum())) == (1, 1, 0.9)
    assert sketches["label", "label_delay", "label:positive", "histogram"].quantile(0.5) == pytest.approx(4.0, rel=0.02)
    assert sketches["train", "train_delay", "", "histogram"].quantile(0.5) == pytest.approx(5.0, rel=0.02)
    assert sketches["train", "queue_delay", "", "histogram"].quantile(0.5) == pytest.approx(3.0, rel=0.02)
    assert sketches["train", "bins", "feature:city", "bins"].rows == 1
    assert sketches["train", "sample_id", "", "ids"].rows() == 1
    assert sketches["sample", "profile", "feature:age", "counts"].missing == 1
    assert sketches["sample", "prediction", "", "buckets"].rows == 2


def test_deadlines_are_told_in_the_pane_that_holds_them() -> None:
    job = Stream()
    job.at(1.0).observe({}, ids=[1, 2], time=1.0, due=5.0)
    job.at(2.0).label([1], [0])
    for now in range(10, 100, 10):
        job.at(float(now)).idle()
        job.tracer.beat()
    told = {
        (batch.pane, name.name): value
        for batch in job.batches()
        for name, value in _points(batch)
        if name.name in ("due", "overdue", "cohort_rows", "cohort_labelled", "expired", "settled")
    }
    assert told == {
        (0.0, "settled"): 1, (20.0, "due"): 2, (20.0, "overdue"): 1, (30.0, "cohort_rows"): 2,
        (30.0, "cohort_labelled"): 1, (40.0, "expired"): 1, (40.0, "settled"): 1,
    }  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 20), st.floats(0, 30), st.one_of(st.none(), st.floats(0, 60))), max_size=20))
@settings(max_examples=50)
def test_what_settles_is_what_was_labelled_or_expired(samples: list[tuple[int, float, float | None]]) -> None:
    job = Stream()
    events = [(seen, 0, key) for key, seen, _ in samples]
    events += [(seen + after, 1, key) for key, seen, after in samples if after is not None]
    for now, kind, key in sorted(events):
        if kind:
            job.at(now).label([key], [key % 2])
        else:
            job.at(now).observe({}, ids=[key], time=now, due=now)
    job.at(1000.0).idle()
    job.tracer.flush()
    rows = job.total("sample", "rows") - job.total("sample", "repeats")
    assert job.total("label", "settled") == rows
    assert rows - job.total("label", "expired") <= job.total("label", "labels")
    assert job.total("label", "due") == rows >= job.total("label", "overdue")


def test_a_restarted_worker_goes_on_waiting_for_the_same_labels() -> None:
    first = Stream()
    first.at(1.0).observe({"age": [1.0]}, ids=["x"], time=0.0, predictions=[0.7])
    again = Stream()
    again.tracer.restore(first.tracer.state())
    again.at(6.0).label(["x"], [1])
    again.tracer.step(ids=["x"])
    again.tracer.flush()
    assert again.total("label", "settled") == 1
    assert _sketches(again.batches())["train", "labels", "", "label_buckets"].rows == 1
    assert _sketches(again.batches())["train", "bins", "feature:age", "bins"].rows == 1


def test_a_loop_without_a_join_counts_on_all_three_clocks() -> None:
    job = Stream()
    job.at(5.0).step(0.4, labels=[1, 0], predictions=[0.8, 0.3], features={"age": [1.0, 2.0]}, time=2.0)
    job.tracer.flush()
    counted = [("sample", "rows"), ("label", "labels"), ("label", "positives"), ("train", "rows")]
    assert [job.total(*name) for name in counted] == [2, 2, 1, 2]
    sketches = _sketches(job.batches())
    assert sketches["train", "labels", "", "label_buckets"].rows == 2
    assert sketches["train", "bins", "feature:age", "bins"].rows == 2
    assert sketches["label", "label_delay", "", "histogram"].total == 2


def test_a_sample_delivered_twice_shows_in_volume_and_ids_not_in_labels() -> None:
    job = Stream()
    for _ in range(2):
        job.at(1.0).observe({}, ids=["x"], predictions=[0.5])
    for _ in range(2):
        job.at(2.0).label(["x"], [1])
    job.at(3.0).step(ids=["x", "x"])
    job.tracer.flush()
    assert [job.total("sample", "rows"), job.total("sample", "repeats"), job.total("label", "labels")] == [2, 1, 1]
    ids = _sketches(job.batches())["train", "sample_id", "", "ids"]
    assert (ids.rows(), ids.distinct()) == (2, 1)


# Panes, watermarks, sequences


CALLS = st.sampled_from(["observe", "step", "idle", "beat", "flush"])


@given(st.lists(st.tuples(st.floats(0, 300), CALLS), max_size=40))
@settings(max_examples=100)
def test_records_never_span_a_pane_and_the_watermark_keeps_its_promise(calls: list[tuple[float, str]]) -> None:
    job = Stream()
    moved = 0.0
    for now, call in sorted(calls):
        tracer = job.at(now)
        if call == "observe":
            tracer.observe({"age": [now]})
        elif call == "step":
            tracer.step(0.1, rows=1)
        elif call == "idle":
            tracer.idle()
        elif call == "beat":
            tracer.beat()
        else:
            tracer.flush()
        moved = now // 10 * 10 if call in ("step", "idle") else moved
    job.tracer.close()
    watermark = -math.inf
    batches = job.batches()
    for sequence, batch in enumerate(batches, start=1):
        assert batch.sequence == sequence
        assert batch.pane >= watermark or not (len(batch.index) or batch.sketches)  # nothing older than promised
        assert batch.pane % 10 == 0
        assert batch.watermark >= watermark
        watermark = batch.watermark
    assert watermark == moved  # steps and idleness move it, nothing else, and it is told
    assert batches[-1].final
    assert not any(batch.final for batch in batches[:-1])
    assert job.total("train", "steps") == sum(call == "step" for _, call in calls)
    assert job.total("sample", "rows") == sum(call == "observe" for _, call in calls)
    assert batches[-1].captured == sum(len(batch.index) // 2 for batch in batches)


def test_a_clock_that_steps_back_stops_nothing() -> None:
    job = Stream()
    job.at(100.0).step(0.1, rows=1)
    job.at(20.0).step(0.2, rows=1)
    job.at(130.0).step(0.3, rows=1)
    job.tracer.flush()
    assert job.total("train", "rows") == 3
    watermarks = [batch.watermark for batch in job.batches()]
    assert watermarks == sorted(watermarks)


def test_an_empty_record_proves_life_each_interval_and_moves_no_watermark() -> None:
    job = Stream(interval=5.0)
    job.at(1.0).idle()
    for now in np.arange(2.5, 41.0, 2.5):
        job.at(float(now)).beat()
    assert len(job.batches()) == 8
    assert {batch.watermark for batch in job.batches()} == {0.0}


def test_records_are_cut_below_4096_points_and_512_kb() -> None:
    job = Stream(modulus=1)
    for k in range(6000):
        job.at(1.0).scalar(f"s{k % 40}", float(k))
    job.tracer.observe({f"c{k}": np.arange(5000) * (k + 1) for k in range(8)}, ids=np.arange(5000), predictions=None)
    job.tracer.label(np.arange(5000), np.zeros(5000))
    for k in range(40):
        job.tracer.step(0.1, ids=np.arange(5000) + 5000 * k, labels=np.arange(5000) % 2)
    job.tracer.flush()
    messages = job.log.read("traces", 0, 1000)
    assert len(messages) > 3
    assert max(len(message.value) for message in messages) < 512 * 1024
    assert max(len(batch.index) // 2 for batch in job.batches()) <= 4096
    ids = [s for batch in job.batches() for s in batch.sketches if s.name == "sample_id"]
    assert sum(decode(s).rows() for s in ids) == 200_000  # type: ignore[attr-defined]


def test_what_the_intake_drops_is_a_gap_and_counted() -> None:
    job = Stream(limit=40_000)
    job.at(1.0).observe({"age": np.zeros(100)})
    for _ in range(3):
        job.tracer.observe({"age": np.zeros(10_000)})  # larger than the buffer
    job.tracer.step(0.1, rows=1)
    job.at(10.0).idle()
    job.tracer.flush()
    batches = job.batches()
    assert batches[0].sequence == 4
    assert job.total("wall", "dropped") == 3
    received = sum(len(batch.index) // 2 for batch in batches)
    assert batches[-1].captured == received + 3


def test_what_was_dropped_before_a_plan_said_off_is_not_told_again_after_it() -> None:
    job = Stream(limit=40_000)
    job.at(1.0).observe({"age": np.zeros(100)})
    job.tracer.observe({"age": np.zeros(10_000)})  # larger than the buffer
    job.tracer.flush()
    job.log.send([("control", "ctr/kill", control.plan("ctr", "kill", 1, issued=1.0, off=True, expires=5.0))])
    for now in (2.0, 3.0, 20.0, 21.0, 31.0):
        job.at(now).step(0.1, rows=1)
        job.tracer.beat()
    first, second = ([one for one in job.batches() if one.incarnation == name] for name in ("a", "a+1"))
    assert (first[0].sequence, second[0].sequence) == (2, 1)
    assert second[-1].captured == sum(len(batch.index) // 2 for batch in second)
    assert job.total("wall", "dropped") == 1


def test_a_step_carries_the_plans_and_the_range_of_steps() -> None:
    job = Stream()
    for _ in range(3):
        job.at(1.0).step(0.1, rows=1)
    job.tracer.flush()
    assert [(batch.step_first, batch.step_last) for batch in job.batches()] == [(1, 3)]


@given(st.integers(1, 5), st.lists(st.floats(0, 90), min_size=1, max_size=15))
@settings(max_examples=50)
def test_how_often_the_tracer_is_beaten_changes_no_total(beats: int, times: list[float]) -> None:
    told = []
    for every in (beats, 10**9):
        job = Stream()
        for k, now in enumerate(sorted(times)):
            job.at(now).observe({"age": [now]}, ids=[k], time=now, due=now, predictions=[0.5])
            job.tracer.step(now, ids=[k], labels=[k % 2])
            if k % every == 0:
                job.tracer.beat()
        job.at(500.0).idle()
        job.tracer.flush()
        told.append({name: total for name, total in job.totals().items() if name.name != "last_label"})
    assert told[0] == told[1]


# Hard facts and tensors


def test_a_non_finite_loss_is_told_at_once_and_once_a_pane() -> None:
    job = Stream()
    for now in (1.0, 2.0, 11.0):
        job.at(now).step(math.nan, rows=1)
        job.tracer.beat()
    hard = [(batch.pane, batch.hard) for batch in job.batches() if batch.hard]
    assert hard == [(0.0, (("nonfinite", "loss", 1.0),)), (10.0, (("nonfinite", "loss", 1.0),))]
    job.tracer.flush()
    assert job.total("train", "nonfinite", "loss") == 3
    assert job.total("train", "loss") == 0


def test_non_finite_predictions_and_gradients_are_facts_with_their_entity() -> None:
    job = Stream(select=[Select(collection="gradients", every=1), Select(collection="weights", every=1)])
    job.at(1.0).observe({}, predictions=[0.1, math.nan])
    gradient = np.array([1.0, math.inf, math.nan], np.float32)
    job.tracer.step(0.1, rows=1, tensors={"k": Tensor(weight=np.ones(3), gradient=gradient)})
    job.tracer.beat()
    facts = {fact for batch in job.batches() for fact in batch.hard}
    assert facts == {("nonfinite", "prediction", 1.0), ("nonfinite", "tensor:k", 2.0)}


def test_norms_are_exact_also_where_their_squares_overflow() -> None:
    job = Stream(select=[Select(collection=c, every=1) for c in ("gradients", "weights", "updates", "activations")])
    tensor = Tensor(
        weight=np.full(4, 2.0, np.float32), gradient=np.full(4, 1e30, np.float32), update=np.full(4, 1e-25, np.float32),
        positives=np.array([0, 3]), rows=5,
    )  # fmt: skip
    job.at(1.0).step(0.1, rows=8, tensors={"k": tensor})
    job.tracer.flush()
    assert job.total("train", "weight_norm", "tensor:k") == 4.0
    assert job.total("train", "gradient_norm", "tensor:k") == pytest.approx(2e30, rel=1e-6)
    assert job.total("train", "update_ratio", "tensor:k") == pytest.approx(5e-26, rel=1e-6)
    units = _sketches(job.batches())["train", "units", "tensor:k", "units"]
    assert (units.rows, units.positives.tolist(), units.dead()) == (5, [0, 3], 1)
    assert not any(batch.hard for batch in job.batches())


def test_tensors_are_traced_every_ten_steps_by_default() -> None:
    job = Stream()
    for _ in range(25):
        assert job.tracer.tensors.is_due == ((job.tracer._worker.step + 1) % 10 == 0)
        job.at(1.0).step(0.1, rows=1, tensors={"k": Tensor(weight=1.0, gradient=2.0, update=0.5)})
    job.tracer.flush()
    assert job.total("train", "gradient_norm", "tensor:k") == 4.0
    assert job.total("train", "update_ratio", "tensor:k") == 1.0


def test_raw_inputs_leave_the_process_as_numbers_or_salted_hashes() -> None:
    job = Stream(select=[Select(collection="inputs", every=1, emit="raw")], salt="s", features={"user": "id"})
    job.at(1.0).observe({"age": [1.0, 2.0], "user": [7, 8], "city": ["Rome", "Oslo"]})
    job.tracer.flush()
    messages = [message.value for message in job.log.read("tensors", 0, 10)]
    found = {arrays.decode(message).name: arrays.assemble([message]) for message in messages}
    assert found["age"].tolist() == [1.0, 2.0]
    assert found["user"].tolist() == hash_values(np.array([7, 8]), b"s").tolist()
    assert found["city"].tolist() == hash_values(np.array(["Rome", "Oslo"]), b"s").tolist()


# Nothing harms the job

GARBAGE: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.text(max_size=5), st.floats(), st.integers(), st.booleans(), st.binary(max_size=5),
    st.lists(st.one_of(st.floats(), st.text(max_size=3), st.none(), st.integers()), max_size=4),
    st.dictionaries(st.text(max_size=3), st.lists(st.floats(), max_size=3), max_size=2),
    st.sampled_from([object(), [[1], [2, 3]], np.zeros((2, 2)), {"k": "v"}, {"k": Tensor(weight="x")}, 1e308, 10**400]),
)  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(["observe", "label", "step", "scalar", "raw"]), *[GARBAGE] * 5), max_size=8))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_no_input_raises_into_the_job_or_spoils_the_records(calls: list[tuple[Any, ...]]) -> None:
    job = Stream()
    for call, a, b, c, d, e in calls:
        job.now += 3.0
        if call == "observe":
            job.tracer.observe(a, ids=b, time=c, due=d, predictions=e)
        elif call == "label":
            job.tracer.label(a, b)
        elif call == "step":
            job.tracer.step(a, ids=b, labels=c, predictions=d, tensors=e, weights=b, features=a, time=c)
        elif call == "scalar":
            job.tracer.scalar(a, b, c, d, e)
        else:
            job.tracer.tensors.raw(a, b, c)
    assert job.tracer.close()
    assert job.batches()[-1].final
    for batch in job.batches():
        list(_points(batch))
        for sketch in batch.sketches:
            decode(sketch)
    assert not {"fault_encode", "fault_status", "fault_control"} & job.tracer.counters.keys()


def test_the_good_parts_of_a_bad_step_count() -> None:
    job = Stream()
    job.at(1.0).step(0.5, rows=2, labels=[1], predictions=[0.1, 0.2, 0.3])
    job.at(11.0).step("much", rows=3, tensors={"k": 3}, ids=[[1], [2, 3]])  # type: ignore[dict-item]
    job.tracer.flush()
    assert (job.total("train", "rows"), job.total("train", "loss")) == (5, 0.5)
    refused = [name for name in job.tracer.counters if name.startswith("refused_")]
    assert refused == [f"refused_{name}" for name in (
        "argument:ids", "argument:labels", "argument:loss", "argument:predictions", "tensor:k"
    )]  # fmt: skip
    assert not any(name.startswith("fault_") for name in job.tracer.counters)
    assert job.batches()[-1].watermark == 10.0


def test_faults_are_logged_at_most_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    job = Stream()
    with caplog.at_level(logging.WARNING, "streamgauge.tracer"):
        for _ in range(10):
            job.tracer.label([1], [1, 2])
    assert len(caplog.records) == 1
    assert "2 labels for 1 ids" in caplog.records[0].message


def test_repeated_faults_trip_the_breaker_and_the_status_says_so() -> None:
    job = Stream()
    job.at(1.0).step(0.1, rows=1)
    job.tracer.beat()
    for _ in range(30):
        job.tracer.faults.count("adapter", RuntimeError("no such layer"))
    assert job.tracer.is_off
    job.at(5.0).step(0.1, rows=1)
    job.tracer.flush()
    assert job.total("train", "rows") == 1
    assert b'"state":"tripped"' in job.log.latest("status")["ctr/w"]
    told = [(fact[0], text) for batch in job.batches() for fact, text in zip(batch.hard, batch.texts, strict=True)]
    assert ("tripped", True) in [(fact, "no such layer" in text) for fact, text in told]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pane": 0.0}, "pane must be > 0"), ({"interval": -1.0}, "interval must be > 0"),
        ({"shards": 0}, "shards must be >= 1"), ({"modulus": 3}, "power of two"),
        ({"labels": Labels(scale="percent")}, "labels.scale must be one of binary"),  # type: ignore[arg-type]
        ({"predictions": "odds"}, "probability"), ({"time_unit": "min"}, "time_unit must be"),
    ],
)  # fmt: skip
def test_a_wrong_set_up_is_told_before_the_training_starts(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Tracer("ctr", "w", MemoryLog(), **options)


@pytest.mark.parametrize(("job", "worker", "named"), [("ctr", "", "worker"), ("", "w", "job")])
def test_a_job_or_worker_without_a_name_is_refused(job: str, worker: str, named: str) -> None:
    with pytest.raises(ValueError, match=f"{named} must be a name"):
        Tracer(job, worker, MemoryLog())


def test_switched_off_it_sends_nothing_and_costs_one_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACER", "off")
    log = MemoryLog()
    tracer = Tracer("ctr", "w", log)
    tracer.observe({"age": [1.0]})
    tracer.step(0.1, rows=1)
    assert tracer.is_off
    assert not tracer.tensors.is_due
    assert tracer.close()
    assert log.end("traces") == 0


# The bus: slow, dead, picky


def _pace(tracer: Tracer, steps: int) -> float:
    """99th percentile of the seconds that the tracer's calls take in a step."""
    x, taken = np.zeros(256), []
    for k in range(steps):
        begin = time.perf_counter()
        tracer.observe({"a": x, "b": x}, predictions=x)
        tracer.step(0.1, rows=256)
        taken.append(time.perf_counter() - begin)
        if k % 20 == 0:
            time.sleep(0.002)
    return float(np.percentile(taken, 99))


@pytest.mark.parametrize("failure", ["slow", "dead"])
def test_a_failing_bus_never_holds_up_a_step_and_drops_are_counted(failure: str) -> None:
    bus = Bus()
    if failure == "slow":
        bus.delay = 5.0
    else:
        bus.error = ConnectionError("no route")
    tracer = Tracer("ctr", "w", bus, pane=0.05, limit=100_000, usage=False)
    assert _pace(tracer, 1500) < 1.0  # where the slow bus takes five seconds
    assert sum(count for name, count in tracer.counters.items() if name.startswith("dropped")) > 0
    begin = time.perf_counter()
    assert not tracer.flush(0.1)
    tracer.close(0.3)
    assert time.perf_counter() - begin < 2.0


def test_after_recovery_everything_kept_is_sent_in_order() -> None:
    bus = Bus()
    bus.error = LogError("locked", retryable=True)
    tracer = Tracer("ctr", "w", bus, pane=0.05, usage=False)
    for _ in range(20):
        tracer.step(0.1, rows=1)
        time.sleep(0.01)
    assert not tracer.flush(0.1)
    bus.error = None
    assert tracer.flush(10.0)
    assert tracer.close()
    batches = _batches(bus.log)
    assert [batch.sequence for batch in batches] == list(range(1, len(batches) + 1))
    rows = sum(value for batch in batches for name, value in _points(batch) if name[:2] == ("train", "rows"))
    assert rows == 20


def test_a_message_that_the_bus_refuses_for_good_does_not_stop_the_others() -> None:
    job, bus = Stream(), Bus()
    tracer = Tracer("ctr", "w", bus, clock=lambda: job.now, incarnation="a", usage=False)
    bus.largest = 3000
    for now, values in ((1.0, 1), (11.0, 2000), (21.0, 1)):
        job.now = now
        tracer.observe({"age": np.arange(values, dtype=float)})
    job.now = 30.0
    tracer.idle()
    tracer.flush()
    bus.largest = 10**9
    assert tracer.close()
    assert [batch.sequence for batch in _batches(bus.log)] == [1, 3, 4]
    assert tracer.counters["fault_refused"] == 1


def test_the_threads_send_without_being_asked() -> None:
    log = MemoryLog()
    with_threads = Tracer("ctr", "w", log, pane=0.1, usage=True)
    deadline = time.monotonic() + 10.0
    while log.end("traces") < 3 and time.monotonic() < deadline:
        with_threads.step(0.1, rows=2)
        time.sleep(0.01)
    assert log.end("traces") >= 3
    assert with_threads.close()
    assert _batches(log)[-1].final
    names = {name.name for batch in _batches(log) for name, _ in _points(batch)}
    assert {"rows_trained", "memory", "memory_bytes"} <= names
    assert any(sketch.name == "step_time" for batch in _batches(log) for sketch in batch.sketches)


# Processes

FORK = """
import os, sys
from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import MemoryLog
from streamgauge.tracer import arrays, codec
log = MemoryLog()
tracer = Tracer("ctr", "w", log, incarnation="a", usage=False)
tracer.step(0.1, rows=1)
tracer.flush()
idle = os.fork()
if idle == 0:
    os._exit(0 if log.end("traces") == 1 and not tracer.counters["sent"] else 1)
busy = os.fork()
if busy == 0:
    tracer.step(0.1, rows=1)
    sent = tracer.flush() and tracer.close()
    batches = [codec.decode(message.value) for message in log.read("traces", 1, 10)]
    names = {(batch.worker, batch.incarnation) for batch in batches}
    is_own = {worker for worker, _ in names} == {"w/fork2"} and len(names) == 1
    os._exit(0 if sent and is_own and batches[0].sequence == 1 else 1)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in (idle, busy)]
tracer.step(0.1, rows=1)
assert tracer.close()
assert {codec.decode(message.value).incarnation[:2] for message in log.read("traces", 0, 10)} == {"a-"}
sys.exit(max(codes))
"""

EXIT = """
import sys, time
from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import MemoryLog
class Dead(MemoryLog):
    def send(self, messages):
        time.sleep(60)
tracer = Tracer("ctr", "w", Dead(), pane=0.05)
for _ in range(20):
    tracer.step(0.1, rows=1)
    time.sleep(0.01)
print(time.monotonic())
"""


def _run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_is_a_new_incarnation_that_starts_with_its_first_call() -> None:
    _run(FORK)


def test_a_process_ends_in_time_though_the_bus_hangs() -> None:
    done = float(_run(EXIT))  # by the clock that all processes of a machine share
    assert time.monotonic() - done < 2.0 + 8.0  # the deadline, and the end of Python on a busy machine


def test_nothing_follows_the_goodbye_while_it_is_on_its_way() -> None:
    bus = Bus()
    bus.delay = 0.25
    tracer = Tracer("ctr", "w", bus, pane=0.05, interval=0.05)
    tracer.step(loss=0.5, rows=1)
    time.sleep(0.2)
    assert tracer.close(timeout=5.0)
    batches = _batches(bus.log)
    assert len({batch.incarnation for batch in batches}) == 1
    assert batches[-1].final


def test_a_clock_that_gives_numpy_numbers_is_a_clock() -> None:
    one = Stream()
    one.tracer = Tracer("ctr", "w", one.log, clock=lambda: np.float64(one.now), usage=False)
    one.at(1.0).step(loss=0.5, rows=4)
    one.at(11.0).idle()
    assert one.tracer.flush()
    assert one.total("train", "rows") == 4.0
    assert "w" in "".join(one.log.latest("status")), "the status could be told"


def test_names_that_never_come_again_do_not_pile_up() -> None:
    """A job that makes its names of steps: what is kept of them is bounded, whatever their number."""
    tracer = Tracer("job", "w", MemoryLog(), clock=lambda: 0.0, features={})
    panes._blobs.clear()
    for i in range(60_000):
        tracer.scalar(f"loss:{i}", 1.0)
    tracer.flush()
    assert 0 < sum(len(names) for names in panes._blobs) <= panes.KEPT_NAMES

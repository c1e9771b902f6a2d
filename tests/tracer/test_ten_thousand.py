"""A job with ten thousand tensors: listed, previewed, refused where it would be too much, and no slower for it."""

from __future__ import annotations

import json
import zlib

import numpy as np
import pytest

from streamgauge.pipelines.adapters.http.costs import estimate
from streamgauge.pipelines.adapters.http.traces import traced_by
from streamgauge.tracer import control, selection
from streamgauge.tracer.control import PlanError
from streamgauge.tracer.selection import BOOT, Budget, Collection, Entry, Select, Selection
from tests.growth import lines
from tests.tracer.frameworks.job import Job

MANY = 10_000
BROKERS = 1_000_000  # bytes of a message that Kafka takes by default
ALL = Select(collection="weights", emit="raw", every=1)
FEW = Select(collection="weights", emit="raw", every=1, include="layer_0012[0-3]/")


def job_of(tensors: int) -> Job:
    job = Job()
    names = [f"tower_{i % 7}/layer_{i:05d}/kernel" for i in range(tensors)]
    job.tracer.tensors.declare([
        Entry(name=name, collection=collection, shape=(64, 32), dtype="float32", bytes=8192)
        for name in names
        for collection in ("weights", "gradients", "updates")
    ])  # fmt: skip
    job.tracer.beat()
    return job


def answers(job: Job, *selects: Select) -> list[tuple[str, int, str]]:
    for i, select in enumerate(selects):
        made = control.plan("ctr", f"p{i}", 1, issued=0.0, select=[select])
        job.log.send([("control", f"ctr/p{i}", made)])
    job.tracer.beat()
    job.tracer.step(loss=0.5, rows=8)
    job.tracer.beat()
    said = control.decode_status(job.log.latest("status")["ctr/w"])
    return [(one.state, one.matched, one.reason) for one in said.plans]


def test_ten_thousand_tensors_are_listed_in_a_message_that_brokers_take_and_too_many_are_refused() -> None:
    job = job_of(MANY)
    said = job.log.latest("catalogue")["ctr/w"]
    assert len(said) < BROKERS
    assert len(control.decode_catalogue(said).entries) == 3 * MANY
    (shown,) = traced_by(job.log, "ctr")["catalogue"]  # type: ignore[arg-type]
    assert len(shown["entries"]) == 3 * MANY
    found = estimate(job.log, "ctr", [ALL], [], Budget())  # type: ignore[arg-type]
    assert (found["matched"], found["workers"][0]["fault"]) == (MANY, "10000 tensors match, the budget is 200")
    assert answers(job, ALL, FEW) == [
        ("rejected", MANY, "10000 tensors match, budget.max_tensors is 200: choose fewer"), ("applied", 4, "")
    ]  # fmt: skip
    job.tracer.tensors.raw("weights", "tower_1/layer_00120/kernel", np.ones(3))
    job.tracer.step(loss=0.5, rows=8)
    assert job.raw_names() == [("weights", "tower_1/layer_00120/kernel")]


def test_what_a_worker_does_between_steps_does_not_grow_with_its_tensors() -> None:
    few, many = job_of(10), job_of(1_000)
    for job in (few, many):
        assert answers(job, Select(collection="weights", names=("tower_1/layer_00001/kernel",)))[0][0] == "applied"
    assert lines(many.tracer.beat) <= lines(few.tracer.beat) + 10


def test_no_name_is_matched_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = Selection((*BOOT, Select(collection="weights", include="kernel$", emit="raw")))
    names = [f"layer_{i}/kernel" for i in range(MANY)]

    def ask() -> int:
        kinds: tuple[Collection, ...] = ("weights", "gradients", "updates")
        keys = [(kind, name) for name in names for kind in kinds]
        return sum(chosen.takes(*key, 10) + chosen.takes_array(*key, 10) for key in keys)

    assert ask() == 4 * MANY
    monkeypatch.setattr(selection, "matches", None)
    assert ask() == 4 * MANY


@pytest.mark.parametrize(
    "data", [b"\x78\x9c", zlib.compress(b"x" * 500_000)[:-9], zlib.compress(b" " * (control.MAX_UNPACKED + 1))]
)
def test_a_report_that_cannot_be_unpacked_is_refused_in_words(data: bytes) -> None:
    with pytest.raises(PlanError, match="no compressed report"):
        control.decode_catalogue(data)
    job = Job()
    job.log.send([("catalogue", "ctr/w", data)])
    shown = traced_by(job.log, "ctr")["catalogue"]  # type: ignore[arg-type]
    assert shown == json.loads('[{"job": "ctr", "worker": "w", "fault": "unreadable"}]')

"""Arrays of a step: windows of steps, forms, rows, and what is kept of a batch whose loss is not finite."""

from __future__ import annotations

import math

import numpy as np
import pytest

from streamgauge.tracer.events import Raw
from streamgauge.tracer.frameworks.plain import Traced
from streamgauge.tracer.kept_arrays import KeptArrays
from streamgauge.tracer.reductions import histogram, units
from streamgauge.tracer.selection import Collection, Emit, Select, Selection, fault_of
from tests.tracer.frameworks.job import Job

METRICS = Select(collection="metrics", every=1)


def train(job: Job, losses: list[float]) -> list[np.ndarray]:
    """A loop of plain Python, of one weight; its gradients by step."""
    weight = np.ones((4, 3))
    traced, gradients = Traced(job.tracer, {"dense": weight}), []
    for i, loss in enumerate(losses):
        gradients.append(np.full((4, 3), float(i)))
        before = traced.before()
        tensors = traced.tensors({"dense": gradients[-1]}, before)
        job.tracer.observe({"age": np.array([20.0, i])})
        job.tracer.step(loss=loss, rows=2, tensors=tensors, predictions=[0.5, 0.1 * i], labels=[0, 1])
    return gradients


def test_of_the_batch_whose_loss_is_not_finite_inputs_outputs_and_gradients_are_kept() -> None:
    kept: tuple[Collection, ...] = ("inputs", "outputs", "gradients")
    job = Job(METRICS, *(Select(collection=one, emit="raw", when="nonfinite") for one in kept))
    gradients = train(job, [0.5, 0.4, math.nan, math.nan, 0.3, math.inf])
    found = job.arrays()
    assert {(one.step, one.collection, one.name) for one in found} == {
        (step, *what)
        for step in (3, 6)  # the first of those in a row, and the first after a finite one
        for what in (("inputs", "age"), ("outputs", "predictions"), ("outputs", "labels"), ("gradients", "dense"))
    }
    np.testing.assert_array_equal(next(one.array for one in found if one.name == "dense"), gradients[2])
    np.testing.assert_allclose(next(one.array for one in found if one.name == "predictions"), [0.5, 0.2])
    np.testing.assert_array_equal(next(one.array for one in found if one.name == "age"), [20.0, 2.0])


def test_who_asks_while_the_loss_is_not_finite_has_the_next_step_and_no_more() -> None:
    sent: list[Raw] = []
    kept, array = KeptArrays(sent.append, 1_000_000), np.ones(3)
    early, late = (Selection((), [Select(collection="gradients", emit="raw", when="nonfinite")]) for _ in range(2))
    for step in range(1, 9):
        kept.take(0.0, step, early if step < 5 else late, "gradients", "dense", array)
        kept.settle(step, math.nan if step > 1 else 0.5, updated=True)
    assert [raw.step for raw in sent] == [2, 5]


def test_a_breaker_that_thins_leaves_out_steps_that_wait_for_a_loss_too() -> None:
    selection = Selection((), [Select(collection="gradients", emit="raw", when="nonfinite")])
    selection.thin = 4
    assert [step for step in range(1, 13) if selection.is_due(step)] == [4, 8, 12]
    assert [step for step in range(1, 13) if selection.takes_array("gradients", "dense", step)] == [4, 8, 12]
    assert selection.covers("gradients", "dense", "raw")


def test_a_batch_that_is_accumulated_counts_to_the_step_it_belongs_to() -> None:
    job = Job(METRICS, Select(collection="gradients", emit="raw", when="nonfinite"))
    job.tracer.step(loss=math.nan, updated=False)
    job.tracer.tensors.raw("gradients", "dense", np.ones(3))
    job.tracer.step(loss=0.5)
    assert [(one.step, one.name) for one in job.arrays()] == [(1, "dense")]


def test_a_window_of_steps_is_traced_and_nothing_else() -> None:
    job = Job(METRICS, Select(collection="weights", emit="raw", every=2, first=4, last=8))
    train(job, [0.5] * 12)
    assert [one.step for one in job.arrays()] == [4, 6, 8]


@pytest.mark.parametrize("emit", ["histogram", "units", "raw"])
def test_each_form_is_what_it_says(emit: Emit) -> None:
    job = Job(METRICS, Select(collection="gradients", emit=emit, every=3))
    gradients = train(job, [0.5] * 3)
    (one,) = job.arrays()
    expected = {"histogram": histogram, "units": units, "raw": lambda array: array}[emit](gradients[2])
    assert (one.step, one.name, one.emit) == (3, "dense", emit)
    np.testing.assert_array_equal(one.array, expected)


def test_rows_are_evenly_spaced_and_no_more_than_asked() -> None:
    job = Job(METRICS, Select(collection="weights", emit="raw", every=1, rows=3))
    table = np.arange(200.0).reshape(100, 2)
    job.tracer.tensors.raw("weights", "table", table)
    job.tracer.step(loss=0.5)
    (one,) = job.arrays()
    np.testing.assert_array_equal(one.array, table[[0, 49, 99]])


def test_what_does_not_fit_while_it_waits_is_dropped() -> None:
    job = Job(METRICS, Select(collection="gradients", emit="raw", when="nonfinite"))
    for name in "abc":
        job.tracer.tensors.raw("gradients", name, np.zeros(900_000))  # 7.2 MB; 16 may wait, 8 of them as raw arrays
    job.tracer.step(loss=math.nan)
    assert [one.name for one in job.arrays()] == ["a"]
    assert job.tracer._worker.arrays.lost == 1


@pytest.mark.parametrize(
    ("select", "fault"),
    [
        (Select(collection="weights", emit="raw", first=9, last=3), "last must be >= first, got 3 and 9"),
        (Select(collection="weights", emit="raw", rows=-1), "rows must be >= 0, got -1"),
        (Select(collection="weights", when="nonfinite"), "emit must be raw, histogram or units"),
    ],
)
def test_a_selection_that_cannot_be_is_refused_by_its_reason(select: Select, fault: str) -> None:
    assert fault in fault_of(select)


def test_a_tracer_says_what_it_sends_how_often_and_how_much() -> None:
    job = Job(METRICS, Select(collection="weights", emit="raw", every=4, first=8), Select(collection="weights"))
    train(job, [0.5])
    assert job.tracer.plan().splitlines() == [
        "weights dense: raw every 4 steps from step 8, about 96 bytes",
        "weights dense: statistics every 10 steps, about 64 bytes",
        "1 thing, about 30 bytes/s at 1 steps/s",
    ]

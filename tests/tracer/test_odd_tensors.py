"""Tensors that are none, or are of an odd type or size: measured where they are numbers, refused by name where not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamgauge.tracer import control
from streamgauge.tracer.selection import Select
from streamgauge.tracer.tracer import Tensor
from tests.tracer.frameworks.job import EVERY, RAW, Job

ml_dtypes = pytest.importorskip("ml_dtypes", reason="comes with TensorFlow and JAX")
BROKERS = 1_000_000  # bytes of a message that Kafka takes by default
DAYS = np.array(["2026-01-01"], "datetime64[D]")


def told(value: Any, steps: int = 30) -> Job:
    job = Job(*EVERY, *RAW)
    for _ in range(steps):  # more than trip the breaker
        job.now += 1.0
        job.tracer.tensors.raw("activations", "odd", value)
        job.tracer.step(0.5, rows=2, tensors={"odd": Tensor(value, value), "sound": Tensor(np.ones(4))})
        job.tracer.beat()
    assert job.values("weight_norm", "tensor:sound") == [2.0] * steps
    assert not job.tracer.is_off
    assert not any(name.startswith("fault_") for name in job.tracer.counters)
    return job


@pytest.mark.parametrize(("value", "reason"), [
    (np.array(["a", "secret"]), "an array of <U6 has no numbers"), (np.array([object()]), "object has no numbers"),
    (DAYS, "has no numbers"), ([[1.0], [2.0, 3.0]], "inhomogeneous"), (np.zeros(2, [("a", int)]), "has no numbers"),
    (np.zeros(2, "V2"), "has no numbers"),
])  # fmt: skip
def test_what_has_no_numbers_is_refused_by_name_and_nothing_of_it_leaves_the_worker(value: Any, reason: str) -> None:
    job = told(value)
    assert job.values("weight_norm", "tensor:odd") == []
    assert "odd" not in {name for _, name in job.raw_names()}
    assert reason in job.tracer.faults.reasons["tensor:odd"]
    assert reason in control.decode_status(job.log.latest("status")["ctr/w"]).refused["tensor:odd"]


@pytest.mark.parametrize(("value", "norm", "dtype"), [
    (np.array([3, 4], ml_dtypes.bfloat16), 5.0, "float32"), (np.array([3, 4], ml_dtypes.float8_e4m3fn), 5.0, "float32"),
    (np.array([3, 4], np.float16), 5.0, "float16"), (np.array([3 + 4j, 0], np.complex64), 5.0, "complex64"),
    (np.array([3, 4], np.int8), 5.0, "int8"), (np.zeros((0, 4), np.float32), 0.0, "float32"),
    (np.array([0, 3, 4], ">f4"), 5.0, ">f4"), (np.array([True, False]), 1.0, "bool"),
])  # fmt: skip
def test_every_type_of_number_has_its_norm_and_arrives_as_an_array(value: Any, norm: float, dtype: str) -> None:
    job = told(value, steps=2)
    assert job.values("weight_norm", "tensor:odd") == [norm] * 2
    assert job.values("nonfinite", "tensor:odd") == []
    first, _ = job.raw("gradients", "odd")
    assert first.dtype == dtype
    np.testing.assert_array_equal(first, value.astype(dtype))


def test_a_plan_for_a_tensor_without_numbers_is_refused_with_the_reason() -> None:
    job = told(np.array(["a"]), steps=1)
    made = control.plan("ctr", "p", 1, issued=0.0, select=[Select(collection="weights", names=("odd",), emit="raw")])
    job.log.send([("control", "ctr/p", made)])
    job.tracer.beat()
    (said,) = control.decode_status(job.log.latest("status")["ctr/w"]).plans
    assert (said.state, said.reason) == ("rejected", "odd is unsupported: an array of <U1 has no numbers")


def test_a_tensor_larger_than_a_message_arrives_whole_in_several() -> None:
    job = Job(*RAW)
    table = np.arange(600_000, dtype=np.float32).reshape(1000, 600)  # 2.4 MB
    job.tracer.step(0.5, rows=2, tensors={"table": Tensor(table)})
    (found,) = job.arrays()
    np.testing.assert_array_equal(found.array, table)
    sizes = [len(message.value) for message in job.log.read("tensors", 0, 100)]
    assert len(sizes) > 1
    assert max(sizes) < BROKERS

"""Raw arrays over HTTP: found from the topic's end, drawn whatever they hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from numpy.typing import NDArray

from streamgauge.pipelines.adapters.http.json import answer
from streamgauge.pipelines.adapters.http.tensors import picture, received
from streamgauge.tracer import arrays
from streamgauge.tracer.arrays import Chunk
from streamgauge.tracer.transport import MemoryLog
from tests.pipelines.adapters.http.test_server import Running, running

__all__ = ["running"]


def messages(array: NDArray[Any], *, job: str = "a", name: str = "w", step: int = 1, size: int = 400) -> list[bytes]:
    about = Chunk(
        job=job, worker="w1", incarnation="i", step=step, time=60.0, collection="weights", name=name, data=b""
    )
    return arrays.chunks(array, about, size=size)


def send(log: MemoryLog, *chunks: bytes) -> None:
    log.send([("tensors", "a/w1", chunk) for chunk in chunks])


@given(
    arrays_of.arrays(
        st.sampled_from([np.float32, np.float64, np.int64, np.complex64, np.bool_]),
        arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9),
    )
)
def test_every_array_has_a_picture_that_json_can_say(array: NDArray[Any]) -> None:
    drawn = picture(array)
    assert answer(drawn).status == 200
    assert sum(drawn["histogram"]["counts"]) == drawn["size"] - drawn["nonfinite"]


@given(arrays_of.arrays(np.float64, arrays_of.array_shapes(min_dims=2, max_dims=2, max_side=200), fill=st.just(1.0)))
def test_a_heat_map_is_bounded_and_covers_the_matrix(array: NDArray[Any]) -> None:
    heat = picture(array)["heat"]
    assert 0 < len(heat["cells"]) <= 64
    assert {len(row) for row in heat["cells"]} == {min(64, array.shape[1])}


def test_cells_hold_the_means_of_their_parts() -> None:
    matrix = np.repeat(np.arange(128.0), 3).reshape(128, 3)
    cells = picture(matrix)["heat"]["cells"]
    assert cells[0] == [0.5, 0.5, 0.5]
    assert cells[63] == [126.5, 126.5, 126.5]


def test_incomplete_arrays_and_other_jobs_are_left_out_and_the_newest_comes_first() -> None:
    log = MemoryLog()
    send(log, *messages(np.zeros(200), name="cut")[:-1])
    send(log, *messages(np.zeros(3), name="old", step=1), b"no chunk")
    send(log, *messages(np.zeros(3), job="b", name="foreign"), *messages(np.zeros(3), name="new", step=2))
    assert [one.about.name for one in received(log, "a")] == ["new", "old"]


def test_parts_of_two_arrays_that_come_mixed_are_each_whole() -> None:
    log = MemoryLog()
    one, other = messages(np.arange(90.0), name="one"), messages(np.arange(90.0), name="other")
    send(log, *(chunk for pair in zip(one, other, strict=True) for chunk in pair))
    assert {found.about.name: len(found.offsets) for found in received(log, "a")} == {"one": 3, "other": 3}


def test_a_tensor_comes_back_as_numbers(running: Running) -> None:
    send(running.log, *messages(np.array([[1.0, 2.0], [3.0, np.nan]]), size=10_000))
    listed = running.ask("/api/jobs/a/tensors")[1]
    assert [(one["name"], one["worker"], one["step"]) for one in listed] == [("w", "w1", 1)]
    drawn = running.ask(f"/api/jobs/a/tensors/{listed[0]['offset']}")[1]
    assert (drawn["numbers"], drawn["nonfinite"], drawn["stats"]["max"]) == ([1.0, 2.0, 3.0, None], 1, 3.0)


def test_the_diagnoses_of_the_last_arrays_are_told(running: Running) -> None:
    assert running.ask("/api/jobs/a/diagnoses")[1] == []
    send(running.log, *messages(np.array([[1.0, np.inf], [3.0, 4.0]]), name="dense/kernel", step=7, size=10_000))
    (found,) = running.ask("/api/jobs/a/diagnoses")[1]
    assert (found["diagnosis"], found["worker"], found["name"], found["step"]) == (
        "first_nonfinite", "w1", "dense/kernel", 7
    )  # fmt: skip


@pytest.mark.parametrize(("offset", "status"), [("7", 404), ("x", 400), ("-1", 400)])
def test_a_tensor_that_is_not_there_is_refused(running: Running, offset: str, status: int) -> None:
    assert running.ask(f"/api/jobs/a/tensors/{offset}")[0] == status

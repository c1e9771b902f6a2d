"""Who a worker is comes from its launcher, and stays the same over a restart."""

from __future__ import annotations

import json

import pytest

from streamgauge.tracer import codec, records
from streamgauge.tracer.identity import Identity, identity
from streamgauge.tracer.onlooker import process
from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import MemoryLog
from tests.waiting import until


def _task(kind: str, index: int, **cluster: list[str]) -> str:
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})


@pytest.mark.parametrize(
    ("environ", "worker", "role"),
    [
        ({}, "node7", "worker"),
        ({"STREAMGAUGE_WORKER": "mine", "TF_CONFIG": _task("ps", 1)}, "mine", "ps"),
        ({"TF_CONFIG": _task("worker", 0, worker=["a", "b"])}, "worker:0", "chief"),
        ({"TF_CONFIG": _task("worker", 0, worker=["a"], chief=["c"])}, "worker:0", "worker"),
        ({"TF_CONFIG": _task("chief", 0)}, "chief:0", "chief"),
        ({"TF_CONFIG": "no json", "HOROVOD_RANK": "2"}, "worker:2", "worker"),
        ({"HOROVOD_RANK": "0"}, "worker:0", "chief"),
        ({"JOB_COMPLETION_INDEX": "4"}, "worker:4", "worker"),
        ({"HOSTNAME": "trainer-3", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "worker:3", "worker"),
        ({"HOSTNAME": "trainer-3"}, "node7", "worker"),
        ({"RANK": "0", "LOCAL_RANK": "1"}, "node7:1", "chief"),
    ],
)
def test_the_launcher_s_environment_names_the_worker(environ: dict[str, str], worker: str, role: str) -> None:
    found = identity(environ, "node7")
    assert (found.worker, found.role) == (worker, role)


def test_a_rank_is_a_label_as_a_restart_may_change_it() -> None:
    before, after = (identity({"RANK": rank, "LOCAL_RANK": "0"}, "node7") for rank in ("3", "5"))
    assert before.worker == after.worker
    assert (before.labels, after.labels) == ({"rank": "3"}, {"rank": "5"})


@pytest.mark.parametrize("config", ["", "{}", "[]", '{"task": 1}', '{"task": {"type": "ps"}}', "{" * 99])
def test_a_tf_config_that_cannot_be_read_is_as_none(config: str) -> None:
    assert identity({"TF_CONFIG": config}, "node7") == Identity("node7")


def test_a_tracer_without_a_name_takes_that_of_its_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", _task("worker", 2))
    log = MemoryLog()
    tracer = Tracer("ctr", None, log, clock=lambda: 0.0)
    tracer.step(loss=0.5, rows=1)
    tracer.flush()
    assert codec.peek(log.read("traces", 0, 1)[0].value).worker == "worker:2"


def test_a_parameter_server_is_a_member_whose_time_passes_without_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", _task("ps", 0))
    log = MemoryLog()
    tracer = process("ctr", log, role="ps", pane=0.2)

    def moved() -> bool:
        batches = [codec.decode(message.value) for message in log.read("traces", 0, 1000)]
        marks = {batch.watermark for batch in batches if isinstance(batch, records.TraceBatch)}
        return len(marks) > 2 and {batch.worker for batch in batches} == {"ps:0"}

    until(moved, "the watermark does not move")
    tracer.close()

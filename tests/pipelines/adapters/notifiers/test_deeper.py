"""The closed loop: an incident about a layer asks its worker for more, within a budget; what came back tells why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamgauge.anomaly.types import Alert, Notification, Reason
from streamgauge.pipelines.adapters.notifiers.deeper import Deeper
from streamgauge.pipelines.config.faults import ConfigError
from streamgauge.pipelines.config.loading import load
from streamgauge.pipelines.service.assembly import notifiers_of
from streamgauge.pipelines.train_quality.diagnoses import diagnose
from streamgauge.tracer import control
from streamgauge.tracer.frameworks.plain import Traced
from tests.pipelines.train_quality.network import Network
from tests.tracer.frameworks.job import Job

LENGTH = 600.0


def told(metric: str, entity: str, *, time: float = 1000.0, worker: str = "w", status: str = "firing") -> Notification:
    root = Alert(
        fingerprint="f", node="train", job="ctr", domain="train", entity=entity, worker=worker, metric=metric,
        severity="ticket", score=9.0, start=time, arrival=time, text=metric,
    )  # fmt: skip
    return Notification(
        id=f"n{time:g}", job="ctr", status=status, time=time, root=root, text="",  # type: ignore[arg-type]
        reason=Reason(decision="root", text="nothing above it"),
    )  # fmt: skip


def plan_of(job: Job) -> control.Plan | None:
    data = job.log.latest("control").get("ctr/deeper")
    return control.decode_plan(data) if data else None


def test_what_came_back_says_why_the_layer_gets_no_gradient() -> None:
    job = Job()
    network = Network(fault=lambda network: network.weights["dense2/bias"].__setitem__(slice(0, 20), -50.0))
    traced = Traced(job.tracer, network.weights)
    deeper = Deeper(lambda: job.log, LENGTH)  # type: ignore[arg-type, return-value]
    for number in range(1, 401):
        if number == 100:
            assert job.arrays() == []
            deeper.notify(told("dead_units", "tensor:dense2"))
        network.step(number, traced, job)
        job.now += 1.0
        job.tracer.beat()
    (state,) = control.decode_status(job.log.latest("status")["ctr/w"]).plans
    assert (state.plan, state.state, state.revision) == ("deeper", "applied", 1)
    made = plan_of(job)
    assert made is not None
    assert (made.author, made.reason) == ("streamgauge", "incident n1000: dead_units of tensor:dense2")
    assert made.target.workers == ("w",)
    assert made.expires == LENGTH
    assert "dead_units" in {finding.diagnosis for finding in diagnose(job.arrays()) if finding.name == "dense2"}


def test_a_job_is_asked_once_in_its_budget_also_after_a_restart() -> None:
    job = Job()
    for i, (time, revision) in enumerate([(1000.0, 1), (1060.0, 1), (1000.0 + 4 * LENGTH, 2)]):
        deeper = Deeper(lambda: job.log, LENGTH)  # type: ignore[arg-type, return-value]
        deeper.notify(told("update_ratio", f"tensor:dense{i}/kernel", time=time))
        made = plan_of(job)
        assert made is not None
        assert made.revision == revision


def test_a_loss_that_leaps_keeps_the_batch_of_the_next_one_that_is_not_finite() -> None:
    job = Job()
    Deeper(lambda: job.log, LENGTH).notify(told("loss", "", worker=""))  # type: ignore[arg-type, return-value]
    made = plan_of(job)
    assert made is not None
    assert {(one.collection, one.when) for one in made.select} == {
        ("gradients", "nonfinite"), ("outputs", "nonfinite")
    }  # fmt: skip
    assert made.target.workers == ()


@pytest.mark.parametrize(
    "notification",
    [told("missing_rate", "feature:age"), told("dead_units", "tensor:a", status="resolved"), told("auc", "")],
)
def test_what_is_no_layer_s_trouble_asks_for_nothing(notification: Notification) -> None:
    job = Job()
    Deeper(lambda: job.log, LENGTH).notify(notification)  # type: ignore[arg-type, return-value]
    assert plan_of(job) is None


def test_it_is_off_unless_one_line_says_so(tmp_path: Path) -> None:
    path = tmp_path / "streamgauge.toml"
    for line, expected in (("", False), ('deeper_traces = "10m"', True)):
        path.write_text(f'data = "{tmp_path}"\n{line}\n[jobs.ctr]\n')
        names = [notifier.name for notifier in notifiers_of(load(path))]
        assert ("deeper" in names) is expected
    path.write_text("deeper_traces = 7\n[jobs.ctr]\n")
    with pytest.raises(ConfigError, match=r"deeper_traces: must be 0 or 60..3600 s, got 7"):
        load(path)


def test_arrays_of_a_network_are_small_enough_for_the_budget() -> None:
    assert sum(np.size(array) * 8 for array in Network().weights.values()) * 3 / 50 < 200_000

"""Two workers that average their gradients in each step: what compiles anew changes on both at one step, or on none."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamgauge.tracer import arrays, control
from streamgauge.tracer.control import PlanState, Status
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.selection import Select
from tests.places import ROOT
from tests.servers.ports import free_port
from tests.waiting import until

pytest.importorskip("tensorflow", reason="TensorFlow is not installed (extra `keras`)")
pytestmark = pytest.mark.real
WORKERS = ("w0", "w1")
NAME = "layer1/weights:0"
RAW = [Select(collection="gradients", names=(NAME,), emit="raw", every=1)]


class Ranks:
    """Both processes, and what they said on the log."""

    def __init__(self, folder: Path) -> None:
        self._stop = folder / "stop"
        self.log = LocalLog(folder / "log.db")
        command = [sys.executable, "-m", "tests.tracer.frameworks.collective_rank", str(folder / "log.db")]
        ports = [str(free_port()) for _ in WORKERS]
        self.processes = [
            subprocess.Popen([*command, str(rank), *ports], cwd=ROOT, stdout=subprocess.PIPE, text=True)
            for rank in range(2)
        ]

    def status(self, worker: str) -> Status | None:
        said = self.log.latest("status").get(f"ctr/{worker}")
        return control.decode_status(said) if said else None

    def plan(self, worker: str, revision: int) -> PlanState | None:
        status = self.status(worker)
        return next((one for one in status.plans if one.revision == revision), None) if status else None

    def steps(self) -> int:
        return max(status.step for worker in WORKERS if (status := self.status(worker)) is not None)

    def first_steps(self) -> dict[str, int]:
        """The step of the first array of each worker."""
        found: dict[str, int] = {}
        for message in self.log.read("tensors", 0, 10_000):
            chunk = arrays.decode(message.value)
            found.setdefault(chunk.worker, chunk.step)
        return found

    def ended(self) -> list[str]:
        self._stop.touch()
        return [process.communicate(timeout=120)[0] for process in self.processes]


@pytest.fixture
def ranks(tmp_path: Path) -> Iterator[Ranks]:
    one = Ranks(tmp_path)
    yield one
    for process in one.processes:
        process.kill()
        process.communicate()
    one.log.close()


def test_a_raw_set_is_refused_without_min_step_and_changes_at_it_on_every_rank(ranks: Ranks) -> None:
    log = ranks.log
    until(lambda: {f"ctr/{w}" for w in WORKERS} <= set(log.latest("catalogue")), "no catalogue", patience=300.0)
    log.send([("control", "ctr/deep", control.plan("ctr", "deep", 1, issued=0.0, select=RAW))])
    until(lambda: all(ranks.plan(worker, 1) for worker in WORKERS), "no answer")
    for worker in WORKERS:
        state = ranks.plan(worker, 1)
        assert state is not None
        assert (state.state, state.reason.partition(":")[0]) == ("rejected", "unsafe_collective")
    begin = ranks.steps() + 1000
    log.send([("control", "ctr/deep", control.plan("ctr", "deep", 2, issued=0.0, select=RAW, min_step=begin))])
    until(lambda: all((one := ranks.plan(w, 2)) and one.state == "applied" for w in WORKERS), "not applied")
    until(lambda: set(ranks.first_steps()) == set(WORKERS), "no arrays")
    assert ranks.first_steps() == dict.fromkeys(WORKERS, begin)
    first, second = ranks.ended()
    assert first.startswith("SUM ")
    assert first == second  # the same weights after the same number of steps

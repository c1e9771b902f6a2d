"""A parameter server and three workers on real rows: what one worker traces is changed live, through every outage."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamgauge.examples.flights import data
from streamgauge.tracer import arrays, codec, control
from streamgauge.tracer.control import Status, Target
from streamgauge.tracer.kafka.transport import KafkaTransport
from streamgauge.tracer.selection import Select
from streamgauge.tracer.transport import LogError
from tests.places import ROOT
from tests.servers.kafka import KafkaServers
from tests.servers.ports import free_port
from tests.waiting import until

pytest.importorskip("tensorflow", reason="TensorFlow is not installed (extra `keras`)")
pytestmark = [pytest.mark.real, pytest.mark.slow]

JOB = "flights-ps"
WORKERS = ("worker:0", "worker:1", "worker:2")
FIRST = {"layer2/biases:0", "layer2/weights/part_0:0"}
SECOND = {"layer1/weights/part_1:0", "layer4/weights/part_0:0"}


class Cluster:
    """The processes of the job, and what they said on the bus."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.broker = KafkaServers(folder / "kafka")
        self.broker.create("traces", "tensors")
        self.broker.create("control", "status", "catalogue", cleanup_policy="compact")
        self.bus = KafkaTransport(self.broker.bootstrap)
        self._folder, self._cache = folder, cache
        self._ports = {"ps": [f"127.0.0.1:{free_port()}"], "worker": [f"127.0.0.1:{free_port()}" for _ in range(3)]}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._read = 0
        self._raw: list[arrays.Chunk] = []
        for name in ("ps:0", *WORKERS):
            self.start(name)

    def start(self, name: str) -> None:
        kind, _, index = name.partition(":")
        task = {"cluster": self._ports, "task": {"type": kind, "index": int(index)}}
        command = [sys.executable, "-m", "streamgauge.examples.parameter_server.job"]
        command += ["--bootstrap", self.broker.bootstrap, "--cache", str(self._cache), "--pause", "0.05"]
        command += ["--progress", str(self._folder / name), "--seconds", "600"]
        with (self._folder / f"{name}.txt").open("ab") as out:
            self._processes[name] = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, "TF_CONFIG": json.dumps(task)}, stdout=out, stderr=out
            )  # fmt: skip

    def kill(self, name: str) -> None:
        self._processes[name].kill()
        self._processes[name].wait()

    def stop(self) -> None:
        for name in self._processes:
            self.kill(name)
        self.broker.stop()

    def steps(self, name: str) -> int:
        file = self._folder / name
        return int(file.read_text() or 0) if file.exists() else 0

    def plan(self, worker: str, revision: int, names: set[str]) -> None:
        """What a worker is to trace raw, every second step; a plan a worker."""
        plan = worker.replace(":", "-")
        select = [Select(collection="weights", names=tuple(sorted(names)), emit="raw", every=2)]
        target = Target(workers=(worker,))
        made = control.plan(JOB, plan, revision, issued=0.0, select=select, target=target)
        self.bus.send([("control", f"{JOB}/{plan}", made)])

    def status(self, worker: str) -> Status | None:
        said = self.bus.latest("status").get(f"{JOB}/{worker}")
        return control.decode_status(said) if said else None

    def applied(self, worker: str) -> tuple[str, int]:
        """Incarnation and revision in force of the worker's own plan."""
        status = self.status(worker)
        revisions = [state.revision for state in status.plans if state.state == "applied"] if status else []
        return (status.incarnation if status else "", max(revisions, default=0))

    def is_settled(self, worker: str) -> bool:
        """Whether the plan in force has held for long enough that a death is none of its doing."""
        status = self.status(worker)
        return status is not None and any(s.settled for s in status.plans if s.state == "applied")

    def names(self, worker: str, incarnation: str) -> set[str]:
        """Raw tensors that came from a worker since `forget`."""
        for message in self.bus.read("tensors", self._read, 10_000):
            self._raw.append(arrays.decode(message.value))
            self._read = message.offset + 1
        return {c.name for c in self._raw if (c.worker, c.incarnation) == (worker, incarnation)}

    def forget(self) -> None:
        """From here on only what comes later counts."""
        self.names("", "")
        self._raw.clear()


@pytest.fixture
def cluster(kafka_jars: None, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cache = tmp_path_factory.mktemp("flights")
    data.load("EWR", cache)
    cluster = Cluster(tmp_path, cache)
    yield cluster
    cluster.stop()
    for worker in WORKERS:  # shown if the test fails
        print(worker, (tmp_path / f"{worker}.txt").read_text()[-1500:])


def _sent(bus: Any, worker: str) -> bool:
    try:
        return any(codec.peek(m.value).worker == worker for m in bus.read("traces", 0, 2000))
    except LogError:
        return False


def test_one_worker_s_traced_set_changes_live_and_outlives_the_bus_and_the_worker(cluster: Cluster) -> None:
    bus = cluster.bus
    until(lambda: {f"{JOB}/{w}" for w in WORKERS} <= set(bus.latest("catalogue")), "no catalogue", patience=500.0)
    entries = control.decode_catalogue(bus.latest("catalogue")[f"{JOB}/worker:1"]).entries
    assert {entry.name for entry in entries if entry.collection == "weights"} >= FIRST | SECOND
    for worker in WORKERS:
        cluster.plan(worker, 1, FIRST)
    lives = {}
    for worker in WORKERS:
        until(lambda worker=worker: cluster.applied(worker)[1] == 1, f"{worker} did not apply")
        lives[worker] = cluster.applied(worker)[0]
        until(lambda worker=worker: cluster.names(worker, lives[worker]) == FIRST, f"{worker} does not trace")

    cluster.plan("worker:1", 2, SECOND)
    until(lambda: cluster.applied("worker:1") == (lives["worker:1"], 2), "the change was not applied")
    cluster.forget()
    until(lambda: all(cluster.names(w, lives[w]) for w in WORKERS), "not all send")
    assert cluster.names("worker:1", lives["worker:1"]) == SECOND
    assert {frozenset(cluster.names(w, lives[w])) for w in ("worker:0", "worker:2")} == {frozenset(FIRST)}

    cluster.broker.kill()
    done = {worker: cluster.steps(worker) for worker in WORKERS}
    until(lambda: all(cluster.steps(w) >= done[w] + 30 for w in WORKERS), "training waits for the bus")
    cluster.broker.start()
    cluster.forget()
    until(lambda: cluster.names("worker:1", lives["worker:1"]) == SECOND, "worker:1 sends nothing after the outage")
    until(lambda: cluster.names("worker:0", lives["worker:0"]) == FIRST, "worker:0 sends nothing after the outage")

    until(lambda: cluster.is_settled("worker:1"), "the plan of worker:1 does not settle", patience=200.0)
    cluster.kill("worker:1")
    cluster.start("worker:1")
    until(lambda: cluster.applied("worker:1")[0] not in ("", lives["worker:1"]), "worker:1 is not back", patience=300.0)
    until(lambda: cluster.applied("worker:1")[1] == 2, "worker:1 did not find its plan again")
    life = cluster.applied("worker:1")[0]
    until(lambda: cluster.names("worker:1", life) == SECOND, "worker:1 does not trace after its restart")
    assert _sent(bus, "ps:0")

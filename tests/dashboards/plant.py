"""A second real service for the tests: one job with a large declared topology, one with live workers of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from streamgauge.anomaly.types import Alert, Edge, Notification, Reason, Suppressed
from streamgauge.pipelines.adapters.http.security import Guard
from streamgauge.pipelines.adapters.sqlite.store import SqliteStore
from streamgauge.pipelines.config.schema import Config, JobConfig
from streamgauge.pipelines.service import assembly, stores
from streamgauge.pipelines.service.run import Service
from streamgauge.tracer.local.log import LocalLog
from tests.dashboards import world
from tests.dashboards.conftest import WEB

MILL, LINE = "mill", "line"
WORKERS: Final = ("w0", "w1 <b>bold</b>")
LAYERS, WIDE = 8, 25  # 200 places
ROOT: Final = "stage-2-7"


class Plant:
    """The running service, its log, and the worker processes."""

    def __init__(self, folder: Path) -> None:
        mill = JobConfig(name=MILL, topology=_edges(LAYERS, WIDE))
        config = Config(data=str(folder), port=0, console=False, jobs=(mill, JobConfig(name=LINE)))
        store = SqliteStore(stores.store_path(config))
        now = time.time()
        store.write([*world.healthy(MILL, now), *world.healthy(LINE, now), _incident(now)])
        store.close()
        self.service = Service(config, assembly.parts_of(config))
        self.url = self.service.start(Guard("127.0.0.1"), WEB)
        self.path = assembly.log_path(config)
        self.log = LocalLog(self.path)
        self.workers: list[subprocess.Popen[bytes]] = []

    def work(self) -> None:
        """Start the workers, once."""
        for worker in WORKERS[len(self.workers) :]:
            command = [sys.executable, "-m", "tests.dashboards.worker", str(self.path), LINE, worker]
            self.workers.append(subprocess.Popen(command, stdin=subprocess.PIPE))

    def stop(self) -> None:
        """Stop all of it."""
        for worker in self.workers:
            worker.communicate(timeout=10)
        self.service.stop()
        self.log.close()


@pytest.fixture(scope="session")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """One plant for all tests."""
    one = Plant(tmp_path_factory.mktemp("plant"))
    yield one
    one.stop()


def _edges(layers: int, wide: int) -> tuple[Edge, ...]:
    """Layers of places, each place with two causes in the layer before."""
    return tuple(
        Edge(f"stage-{layer}-{(place + shift) % wide}", f"stage-{layer + 1}-{place}")
        for layer in range(layers - 1)
        for place in range(wide)
        for shift in (0, 3)
    )


def _incident(now: float) -> Notification:
    root = _alert(ROOT, now - 600.0)
    path = (ROOT, "stage-3-7", "stage-4-7")
    folded = tuple(
        Suppressed(
            _alert(path[hops], now - 600.0 + 60.0 * hops),
            Reason(
                decision="inhibited", text=f"follows from {ROOT}", cause=root.episode, root=root.episode,
                path=path[: hops + 1], gap=60.0 * hops, topology=1,
            ),
        )
        for hops in (1, 2)
    )  # fmt: skip
    reason = Reason(decision="root", text=f"nothing upstream of {ROOT} is broken")
    return Notification(
        id="m1", job=MILL, status="firing", time=now - 500.0, root=root, reason=reason, text=f"[mill] {ROOT}",
        suppressed=folded,
    )  # fmt: skip


def _alert(node: str, start: float) -> Alert:
    return Alert(
        fingerprint=f"f-{node}", node=node, job=MILL, domain="system", entity="", worker="", metric="volume",
        severity="page", score=9.0, start=start, arrival=start + 10.0, text="volume 0 /s (normal 40 /s)",
    )  # fmt: skip

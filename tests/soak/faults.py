"""The faults of a soak, drawn by a seed: each is inflicted and mended while everything else goes on."""

from __future__ import annotations

import os
import random
import resource
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from tests.soak.parts import WORKERS, Driver, Fleet, Pipeline, Plan, children
from tests.soak.worker import JOB


class Scene(NamedTuple):
    """What faults are inflicted on; `held` is how long one that lasts goes on, seconds."""

    plan: Plan
    pipeline: Pipeline
    fleet: Fleet
    driver: Driver
    chance: random.Random
    held: float
    poison: list[bytes]  # sent so far


def kill_run(scene: Scene) -> str:
    """SIGKILL to the pipeline; it is started again at once."""
    scene.pipeline.kill()
    scene.pipeline.start()
    return "the pipeline"


def kill_engine(scene: Scene) -> str:
    """SIGKILL to the process that the pipeline keeps its engine in."""
    victims = children(scene.pipeline.process.pid)
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    return f"{len(victims)} engine processes"


def kill_worker(scene: Scene) -> str:
    """SIGKILL to a worker, which comes back after a moment as a new incarnation."""
    name = scene.chance.choice(WORKERS)
    scene.fleet.kill(name)
    time.sleep(scene.chance.uniform(0.0, scene.held))
    scene.fleet.restart(name)
    return name


def kill_broker(scene: Scene) -> str:
    """SIGKILL to a broker, which comes back after a moment."""
    assert scene.plan.servers is not None
    node = scene.chance.randrange(scene.plan.brokers)
    scene.plan.servers.kill(node)
    time.sleep(scene.chance.uniform(0.0, scene.held))
    scene.plan.servers.start(node)
    return f"broker {node} of {scene.plan.brokers}"


def lock_store(scene: Scene) -> str:
    """Another process writes to the store and does not end."""
    connection = sqlite3.connect(scene.plan.data / "store.db", timeout=60.0, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    time.sleep(scene.held)
    connection.execute("ROLLBACK")
    connection.close()
    return f"for {scene.held:g} s"


def pause(scene: Scene) -> str:
    """SIGSTOP to the pipeline or a worker, for longer than brokers keep the session of one that is silent."""
    processes = {name: process.pid for name, process in scene.fleet.processes.items()}
    processes["the pipeline"] = scene.pipeline.process.pid
    name = scene.chance.choice([*WORKERS, *["the pipeline"] * len(WORKERS)])
    os.kill(processes[name], signal.SIGSTOP)
    time.sleep(scene.held)
    os.kill(processes[name], signal.SIGCONT)
    return f"{name} for {scene.held:g} s"


def poison(scene: Scene) -> str:
    """Records that nobody can read."""
    values = [scene.chance.randbytes(scene.chance.randint(0, 300)) for _ in range(20)]
    scene.driver.send([("traces", JOB, value) for value in values])
    scene.poison.extend(values)
    return f"{len(values)} records"


def fill_disk(scene: Scene) -> str:
    """No file of the pipeline's may grow, as on a full disk."""
    pid = scene.pipeline.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, before[1]))
    time.sleep(scene.held)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
    return f"for {scene.held:g} s"


Fault = Callable[[Scene], str]
FAULTS: Final[Mapping[str, Fault]] = {
    "kill run": kill_run, "kill engine": kill_engine, "kill worker": kill_worker, "kill broker": kill_broker,
    "lock store": lock_store, "pause": pause, "poison": poison, "fill disk": fill_disk,
}  # fmt: skip


def possible(plan: Plan) -> list[str]:
    """The faults that this soak can suffer."""
    without = {"kill broker"} if plan.servers is None else set()
    without |= {"kill engine"} if plan.engine == "embedded" else set()
    return [name for name in FAULTS if name not in without]


def drawn(names: Sequence[str], chance: random.Random) -> Iterator[str]:
    """Each fault once in a random order, again and again."""
    while True:
        yield from chance.sample(names, len(names))

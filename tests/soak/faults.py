"""The faults of a soak, drawn by a seed: each is inflicted and mended while everything else goes on."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import socket
import sqlite3
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from streamgauge.tracer import codec
from streamgauge.tracer.records import TraceBatch
from tests.soak.parts import WORKERS, Driver, Fleet, Pipeline, Plan, children
from tests.soak.worker import BEGIN, JOB, PANE

_LEAP: Final = 600.0  # seconds


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


def change_configuration(scene: Scene) -> str:
    """Thresholds change while it runs; everybody goes on from what was committed."""
    scene.pipeline.reload()
    return f"reload {scene.pipeline.reloads}"


def drip_webhook(scene: Scene) -> str:
    """A receiver of notifications that answers a byte a second, and then is taken out again."""
    with socket.create_server(("127.0.0.1", 0)) as server, _serving(server):
        port = server.getsockname()[1]
        scene.pipeline.reload(f'[[webhooks]]\nurl = "http://127.0.0.1:{port}/"\n')
        time.sleep(scene.held)
        scene.pipeline.reload()
    return f"for {scene.held:g} s"


def exhaust_descriptors(scene: Scene) -> str:
    """The pipeline may open hardly a file more, and 200 connections want to come in."""
    pid = scene.pipeline.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{pid}/fd")) + 4, before[1]))
    with _connected(scene, 200, b""):
        time.sleep(scene.held)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    return f"for {scene.held:g} s"


def slow_headers(scene: Scene) -> str:
    """Three hundred requests that do not go on; the next whole one is answered."""
    with _connected(scene, 300, b"GET /api/jobs HTTP/1.1\r\nHost: localhost\r\n"):
        time.sleep(scene.held)
        assert scene.pipeline.ask("api/about", 30.0)["jobs"]
    return f"for {scene.held:g} s"


def flip_bit(scene: Scene) -> str:
    """A worker's record in which a single bit is another."""
    sound = bytearray(codec.encode(TraceBatch(
        job=JOB, worker="flipped", incarnation="i", sequence=1, pane=BEGIN, pane_length=PANE, interval=PANE,
        watermark=BEGIN, index=b"\0\0", value=bytes(8),
    )))  # fmt: skip
    place = scene.chance.randrange(8 * len(sound))
    sound[place // 8] ^= 1 << place % 8
    scene.driver.send([("traces", JOB, bytes(sound))])
    scene.poison.append(bytes(sound))
    return f"bit {place} of {8 * len(sound)}"


def leap_clock(scene: Scene) -> str:
    """The clock of the host that writes the ticks is ten minutes ahead for a while; time itself goes on."""
    scene.driver.leap = _LEAP
    time.sleep(scene.held)
    scene.driver.leap = 0.0
    return f"{_LEAP:g} s for {scene.held:g} s"


@contextlib.contextmanager
def _connected(scene: Scene, count: int, sent: bytes) -> Iterator[None]:
    """Connections to the page, as far as they are let in."""
    where = urllib.parse.urlsplit(scene.pipeline.address)
    made: list[socket.socket] = []
    with contextlib.suppress(OSError):
        for _ in range(count):
            made.append(socket.create_connection((where.hostname or "", where.port or 0), timeout=2.0))
            made[-1].sendall(sent)
    try:
        yield
    finally:
        for one in made:
            one.close()


@contextlib.contextmanager
def _serving(server: socket.socket) -> Iterator[None]:
    """Takes connections, reads nothing, and answers a byte a second."""
    over, taken = threading.Event(), list[socket.socket]()
    server.settimeout(0.2)

    def serve() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                taken.append(server.accept()[0])
            for one in taken:
                with contextlib.suppress(OSError):
                    one.sendall(b"H")
            over.wait(0.8)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for one in taken:
            one.close()


Fault = Callable[[Scene], str]
FAULTS: Final[Mapping[str, Fault]] = {
    "kill run": kill_run, "kill engine": kill_engine, "kill worker": kill_worker, "kill broker": kill_broker,
    "lock store": lock_store, "pause": pause, "poison": poison, "fill disk": fill_disk,
    "change configuration": change_configuration, "drip webhook": drip_webhook, "flip bit": flip_bit,
    "exhaust descriptors": exhaust_descriptors, "slow headers": slow_headers, "leap clock": leap_clock,
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

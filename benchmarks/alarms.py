"""Jobs that lose one table of their samples after the other, a load beside them, and the webhook that is told of it.

Each alert is at a place with nothing upstream (a source) and folds into nothing. A source fires when it is missing in
two windows in a row: the clock starts right before the record that closes the second is sent, and stops when the
webhook has the notification.
"""

from __future__ import annotations

import http.server
import json
import math
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from streamgauge.tracer import codec
from streamgauge.tracer.records import Name, TraceBatch
from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import Message, Transport

JOBS: Final = 6
TABLES: Final = 20  # of each job, each with two columns: 120 alerts
ROWS: Final = 100  # of each worker and window
WINDOW: Final = 1.0  # seconds
LEARNT: Final = 12  # windows before the first table is lost
WORKERS: Final = 20  # of the load
NAMES: Final = 100  # series of each of them
POINTS: Final = 500  # of a record
RATE: Final = 100_000  # points a second
BEAT: Final = 0.05  # seconds between batches of the load
GRACE: Final = 15.0  # seconds in which the last notifications may still come
SEED: Final = 20260701
_HOOK: Final = """
[[webhooks]]
url = "http://127.0.0.1:{port}/"
"""
_JOB: Final = """
[[jobs]]
name = "{name}"
pane = 1
tick = 0.5
max_hold = 30

[[jobs.windows]]
name = "short"
kind = "short"
length = {length}
slide = {length}

[[jobs.windows]]
name = "wall"
kind = "wall"
length = 10
slide = 10

[jobs.detection]
warm_up = {warm_up}
"""
_FEATURE: Final = """
[[jobs.features]]
name = "{name}"
kind = "numeric"
source = "{source}"
"""


class Hook:
    """A webhook on loopback that notes when each place was told first; a context manager."""

    def __init__(self) -> None:
        self.told: dict[tuple[str, str], float] = {}
        hook = self

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                labels = body["alerts"][0]["labels"]
                hook.told.setdefault((labels["job"], labels["entity"]), time.monotonic())
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Be quiet."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Hook:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Worker:
    """One of the two workers of a job whose tables are lost, a real tracer on a clock that is given."""

    def __init__(self, job: str, name: str, log: Transport, start: float) -> None:
        self.now, self._random = start, np.random.default_rng((SEED, int(name)))
        self._log, self._held = log, Held()
        self._tracer = Tracer(
            job, name, self._held, clock=lambda: self.now, pane=WINDOW, features=dict.fromkeys(columns(), "numeric"),
            usage=False,
        )  # fmt: skip

    def live(self, start: float, lost: int) -> None:
        """See the window's samples without the first `lost` tables and fold them; nothing is sent yet."""
        self.now = start + 0.5 * WINDOW
        self._tracer.observe(
            {name: np.full(ROWS, np.nan) if table < lost else self._random.normal(size=ROWS)
             for name, table in columns().items()}
        )  # fmt: skip
        self.now = start + WINDOW
        self._tracer.idle()
        self._tracer.flush()

    def send(self) -> None:
        """Send what the window gave; its last record closes it."""
        self._log.send(self._held.take())


class Held:
    """A transport that keeps what is sent until it is wanted, so that the clock can start at the sending itself."""

    def __init__(self) -> None:
        self._messages: list[tuple[str, str, bytes]] = []

    def send(self, messages: Sequence[tuple[str, str, bytes]]) -> None:
        """Keep them."""
        self._messages += messages

    def take(self) -> list[tuple[str, str, bytes]]:
        """What was kept."""
        taken, self._messages = self._messages, []
        return taken

    def read(self, topic: str, offset: int, limit: int) -> list[Message]:
        """Nothing."""
        return []

    def latest(self, topic: str) -> Mapping[str, bytes]:
        """Nothing."""
        return {}

    def close(self) -> None:
        """Nothing to release."""


class Load(threading.Thread):
    """Sends `per_second` points a second, in time with the wall clock; a context manager. It closes the log."""

    def __init__(self, log: Transport, per_second: int = RATE) -> None:
        super().__init__(name="load", daemon=True)
        self.rate, self._stopping, self._log, self._per_second = 0.0, threading.Event(), log, per_second
        random = np.random.default_rng(SEED)
        self._index = random.permutation(np.arange(POINTS) % NAMES).astype("<u2").tobytes()
        self._value = random.normal(size=POINTS).astype("<f8").tobytes()
        self._names = codec.encode_names([Name("train", "gradient_norm", f"tensor:{i}") for i in range(NAMES)])

    def __enter__(self) -> Load:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopping.set()
        self.join()
        self._log.close()

    def run(self) -> None:
        """The thread's life."""
        begun, sent = time.monotonic(), 0
        while not self._stopping.wait(BEAT):
            due = int((time.monotonic() - begun) * self._per_second / POINTS)
            self._log.send([("traces", "load", self._record(number)) for number in range(sent, due)])
            sent = due
            self.rate = sent * POINTS / (time.monotonic() - begun)

    def _record(self, number: int) -> bytes:
        now = time.time()
        batch = TraceBatch(
            job="load", worker=f"worker:{number % WORKERS}", incarnation="a", sequence=number // WORKERS + 1,
            pane=now // 1, pane_length=1.0, interval=1.0, watermark=now // 1,
            names=self._names, index=self._index, value=self._value,
        )  # fmt: skip
        return codec.encode(batch)


def columns() -> dict[str, int]:
    """The features of a job, each with its table's number."""
    return {f"t{table}_{side}": table for table in range(TABLES) for side in "ab"}


def configuration(head: str, port: int) -> str:
    """The `streamgauge.toml` of all jobs, behind its first lines; `port` is the webhook's."""
    features = "".join(_FEATURE.format(name=name, source=f"t{table}") for name, table in columns().items())
    learning = _JOB.format(name="{name}", length=WINDOW, warm_up=(LEARNT - 2) * WINDOW)
    jobs = [learning.format(name=f"ctr{k}") + features for k in range(JOBS)]
    load = _JOB.format(name="load", length=10, warm_up=3600)
    return "".join([head, _HOOK.format(port=port), *jobs, load])


def play(log: Transport, tables: int) -> dict[tuple[str, str], float]:
    """When the record was sent that closed the window that shows each loss."""
    closed: dict[tuple[str, str], float] = {}
    start = math.ceil(time.time() / WINDOW) * WINDOW
    jobs = {f"ctr{k}": [Worker(f"ctr{k}", str(side), log, start) for side in range(2)] for k in range(JOBS)}
    for number in range(LEARNT + tables + 2):
        lost = min(max(0, number - LEARNT + 1), tables)
        for workers in jobs.values():
            for worker in workers:
                worker.live(start + number * WINDOW, lost)
        time.sleep(max(0.0, start + (number + 1) * WINDOW - time.time()))
        shown = number - LEARNT - 1  # the table whose loss is two windows old with this one
        for job, workers in jobs.items():
            workers[0].send()
            if 0 <= shown < tables:
                closed[job, f"source:t{shown}"] = time.monotonic()
            workers[1].send()
    return closed


def wait(hook: Hook, wanted: int) -> None:
    """Until all have come, or the last may be given up."""
    deadline = time.monotonic() + GRACE
    while len(hook.told) < wanted and time.monotonic() < deadline:
        time.sleep(0.05)

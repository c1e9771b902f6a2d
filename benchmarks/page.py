"""The live page against its targets: first useful paint, a chart of 100,000 points, range queries, open event streams.

A `run` process of its own serves 50 jobs with a year of scores and points every three hours; Debian's Chromium looks at
it. First useful paint is the time from the navigation until tiles, score, chart and waterfall stand, the median of
fresh browser profiles. Queries are answered over HTTP, one at a time; the cost of open pages is the server's CPU time.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from benchmarks.rows import Row, waited
from streamgauge.anomaly.types import Part, Score
from streamgauge.pipelines.adapters.sqlite.store import SqliteStore
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.outputs import PointColumns
from streamgauge.tracer.local.log import LocalLog

JOBS: Final = 50
STEP: Final = 10_800.0
START: Final = 1_735_689_600.0  # 2025-01-01
SERIES: Final = 6  # of each job
CLIENTS: Final = 100
EVENTS: Final = 10  # a second
SEED: Final = 20260701
_USEFUL: Final = """async () => {
  const stands = () => document.querySelectorAll('.tile').length >= 50
    && ['.u-over', '.fall-end', '.score b'].every((wanted) => document.querySelector(wanted));
  while (!stands()) await new Promise(requestAnimationFrame);
  return performance.now();
}"""
_FLAGS: Final = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
_DRAW: Final = """async () => {
  const { chart } = await import('/js/charts.js');
  const n = 100000, times = [], values = [];
  for (let i = 0; i < n; i++) { times.push(1.7e9 + i); values.push(Math.sin(i / 500) + Math.sin(i * 12.9898) * 0.3); }
  const box = document.createElement('div');
  document.querySelector('main').prepend(box);
  const settled = () => new Promise((done) => queueMicrotask(() => queueMicrotask(done)));
  let start = performance.now();
  const drawn = chart(box, { label: 'benchmark', lines: [{ label: 'value' }], height: 300 }, [times, values]);
  await settled();
  const first = performance.now() - start;
  const updates = [];
  for (let i = 0; i < 9; i++) {
    times.push(1.7e9 + n + i); values.push(0);
    start = performance.now();
    drawn.set([times, values]);
    await settled();
    updates.push(performance.now() - start);
  }
  drawn.end();
  box.remove();
  return [first, updates.sort((a, b) => a - b)[4]];
}"""


def run(args: argparse.Namespace) -> Iterable[Row]:
    """Milliseconds, and shares of a core, each against its target."""
    with tempfile.TemporaryDirectory() as name, serving(Path(name), 120 if args.quick else 2920) as (port, pid):
        rounds = 3 if args.quick else 7
        yield from _painted(port, rounds)
        yield waited("page range query p95", _queries(port, 60 if args.quick else 300), "ms", 50.0)
        yield waited(
            "page 100 clients at 10 events/s", _streams(Path(name), port, pid, 3 if args.quick else 10), "core", 0.5
        )


@contextlib.contextmanager
def serving(folder: Path, windows: int) -> Iterator[tuple[int, int]]:
    """A `run` process over a filled store; its port and process id."""
    config = folder / "streamgauge.toml"
    jobs = "".join(
        f'[[jobs]]\nname = "job-{i:02d}"\npane = "1h"\ntick = "1h"\nmax_ahead = "3h"\n'
        '[[jobs.windows]]\nname = "3h"\nkind = "short"\nlength = "3h"\nslide = "3h"\n'
        for i in range(JOBS)
    )
    config.write_text(f'clock = "log"\nconsole = false\n{jobs}')
    _fill(folder / "store.db", windows)
    command = [sys.executable, "-m", "pipelines", "run", "--config", str(config), "--data", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        try:
            yield int(urllib.parse.urlsplit(address).port or 0), process.pid
        finally:
            process.terminate()


def _fill(path: Path, windows: int) -> None:
    random_ = np.random.default_rng(SEED)
    store = SqliteStore(path)
    keys = msgspec.msgpack.encode([("", "sample", f"feature:f{i}", "psi") for i in range(SERIES)])
    for number in range(JOBS):
        losses = (random_.random(windows) * 1e6 * number).astype(int).tolist()
        batch: list[Any] = []
        for window in range(windows):
            end = START + (window + 1) * STEP
            batch += _scores(f"job-{number:02d}", end, losses[window])
            batch.append(_points(f"job-{number:02d}", end, keys, random_.random(SERIES)))
        store.write(batch)
    store.close()


def _scores(job: str, end: float, lost: int) -> list[Score]:
    parts = (Part("train", "", "", "loss", lost // 2), Part("sample", "feature:f0", "", "psi", lost - lost // 2))
    return [
        Score(
            job=job, domain=domain, start=end - STEP, end=end, micropoints=100_000_000 - lost, coverage=1.0, parts=parts
        )
        for domain in ("overall", "sample", "train", "system")
    ]


def _points(job: str, end: float, keys: bytes, values: np.ndarray[Any, Any]) -> PointColumns:
    same, zero = values.tobytes(), np.zeros(SERIES).tobytes()
    return PointColumns(
        job=job, window="3h", start=end - STEP, end=end, revision=0, number=1, keys=keys, value=same, rows=zero,
        error=zero, floor=zero, reference=same, low=zero, high=same,
    )  # fmt: skip


def _painted(port: int, rounds: int) -> Iterator[Row]:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("chromium is missing: apt-get install --no-install-recommends chromium")
    paints, draws, updates = list[float](), list[float](), list[float]()
    with sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=chromium, args=_FLAGS)
        for _ in range(rounds):
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{port}/#/overview?range=1y", wait_until="commit")
            paints.append(page.evaluate(_USEFUL))
            first, update = page.evaluate(_DRAW)
            draws.append(first)
            updates.append(update)
            page.close()
        browser.close()
    yield waited("page first useful paint, 50 jobs", statistics.median(paints), "ms", 1000.0)
    yield waited("page 100,000 points, first draw", min(draws), "ms", 100.0)
    yield waited("page 100,000 points, update", statistics.median(updates), "ms", 16.7)


def _queries(port: int, count: int) -> float:
    """The 95th percentile of the answers to what the page asks for a random range."""
    choose = random.Random(SEED)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    times = []
    for i in range(count):
        end = START + choose.random() * 365 * 86_400
        start = end - choose.choice([86_400, 7 * 86_400, 28 * 86_400, 365 * 86_400])
        job = f"job-{choose.randrange(JOBS):02d}"
        path = (f"points?series={choose.randrange(1, JOBS * SERIES)}&", "scores?limit=5000&", "changed?", "anomalies?")[
            i % 4
        ]
        begun = time.perf_counter()
        connection.request("GET", f"/api/jobs/{job}/{path}start={start:.0f}&end={end:.0f}")
        response = connection.getresponse()
        response.read()
        assert response.status == 200, path
        times.append((time.perf_counter() - begun) * 1e3)
    connection.close()
    return sorted(times)[int(0.95 * (count - 1))]


def _streams(folder: Path, port: int, pid: int, seconds: int) -> float:
    """The server's share of a core while 100 pages get 10 events a second each."""
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(CLIENTS)]
    for one in sockets:
        one.sendall(f"GET /api/events HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode())
        one.recv(65536)
        one.setblocking(False)
    log, begun, spent = LocalLog(folder / "log.db"), time.monotonic(), _cpu(pid)
    for i in range(seconds * EVENTS):
        end = START + 400 * 86_400 + i
        log.send([("scores", "job-00", outputs.encode(_scores("job-00", end, 1000)[0]))])
        time.sleep(max(0.0, begun + (i + 1) / EVENTS - time.monotonic()))
    used = (_cpu(pid) - spent) / (time.monotonic() - begun)
    received = sum(_received(one) for one in sockets)
    assert received > CLIENTS * seconds * EVENTS * 0.9, f"only {received} events came"
    log.close()
    for one in sockets:
        one.close()
    return used


def _received(one: socket.socket) -> int:
    found = b""
    with contextlib.suppress(BlockingIOError):
        while data := one.recv(1 << 20):
            found += data
    return found.count(b"event: score")


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

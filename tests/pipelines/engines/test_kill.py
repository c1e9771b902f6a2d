"""`streamgauge run` killed with SIGKILL at random moments ends with the same store as one that was never killed."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from streamgauge.pipelines.adapters.sqlite.canonical import canonical_dump
from streamgauge.tracer import codec
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.records import Name, Tick, TraceBatch

PANE = 10.0
CONFIG = """
clock = "log"
port = 0
console = false
[jobs.ctr]
pane = 10
tick = 10
workers = 2
windows = [
  { name = "short", kind = "short", length = 20, slide = 20 },
  { name = "long", kind = "long", length = 60, slide = 20 },
  { name = "wall", kind = "wall", length = 20, slide = 20 },
]
paging = { grace = 10, max_wait = 30, tolerance = 10, hop_delay = 10, group = 20, clear_hold = 20, recover = 20 }
"""
NAMES = codec.encode_names([Name("sample", "rows", ""), Name("train", "loss", ""), Name("train", "rows", "")])


def pane_of(number: int) -> list[tuple[str, str, bytes]]:
    """What two workers and the host append for one pane; worker v has a fault now and then, and falls silent."""
    sent = []
    for worker in ("u", "v"):
        if worker == "v" and 60 <= number < 75:
            continue
        facts = (("nonfinite", "tensor:dense", 3.0),) if worker == "v" and number % 40 == 30 else ()
        value = np.array([50.0, 0.3 + 0.01 * (number % 7), 50.0])
        sent.append(TraceBatch(
            job="ctr", worker=worker, incarnation="i", sequence=number + 1, pane=number * PANE, pane_length=PANE,
            interval=PANE, watermark=(number + 1) * PANE, names=NAMES, index=np.arange(3, dtype="<u2").tobytes(),
            value=value.tobytes(), captured=3 * (number + 1), hard=facts,
        ))  # fmt: skip
    return [("traces", "ctr", codec.encode(record)) for record in (*sent, Tick(job="ctr", time=(number + 1) * PANE))]


def start(config: Path, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pipelines", "run", "--config", str(config), "--data", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def drain(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    address = process.stdout.readline().split()[1]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"{address}api/health", timeout=10) as response:
            if not any(json.load(response)["lags"].values()):
                return
        time.sleep(0.05)
    raise AssertionError("did not drain")


@pytest.mark.timeout(180)
def test_a_pipeline_killed_at_any_moment_ends_with_the_store_of_one_that_was_not(tmp_path: Path) -> None:
    config, folder = tmp_path / "streamgauge.toml", tmp_path / "killed"
    config.write_text(CONFIG)
    folder.mkdir()
    log, chance, panes = LocalLog(folder / "log.db"), random.Random(7), iter(range(160))
    for around in (1.0, 7.0, 2.0, 7.5):  # state is committed every 5 s: before and after the first commit
        process = start(config, folder)
        moment = time.monotonic() + around * chance.uniform(0.8, 1.2)
        while time.monotonic() < moment:
            number = next(panes, None)
            if number is not None:
                log.send(pane_of(number))
            time.sleep(0.1)
        process.kill()
        process.communicate()
    for number in panes:
        log.send(pane_of(number))
    process = start(config, folder)
    drain(process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 0
    process.communicate()
    log.close()
    steady = tmp_path / "steady"
    command = ["replay", "--log", str(folder / "log.db"), "--config", str(config), "--data", str(steady)]
    done = subprocess.run([sys.executable, "-m", "pipelines", *command], capture_output=True, text=True, check=True)
    assert "replayed" in done.stdout
    one, other = canonical_dump(folder / "store.db"), canonical_dump(steady / "store.db")
    for kind in (b'["score"', b'["point"', b'["anomaly"', b'["notification"', b'["decision"'):
        assert kind in one, kind
    assert one.splitlines() == other.splitlines()

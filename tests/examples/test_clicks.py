"""The small job on the wall's clock: it learns, tells what it sees, and breaks when it is told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from streamgauge.examples.clicks.job import FEATURES, TIMEOUT, Job
from streamgauge.tracer import codec
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.records import TraceBatch
from streamgauge.tracer.summaries import Counts
from streamgauge.tracer.summaries import decode as summary
from streamgauge.tracer.tracer import Labels, Tracer
from streamgauge.tracer.transport import MemoryLog
from tests.places import ROOT

START = 1_800_000_000.0


class Lived:
    """A worker that lived through some minutes of a clock of the test's."""

    def __init__(self, seconds: int, fault: tuple[float, float] | None = None) -> None:
        self.log, self.now, self.losses = MemoryLog(), START, list[float]()
        tracer = Tracer(
            "clicks", "w0", self.log, clock=lambda: self.now, features=FEATURES, usage=False,
            labels=Labels(horizon=60.0, margin=10.0, timeout=60.0),
        )  # fmt: skip
        job = Job(tracer, 1, fault=fault)
        for _ in range(seconds):
            job.turn(self.now)
            self.losses.append(job.loss)
            self.now += 1.0
            tracer.beat()
        tracer.close()
        assert not [name for name in tracer.counters if name.startswith("fault")]

    def batches(self) -> list[TraceBatch]:
        sent = (codec.decode(message.value) for message in self.log.read("traces", 0, 10_000))
        return [one for one in sent if isinstance(one, TraceBatch)]

    def total(self, name: str) -> float:
        points = [
            (codec.decode_names(batch.names)[index].name, value)
            for batch in self.batches()
            for index, value in zip(np.frombuffer(batch.index, "<u2"), np.frombuffer(batch.value, "<f8"), strict=True)
        ]
        return sum(value for found, value in points if found == name)


def test_it_learns_more_than_the_base_rate() -> None:
    lived = Lived(240)
    rate = lived.total("positives") / lived.total("labels")
    entropy = -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate))
    assert np.mean(lived.losses[-60:]) < 0.97 * entropy


def test_every_impression_is_seen_once_and_labelled_within_the_time_out() -> None:
    lived = Lived(120)
    seen, labelled = lived.total("rows_seen"), lived.total("labels")
    assert seen == pytest.approx(200 * 119, rel=0.05)
    assert seen - labelled == pytest.approx(200 * TIMEOUT, rel=0.25)  # the last ones are still waited for
    assert lived.total("flips") == 0


def test_the_fault_takes_the_age_away_while_it_lasts() -> None:
    lived = Lived(120, fault=(60.0, 20.0))
    missing = {}
    for batch in lived.batches():
        for sketch in batch.sketches:
            if (sketch.kind, sketch.entity) == ("counts", "feature:age"):
                found = summary(sketch)
                assert isinstance(found, Counts)
                missing[(batch.pane - START) % 60] = found.missing / found.rows
    assert {at: round(share) for at, share in missing.items()} == {0: 1, 10: 1, 20: 0, 30: 0, 40: 0, 50: 0}


def test_a_worker_sends_until_it_is_told_to_stop_and_says_goodbye(tmp_path: Path) -> None:
    log, alive = tmp_path / "log.db", tmp_path / "alive"
    command = [sys.executable, "-m", "streamgauge.examples.clicks", "--worker", "w0"]
    command += ["--log", str(log), "--alive", str(alive)]
    worker = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"})
    try:
        deadline = time.monotonic() + 60
        while not alive.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=60) == 0
    finally:
        worker.kill()
    sent = LocalLog(log)
    last = codec.decode(sent.read("traces", sent.end("traces") - 1, 1)[0].value)
    sent.close()
    assert isinstance(last, TraceBatch)
    assert (last.job, last.worker, last.final) == ("clicks", "w0", True)

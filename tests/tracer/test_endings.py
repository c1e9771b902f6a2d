"""A bus that hangs or wants the process to end, and a process that is asked to end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from streamgauge.tracer import aside, codec, control
from streamgauge.tracer.incarnation import Incarnation
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.records import TraceBatch
from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import MemoryLog

WORKER = """
import os, signal, sys, time
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.tracer import Tracer
{before}
tracer = Tracer("ctr", "w", LocalLog({log!r}))
tracer.step(loss=0.5, rows=4)
tracer.flush()
print("ready", flush=True)
while True:
    tracer.step(loss=0.5, rows=4)
    time.sleep(0.001)
"""
OWN = "signal.signal(signal.SIGTERM, lambda number, frame: (print('own', flush=True), sys.exit(3)))"


class Hanging(MemoryLog):
    """Takes nothing while it is shut."""

    def __init__(self) -> None:
        super().__init__()
        self.door = threading.Event()

    def send(self, messages: Sequence[tuple[str, str, bytes]]) -> None:
        self.door.wait(30.0)
        super().send(messages)


class Failing(MemoryLog):
    """Raises what it is given, as often as that is said."""

    def __init__(self, error: BaseException, times: int) -> None:
        super().__init__()
        self.error, self.times = error, times

    def send(self, messages: Sequence[tuple[str, str, bytes]]) -> None:
        if self.times > 0:
            self.times -= 1
            raise self.error
        super().send(messages)

    def latest(self, topic: str) -> Mapping[str, bytes]:
        if self.times > 0:
            raise self.error
        return super().latest(topic)


def test_a_beat_on_a_transport_that_hangs_returns_and_later_all_of_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Incarnation.exchange, "__defaults__", (0.05,))
    now, log = 1000.0, Hanging()
    tracer = Tracer("ctr", "w", log, clock=lambda: now)
    for _ in range(5):
        tracer.step(loss=0.5, rows=4)
        now += 10.0
        tracer.beat()
    assert tracer.counters["fault_send"] >= 1
    assert tracer.flush(0.05) is False
    log.door.set()
    assert tracer.close(10.0)
    rows = [one for m in log.read("traces", 0, 100) if isinstance(one := codec.decode(m.value), TraceBatch)]
    assert [one.sequence for one in rows] == list(range(1, len(rows) + 1))
    assert rows[-1].final


def test_work_that_hangs_is_left_alone_until_it_is_done() -> None:
    one, door, done = aside.Aside("test"), threading.Event(), list[int]()
    assert one.run(lambda: done.append(1))
    assert not one.run(lambda: (door.wait(10.0), done.append(2)), 0.01)
    assert not one.run(lambda: done.append(3), 0.01)
    door.set()
    while one.is_busy:
        time.sleep(0.001)
    assert one.run(lambda: done.append(4))
    assert done == [1, 2, 4]


@pytest.mark.parametrize("error", [SystemExit(1), MemoryError("no more")])
def test_what_a_transport_raises_does_not_end_the_sending_and_is_said(error: BaseException) -> None:
    log = Failing(error, times=3)
    tracer = Tracer("ctr", "w", log, pane=1.0)
    deadline = time.monotonic() + 20.0
    while time.monotonic() < deadline and log.times > 0:
        tracer.step(loss=0.5, rows=4)
        time.sleep(0.01)
    assert tracer.counters["fault_send"] >= 1
    while time.monotonic() < deadline and not log.end("status"):
        assert tracer.flush(10.0)
        time.sleep(0.05)
    said = [control.decode_status(m.value).fault for m in log.read("status", 0, 100)]
    assert any(type(error).__name__ in fault for fault in said)
    assert tracer.close(10.0)


@pytest.mark.parametrize(("before", "code", "says"), [("", -signal.SIGTERM, ""), (OWN, 3, "own")])
def test_sigterm_says_goodbye_and_then_does_what_it_would_have_done(
    tmp_path: Path, before: str, code: int, says: str
) -> None:
    path = tmp_path / "log.db"
    command = [sys.executable, "-c", WORKER.format(before=before, log=str(path))]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    assert worker.stdout is not None
    assert worker.stdout.readline() == "ready\n"
    worker.send_signal(signal.SIGTERM)
    out, _ = worker.communicate(timeout=30)
    assert (worker.returncode, out.strip()) == (code, says)
    log = LocalLog(path)
    last = codec.decode(log.read("traces", 0, 10_000)[-1].value)
    log.close()
    assert isinstance(last, TraceBatch)
    assert last.final

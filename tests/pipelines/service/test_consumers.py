"""Consumers as threads, and the folder that one process holds."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import pytest

from streamgauge.pipelines.adapters.data_folder import FolderInUse, lock_folder
from streamgauge.pipelines.ports import StoreBusy
from streamgauge.pipelines.service.consumers import Consumer
from streamgauge.tracer.transport import LogError, MemoryLog


def test_a_folder_is_held_by_one_process_and_the_refusal_names_it(tmp_path: Path) -> None:
    words = r"another streamgauge \(process \d+\) runs on .*data; stop it, or name"
    with lock_folder(tmp_path / "data"), pytest.raises(FolderInUse, match=words):
        lock_folder(tmp_path / "data")
    lock_folder(tmp_path / "data").close()


@pytest.mark.parametrize("error", [StoreBusy("locked"), LogError("full", retryable=True), OSError("odd")])
def test_a_failing_step_is_tried_again_and_told_while_it_lasts(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    stopping, done, is_broken = threading.Event(), threading.Event(), True

    def step() -> int:
        if is_broken:
            raise error
        done.set()
        return 0

    ended: list[bool] = []
    consumer = Consumer("c", MemoryLog(), step, stopping, lambda: ended.append(True))
    with caplog.at_level(logging.INFO, "streamgauge.pipelines.service.consumers"):
        consumer.start()
        while consumer.failures < 2:
            time.sleep(0.01)
        assert str(error) in consumer.error
        is_broken = False
        assert done.wait(10)
        while consumer.failures:
            time.sleep(0.01)
        stopping.set()
        consumer.join(5)
    assert ended == [True]
    level = "ERROR" if isinstance(error, OSError) else "WARNING"
    assert [record.levelname for record in caplog.records] == [level, "INFO"]


def test_a_stop_is_quick_though_nothing_happens() -> None:
    stopping = threading.Event()
    consumer = Consumer("c", MemoryLog(), lambda: 0, stopping)
    consumer.start()
    started = time.monotonic()
    stopping.set()
    consumer.join(5)
    assert time.monotonic() - started < 1.0


def test_a_failure_that_comes_and_goes_is_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    stopping, calls = threading.Event(), 0

    def step() -> int:
        nonlocal calls
        calls += 1
        if calls % 2:
            raise StoreBusy("locked")
        stopping.wait(0.01)
        return 1

    consumer = Consumer("c", MemoryLog(), step, stopping)
    consumer.start()
    while calls < 8:
        time.sleep(0.01)
    stopping.set()
    consumer.join(5)
    assert [record.getMessage() for record in caplog.records] == ["c waits: locked"]

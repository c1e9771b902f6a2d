"""The log on disk: other processes, crashes, forks, retention."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.transport import LogError
from tests.forks import fork

# Sends numbered batches of three messages on two topics, and says a batch's number once `send` has returned.
WRITER = """
import sys
from streamgauge.tracer.local.log import LocalLog
log = LocalLog(sys.argv[1])
name, i, last = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
while i < last:
    body = b"%d" % i + b"." * (i % 5000)
    log.send([("traces", name, body), ("traces", name, body), ("scores", name, body)])
    log.commit(name, {"traces": i}, b"%d" % i)
    print(i, flush=True)
    i += 1
sys.stdin.read()
"""


def start_writer(
    path: Path, name: str, first: int = 0, last: int = 1_000_000, pause: float = 0.0
) -> subprocess.Popen[str]:
    script = WRITER.replace("i += 1", f"i += 1\n    __import__('time').sleep({pause})")
    command = [sys.executable, "-c", script, str(path), name, str(first), str(last)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def kill(writer: subprocess.Popen[str]) -> int:
    """SIGKILL the writer; the number of the last batch that it said was sent, -1 if none."""
    writer.send_signal(signal.SIGKILL)
    out, _ = writer.communicate(timeout=10)
    said = [line for line in out.split("\n")[:-1] if line]
    return int(said[-1]) if said else -1


def numbers(log: LocalLog, topic: str, name: str) -> list[int]:
    return [int(m.value.rstrip(b".")) for m in log.read(topic, 0, 1_000_000) if m.key == name]


def wait_for(log: LocalLog, topic: str, count: int) -> None:
    deadline = time.monotonic() + 20
    while log.end(topic) < count:
        assert time.monotonic() < deadline, "the writer does not write"
        log.wait(0.1)


def test_what_a_killed_writer_acknowledged_is_there_once_and_new_appends_work(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    chance = random.Random(7)
    first = 0
    with_reader = LocalLog(path)
    for _ in range(4):
        writer = start_writer(path, "w", first)
        wait_for(with_reader, "scores", first + 1)
        time.sleep(chance.uniform(0.0, 0.15))
        said = kill(writer)
        log = LocalLog(path)
        scores = numbers(log, "scores", "w")
        assert scores == list(range(len(scores)))
        assert len(scores) >= said + 1
        assert numbers(log, "traces", "w") == [i for i in scores for _ in range(2)]  # never half a batch
        offsets, state = log.committed("w")
        assert state == b"%d" % offsets["traces"]
        assert said <= offsets["traces"] <= len(scores) - 1
        first = len(scores)
        log.close()
    with_reader.send([("traces", "after", b"1")])
    assert with_reader.read("traces", 2 * first, 10)[0].key == "after"
    with_reader.close()


def test_two_processes_append_at_once_and_each_keeps_its_order(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    writers = [start_writer(path, name) for name in ("a", "b")]  # both make the file
    log = LocalLog(path)
    wait_for(log, "traces", 100)
    said = [kill(writer) for writer in writers]
    messages = log.read("traces", 0, 1_000_000)
    assert [m.offset for m in messages] == list(range(len(messages)))
    for name, last in zip(("a", "b"), said, strict=True):
        scores = numbers(log, "scores", name)
        assert scores == list(range(len(scores)))
        assert len(scores) >= last + 1
    log.close()


def test_an_append_from_another_process_is_noticed_within_tens_of_milliseconds(tmp_path: Path) -> None:
    log = LocalLog(tmp_path / "log.db", clock=time.time)
    writer = start_writer(tmp_path / "log.db", "w", pause=0.08)
    delays: list[float] = []
    offset = 0
    try:
        while len(delays) < 15:
            assert log.wait(10.0)
            now = time.time()
            for message in log.read("scores", offset, 1000):
                offset = message.offset + 1
                delays.append(now - sent_at(tmp_path / "log.db", message.offset))
    finally:
        kill(writer)
    assert sorted(delays)[7] < 0.05, delays  # the median; the step of `wait` is at most 20 ms
    log.close()


def sent_at(path: Path, offset: int) -> float:
    connection = sqlite3.connect(path)
    number = connection.execute("SELECT id FROM topics WHERE name = 'scores'").fetchone()[0]
    sent: float = connection.execute("SELECT time FROM messages WHERE id = ?", ((number << 40) + offset,)).fetchone()[0]
    connection.close()
    return sent


def crashed(path: Path) -> tuple[Path, bytes]:
    """A log whose process was killed with everything still in its write-ahead file, and that file's bytes."""
    wal = path.with_name(path.name + "-wal")
    writer = start_writer(path, "w", last=40)  # few enough that nothing was folded into the main file
    log = LocalLog(path)
    wait_for(log, "scores", 40)
    kill(writer)
    image, tail = path.read_bytes(), wal.read_bytes()
    log.close()  # folds the write-ahead file in: put both back as they were at the crash
    path.write_bytes(image)
    return wal, tail


@pytest.mark.parametrize("keep", [0.0, 0.31, 0.77, 0.999])
def test_a_torn_tail_is_cut_off_at_a_whole_transaction_and_appends_go_on(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "log.db"
    wal, tail = crashed(path)
    wal.write_bytes(tail[: int(len(tail) * keep)])
    log = LocalLog(path)
    scores = numbers(log, "scores", "w")
    assert scores == list(range(len(scores)))
    assert numbers(log, "traces", "w") == [i for i in scores for _ in range(2)]
    assert (len(scores) > 0) == (keep > 0)
    log.send([("scores", "after", b"1")])
    assert log.read("scores", len(scores), 10)[0].key == "after"
    log.close()


def test_garbage_at_the_tail_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    wal, tail = crashed(path)
    wal.write_bytes(tail[:-2000] + b"\xa5" * 2000)
    log = LocalLog(path)
    scores = numbers(log, "scores", "w")
    assert scores == list(range(len(scores)))
    assert len(scores) >= 39  # the last transaction was a batch or the commit after it
    log.close()


def test_a_fork_gets_its_own_connection_and_both_sides_go_on(tmp_path: Path) -> None:
    log = LocalLog(tmp_path / "log.db")
    log.send([("traces", "parent", b"0")])
    child = fork()
    if child == 0:
        try:
            for _ in range(20):
                log.send([("traces", "child", b"1")])
            os._exit(0 if log.end("traces") >= 21 else 1)
        except BaseException:
            os._exit(2)
    for _ in range(20):
        log.send([("traces", "parent", b"2")])
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    messages = log.read("traces", 0, 100)
    assert [m.offset for m in messages] == list(range(41))
    assert sum(m.key == "child" for m in messages) == 20
    log.close()


def test_a_closed_log_opens_again_when_it_is_used(tmp_path: Path) -> None:
    log = LocalLog(tmp_path / "log.db")
    log.send([("traces", "a", b"1")])
    log.close()
    assert log.end("traces") == 1
    log.close()


def test_trim_deletes_below_an_offset_and_offsets_go_on(tmp_path: Path) -> None:
    log = LocalLog(tmp_path / "log.db")
    log.send([("traces", "a", b"%d" % i) for i in range(1200)] + [("scores", "a", b"x")])
    assert log.trim("traces", 1100) == 1100
    assert log.first("traces") == 1100
    assert [m.offset for m in log.read("traces", 0, 2)] == [1100, 1101]
    assert log.trim("traces", 5000) == 100
    assert (log.first("traces"), log.end("traces"), log.end("scores")) == (1200, 1200, 1)
    log.send([("traces", "a", b"new")])
    assert log.read("traces", 0, 10)[0].offset == 1200
    log.close()


def test_trim_by_age_keeps_what_is_younger_and_what_is_compacted(tmp_path: Path) -> None:
    now = [100.0]
    log = LocalLog(tmp_path / "log.db", clock=lambda: now[0])
    log.send([("traces", "a", b"old"), ("scores", "a", b"old"), ("control", "j/p", b"plan")])
    now[0] = 200.0
    log.send([("traces", "a", b"new")])
    assert log.trim_older(150.0) == 2
    assert [m.value for m in log.read("traces", 0, 10)] == [b"new"]
    assert log.latest("control") == {"j/p": b"plan"}
    with pytest.raises(LogError, match="'control' is compacted"):
        log.trim("control", 10)
    log.close()


def test_a_long_run_with_retention_stays_small(tmp_path: Path) -> None:
    log = LocalLog(tmp_path / "log.db")
    for _ in range(60):
        log.send([("traces", "a", bytes(10_000))] * 10)
        log.trim("traces", log.end("traces") - 20)
    log.close()
    assert (tmp_path / "log.db").stat().st_size < 2_000_000  # of 6 MB

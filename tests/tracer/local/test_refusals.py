"""What the system refuses the log: full disks and limits, locks, damaged and foreign files, one that was replaced."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.transport import LogError


def send_many(log: LocalLog, count: int) -> None:
    for _ in range(count):
        log.send([("traces", "a", bytes(10_000))])


def test_a_full_log_is_a_retryable_error_and_trim_makes_room(tmp_path: Path) -> None:
    log = LocalLog(tmp_path / "log.db", max_bytes=400_000)
    with pytest.raises(LogError, match=r"log.db.*full.*free disk space") as caught:
        send_many(log, 100)
    assert caught.value.retryable
    sent = log.end("traces")
    assert [m.offset for m in log.read("traces", 0, 100)] == list(range(sent))
    log.trim("traces", sent // 2)
    log.send([("traces", "a", bytes(10_000))])
    assert log.end("traces") == sent + 1
    log.close()


def test_a_disk_that_refuses_for_now_is_a_retryable_error_and_what_was_refused_is_taken_later(tmp_path: Path) -> None:
    log = LocalLog(tmp_path / "log.db")
    log.send([("traces", "a", b"1")])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))  # no file grows: neither its log nor its tables
    try:
        with pytest.raises(LogError, match=r"log.db.*failing.*it is tried again") as caught:
            send_many(log, 10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.retryable
    send_many(log, 10)
    assert [message.value for message in log.read("traces", 0, 100)] == [b"1", *[bytes(10_000)] * 10]
    log.close()


def test_a_locked_log_is_a_retryable_error_and_readers_go_on(tmp_path: Path) -> None:
    log = LocalLog(tmp_path / "log.db", busy=0.05)
    log.send([("traces", "a", b"1")])
    other = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LogError, match=r"busy.*try again") as caught:
        log.send([("traces", "a", b"2")])
    assert caught.value.retryable
    assert log.end("traces") == 1
    other.execute("ROLLBACK")
    other.close()
    log.send([("traces", "a", b"2")])
    assert log.end("traces") == 2
    log.close()


def test_a_damaged_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    path.write_bytes(os.urandom(20_000))
    with pytest.raises(LogError, match=r"log\.db.*damaged.*move it") as caught:
        LocalLog(path)
    assert not caught.value.retryable


def test_damage_in_the_middle_is_told_not_returned(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    log = LocalLog(path)
    for i in range(300):
        log.send([("traces", "a", b"%d" % i * 500)])
    log.close()
    content = bytearray(path.read_bytes())
    content[4096 * 3 :] = os.urandom(len(content) - 4096 * 3)
    path.write_bytes(content)
    log = LocalLog(path)
    with pytest.raises(LogError, match=r"log\.db.*damaged"):
        log.read("traces", 0, 1000)
    log.close()


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE precious (x)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(LogError, match=r"other\.db.*another program.*another path"):
        LocalLog(path)
    assert path.read_bytes() == before


def test_a_newer_log_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    LocalLog(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LogError, match=r"version 99.*upgrade Streamgauge"):
        LocalLog(path)


def test_a_missing_folder_is_made_and_one_that_cannot_be_is_named(tmp_path: Path) -> None:
    LocalLog(tmp_path / "data" / "log.db").send([("traces", "ctr", b"a")])
    with pytest.raises(LogError, match=r"nowhere/data/log\.db.*its folder must exist"):
        LocalLog(tmp_path / "nowhere" / "data" / "log.db")


def test_a_worker_starts_while_the_log_is_locked(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    LocalLog(path).close()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    log = LocalLog(path, busy=0.05)
    with pytest.raises(LogError, match="busy"):
        log.send([("traces", "ctr", b"a")])
    holder.close()
    log.send([("traces", "ctr", b"a")])
    assert [message.value for message in log.read("traces", 0, 10)] == [b"a"]


def test_opening_a_log_that_is_there_writes_nothing_and_waits_for_no_writer(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    first = LocalLog(path)
    first.send([("traces", "ctr", b"a")])
    first._file.connect()
    before = (tmp_path / "log.db-wal").stat().st_size
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    again = LocalLog(path, busy=0.0)
    assert [message.value for message in again.read("traces", 0, 10)] == [b"a"]
    assert (tmp_path / "log.db-wal").stat().st_size == before
    writer.execute("ROLLBACK")
    writer.close()
    again.close()
    first.close()


def test_without_a_file_left_to_open_that_is_said_and_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    LocalLog(path).close()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free(), limit[1]))
    try:
        log = LocalLog(path)
        with pytest.raises(LogError, match=r"crowded.*no file left to open.*ulimit -n") as caught:
            log.send([("traces", "ctr", b"a")])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    assert caught.value.retryable
    log.send([("traces", "ctr", b"a")])
    assert log.end("traces") == 1
    log.close()


def lowest_free() -> int:
    """The number that the next open file would have."""
    number = os.open(os.devnull, os.O_RDONLY)
    os.close(number)
    return number


def test_an_unknown_sync_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="sync must be 'normal' or 'full', got 'off'"):
        LocalLog(tmp_path / "log.db", sync="off")  # type: ignore[arg-type]


@pytest.mark.parametrize(("sync", "level"), [("normal", 1), ("full", 2)])
def test_the_fsync_policy_is_the_one_asked_for(tmp_path: Path, sync: str, level: int) -> None:
    log = LocalLog(tmp_path / "log.db", sync=sync)  # type: ignore[arg-type]
    assert log._file._connection is not None
    assert log._file._connection.execute("PRAGMA synchronous").fetchone() == (level,)
    log.close()


def test_at_its_limit_what_all_have_read_goes_and_tracers_wait_for_the_rest(tmp_path: Path) -> None:
    """Only what every consumer has committed is dropped, but for consumers that nobody waits for any more."""
    pipeline, tracer = LocalLog(tmp_path / "log.db", heeds=False), LocalLog(tmp_path / "log.db")
    for i in range(100):
        tracer.send([("traces", "ctr", b"%06d" % i + bytes(10_000)), ("scores", "ctr", b"%06d" % i)])
    pipeline.limit(500_000)
    with pytest.raises(LogError, match=r"takes no more than 500000 until they are read \(\[retention\] log_bytes\)"):
        tracer.send([("traces", "ctr", b"")])
    pipeline.send([("scores", "ctr", b"a pipeline goes on")])
    assert pipeline.trim_to(400_000) == 0
    pipeline.commit("engine", {"traces": 90})
    pipeline.commit("notifier/gone", {"traces": 10})
    assert pipeline.trim_to(400_000) == 10
    assert pipeline.trim_to(400_000, gone=["notifier/gone"]) == 80
    assert pipeline.first("traces") == 90 and pipeline.first("scores") == 0
    tracer.send([("traces", "ctr", b"100")])
    assert pipeline.end("traces") == 101


@contextmanager
def without_room() -> Iterator[None]:
    """No file of this process may be written to beyond its first byte."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limit[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_log_is_read_on_a_disk_without_any_room(tmp_path: Path) -> None:
    log = LocalLog(tmp_path / "log.db")
    log.send([("traces", "ctr", bytes(1000))] * 50)
    log.close()
    with without_room():
        again = LocalLog(tmp_path / "log.db")
        assert len(again.read("traces", 0, 100)) == 50
        assert again.bounds("traces") == {"traces": (0, 50)}
        with pytest.raises(LogError) as caught:
            again.send([("traces", "ctr", b"")])
        assert caught.value.retryable
    again.send([("traces", "ctr", b"")])
    assert again.end("traces") == 51


def test_a_new_log_on_a_disk_without_any_room_is_waited_for(tmp_path: Path) -> None:
    with without_room():
        log = LocalLog(tmp_path / "log.db")
        with pytest.raises(LogError) as caught:
            log.committed("engine")
    assert caught.value.retryable
    assert log.committed("engine") == ({}, None)
    log.close()


def test_a_log_that_others_hold_is_read_on_a_disk_without_any_room(tmp_path: Path) -> None:
    holder = LocalLog(tmp_path / "log.db")
    holder.send([("traces", "ctr", bytes(1000))] * 50)
    with without_room():
        assert len(LocalLog(tmp_path / "log.db").read("traces", 0, 100)) == 50
    holder.close()


@pytest.mark.parametrize("is_back", [False, True])
def test_a_log_deleted_or_replaced_in_use_is_told_to_the_pipeline_and_a_tracer_goes_on_in_the_new_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, is_back: bool
) -> None:
    path = tmp_path / "log.db"
    tracer, pipeline = LocalLog(path), LocalLog(path, heeds=False)
    tracer.send([("traces", "j", b"old")])
    assert pipeline.end("traces") == 1
    path.rename(tmp_path / "away.db")
    if is_back:
        LocalLog(path).close()
    with pytest.raises(LogError, match=r"log\.db: it was deleted or replaced .*start the pipeline again") as fault:
        pipeline.commit("engine", {"traces": 1}, b"state")
    assert not fault.value.retryable
    tracer.send([("traces", "j", b"new")])
    assert "was deleted or replaced; what comes from now on goes into the new one" in caplog.text
    assert [message.value for message in LocalLog(path).read("traces", 0, 9)] == [b"new"]

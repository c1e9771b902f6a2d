"""The whole process on real parts: by wall time with its own ticks, and a sharded job through its second stage."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from streamgauge.anomaly.types import Notification
from streamgauge.pipelines.adapters.http.security import Guard
from streamgauge.pipelines.adapters.sqlite.query import SqliteQuery
from streamgauge.pipelines.commands import run as commands
from streamgauge.pipelines.config.schema import Config, JobConfig, Paging, WindowSpec
from streamgauge.pipelines.service import assembly, run
from streamgauge.pipelines.service.replay import replay
from streamgauge.pipelines.service.run import Service
from streamgauge.tracer import codec, records
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.records import Tick, TraceBatch
from streamgauge.tracer.transport import MemoryLog

WINDOWS = tuple(
    WindowSpec(name=name, kind=kind, length=20.0, slide=20.0)  # type: ignore[arg-type]
    for name, kind in (("short", "short"), ("wall", "wall"))
)
AT_ONCE = Paging(grace=0.0, max_wait=0.0, group=0.0)


def record(worker: str, sequence: int, pane: float, shards: int = 1, **fields: Any) -> tuple[str, str, bytes]:
    shard = records.shard_of(worker, shards)
    made = TraceBatch(
        job="ctr", worker=worker, shard=shard, shards=shards, incarnation="i", sequence=sequence, pane=pane,
        pane_length=10.0, interval=10.0, watermark=pane + 10.0, **fields,
    )  # fmt: skip
    return ("traces", records.key_of("ctr", shard, shards), codec.encode(made))


class Phone:
    """Notes when it is told."""

    name = "phone"

    def __init__(self) -> None:
        self.told: list[tuple[float, Notification]] = []

    def notify(self, notification: Notification) -> None:
        self.told.append((time.time(), notification))


def test_by_wall_time_the_host_ticks_and_a_hard_fact_is_told_within_a_second(tmp_path: Path) -> None:
    job = JobConfig(name="ctr", windows=WINDOWS, paging=AT_ONCE, tick=0.5)
    config = Config(data=str(tmp_path), port=0, console=False, jobs=(job,))
    phone = Phone()
    service = Service(config, assembly.parts_of(config)._replace(notifiers=(phone,)))
    service.start(Guard("127.0.0.1"))
    log = LocalLog(tmp_path / "log.db")
    try:
        pane = time.time() // 10 * 10
        log.send([record("u", 1, pane)])
        time.sleep(1.2)
        sent = time.time()
        log.send([record("u", 2, pane, hard=(("nonfinite", "tensor:x", 3.0),))])
        while not phone.told and time.time() < sent + 10:
            time.sleep(0.02)
    finally:
        service.stop()
    when, notification = phone.told[0]
    assert when - sent < 1.0
    assert (notification.root.metric, notification.root.worker) == ("nonfinite", "u")
    ticks = [made for message in log.read("traces", 0, 1000) if isinstance(made := codec.decode(message.value), Tick)]
    assert len(ticks) >= 2
    assert all(tick.time % 0.5 == 0 for tick in ticks)
    log.close()


def test_a_reload_waits_for_who_still_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "_LEAST_WAIT", 0.05)
    called, answered, ended = (threading.Event() for _ in range(3))

    class Slow(Phone):
        def notify(self, notification: Notification) -> None:
            called.set()
            answered.wait(20)

    job = JobConfig(name="ctr", windows=WINDOWS, paging=AT_ONCE, tick=0.5)
    config = Config(data=str(tmp_path), port=0, console=False, jobs=(job,))
    service = Service(config, assembly.parts_of(config)._replace(notifiers=(Slow(),)))
    service.start(Guard("127.0.0.1"))
    log = LocalLog(tmp_path / "log.db")
    log.send([record("u", 1, time.time() // 10 * 10, hard=(("nonfinite", "tensor:x", 3.0),))])
    log.close()
    assert called.wait(20)
    service.stop()
    (slow,) = service.running()
    signals = commands.Asked()
    waiting = threading.Thread(target=lambda: commands._is_over(service, signals) and ended.set())
    waiting.start()
    assert not ended.wait(0.5)
    answered.set()
    assert ended.wait(20) and service.running() == ()
    waiting.join()
    assert capsys.readouterr().err == f"streamgauge: waits for {slow} to end\n"


@pytest.mark.parametrize("shards", [1, 2])
def test_a_sharded_job_is_told_and_scored_as_one(tmp_path: Path, shards: int) -> None:
    job = JobConfig(name="ctr", windows=WINDOWS, paging=AT_ONCE, tick=10.0, pane=10.0, shards=shards)
    config = Config(data=str(tmp_path), console=False, jobs=(job,))
    recorded, other = MemoryLog(), next(name for name in "abcdvw" if records.shard_of(name, 2) != 0)
    assert records.shard_of("u", 2) == 0
    starts = [10.0 * number for number in range(12)]
    for sequence, start in enumerate(starts, 1):
        facts = (("nonfinite", "tensor:x", 3.0),) if sequence == 4 else ()
        sent = [record("u", sequence, start, shards), record(other, sequence, start, shards, hard=facts)]
        for shard in range(shards):
            tick = Tick(job="ctr", shard=shard, time=start + 10.0)
            sent.append(("traces", records.key_of("ctr", shard, shards), codec.encode(tick)))
        recorded.send(sent)
    last = [*replay(config, recorded, assembly.parts_of(config))][-1]
    assert last.done == last.total
    query = SqliteQuery(tmp_path / "store.db")
    overall = [score for score in query.scores("ctr", 0.0, 1e9) if score["domain"] == "overall"]
    assert [score["end"] for score in overall] == [40.0, 60.0, 80.0, 100.0, 120.0]  # the first scores nothing yet
    incidents = query.incidents("ctr", 0.0, 1e9)
    query.close()
    assert [(one["root"]["metric"], one["root"]["worker"]) for one in incidents] == [("nonfinite", other)]


def test_a_replay_only_reads_the_recorded_log(tmp_path: Path) -> None:
    config = Config(data=str(tmp_path), console=False, jobs=(JobConfig(name="ctr", windows=WINDOWS, shards=2),))
    recorded = MemoryLog()
    recorded.send([record("u", 1, 0.0, 2), record("u", 2, 10.0, 2), ("traces", "ctr/0", b"rubbish")])
    before = recorded.read("traces", 0, 100)
    assert [progress.done for progress in replay(config, recorded, assembly.parts_of(config))][-1] == 3
    assert recorded.read("traces", 0, 100) == before
    assert recorded.committed("engine") == ({}, None)
    log = LocalLog(tmp_path / "log.db")
    assert (log.end("traces"), log.end("dead-letters")) == (0, 1)
    log.close()

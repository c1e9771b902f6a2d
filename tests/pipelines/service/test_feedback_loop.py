"""The loop closed on real parts: a series pages, people say what it was worth, and the next page comes or does not."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from streamgauge.anomaly.types import Notification
from streamgauge.pipelines.adapters.http.security import Guard
from streamgauge.pipelines.adapters.sqlite.query import SqliteQuery
from streamgauge.pipelines.config.schema import DAY, HOUR, Config, Detection, JobConfig, Paging, WindowSpec
from streamgauge.pipelines.service import assembly
from streamgauge.pipelines.service.run import Service
from streamgauge.tracer import codec
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.records import Name, Setting, Tick, TraceBatch

CALM = 20  # days
USUAL, ODD, WORSE = 1000.0, 1450.0, 2600.0  # rows a window
LENGTH = 3 * HOUR  # a window's: three odd ones among many usual ones are no habit of the series
WINDOWS = (
    WindowSpec(name="short", kind="short", length=LENGTH, slide=LENGTH),
    WindowSpec(name="wall", kind="wall", length=LENGTH, slide=LENGTH),
)
JOB = JobConfig(
    name="ctr", windows=WINDOWS, pane=LENGTH, tick=LENGTH, detection=Detection(warm_up=10 * DAY),
    paged=("volume",), paging=Paging(grace=0.0, max_wait=0.0, group=0.0, repeat=0.0, digest=0.0),
)  # fmt: skip


class Phone:
    """Notes what it is told."""

    name = "phone"

    def __init__(self) -> None:
        self.told: list[Notification] = []

    def notify(self, notification: Notification) -> None:
        self.told.append(notification)


class Running:
    """One service on a folder; its job's worker sends windows in order."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.phone = folder, Phone()
        self.random, self.sent = np.random.default_rng(1), 0
        self.log = LocalLog(folder / "log.db")
        self.start()

    def start(self) -> None:
        config = Config(data=str(self.folder), port=0, console=False, clock="log", jobs=(JOB,))
        self.service = Service(config, assembly.parts_of(config)._replace(notifiers=(self.phone,)))
        self.port = int(self.service.start(Guard("127.0.0.1")).rsplit(":", 1)[1].rstrip("/"))

    def window(self, rows: float = USUAL) -> None:
        """One window of these rows."""
        pane = self.sent * JOB.pane
        self.sent += 1
        seen = rows if rows != USUAL else USUAL + float(self.random.normal(0.0, 30.0))
        made = TraceBatch(
            job="ctr", worker="u", incarnation="i", sequence=self.sent, pane=pane, pane_length=JOB.pane,
            interval=JOB.pane, watermark=pane + JOB.pane, names=codec.encode_names([Name("sample", "rows", "")]),
            index=np.zeros(1, "<u2").tobytes(), value=np.array([seen]).tobytes(),
        )  # fmt: skip
        tick = Tick(job="ctr", time=pane + JOB.pane)
        self.log.send([("traces", "ctr", codec.encode(made)), ("traces", "ctr", codec.encode(tick))])

    def settle(self) -> None:
        """Wait until all that was sent has had its effect, back through the job's log too."""
        calm = 0
        deadline = time.monotonic() + 20.0
        while calm < 3:
            assert time.monotonic() < deadline, self.service.health()
            calm = calm + 1 if not any(self.service.health()["lags"].values()) else 0
            time.sleep(0.03)

    def told(self, *rows: float) -> list[Notification]:
        """What is told of windows with so many rows each."""
        before = len(self.phone.told)
        for one in rows:
            self.window(one)
        self.settle()
        return self.phone.told[before:]

    def pages(self, rows: float) -> list[Notification]:
        """Who is paged for one window of so many rows, before a usual one."""
        return [one for one in self.told(rows, USUAL) if one.status == "firing"]

    def say(self, notification: str, verdict: str) -> None:
        body = json.dumps({"notification": notification, "verdict": verdict, "author": "Ada"})
        assert self.ask("feedback", body) is not None
        self.settle()

    def ask(self, path: str, body: str | None = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {"Content-Type": "application/json"} if body else {}
        connection.request("POST" if body else "GET", f"/api/jobs/ctr/{path}", body, headers)
        response = connection.getresponse()
        text = response.read()
        connection.close()
        assert response.status in (200, 202), text
        return json.loads(text)

    def thresholds(self) -> Any:
        while self.log.committed("verdicts")[0]["alerts"] < self.log.end("alerts"):
            time.sleep(0.02)
        return self.ask("thresholds")

    def settings(self) -> list[Setting]:
        log = [codec.decode(message.value) for message in self.log.read("traces", 0, 10_000)]
        return [one for one in log if isinstance(one, Setting) and one.name != "config"]

    def changes(self, name: str) -> list[str]:
        query = SqliteQuery(self.folder / "store.db")
        found = [change["text"] for change in query.changes("ctr", 0.0, 1e9) if change["name"] == name]
        query.close()
        return found

    def restart(self) -> None:
        self.service.stop()
        self.start()
        self.settle()

    def close(self) -> None:
        self.service.stop()
        self.log.close()


def calm(folder: Path) -> Running:
    folder.mkdir()
    running = Running(folder)
    assert running.told(*[USUAL] * round(CALM * DAY / LENGTH)) == []
    return running


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    one = calm(tmp_path / "data")
    yield one
    one.close()


def series(worker: str) -> dict[str, str]:
    return {"job": "ctr", "worker": worker, "domain": "sample", "entity": "", "metric": "volume"}


def judged(running: Running, verdict: str, *, restarts: bool = False) -> None:
    """Three incidents of the same size, each judged by its notification."""
    for _ in range(3):
        found = running.pages(ODD)
        assert [(one.root.worker, one.root.metric) for one in found] == [("u", "volume")]
        if restarts:
            running.restart()
        running.say(found[0].id, verdict)
        if restarts:
            running.restart()
        running.told(*[USUAL] * round(DAY / LENGTH))  # what is excused is so for a day


def test_what_was_a_false_alarm_three_times_pages_no_more_and_what_is_worse_does(running: Running) -> None:
    judged(running, "false_alarm")
    assert running.pages(ODD) == []
    assert [(one.root.worker, one.root.metric) for one in running.pages(WORSE)] == [("u", "volume")]
    shown = running.thresholds()["thresholds"]
    assert [{name: one[name] for name in series("u")} for one in shown] == [series(""), series("u")]
    assert [one["verdicts"] for one in shown] == [0, 3]
    assert 1.2 < shown[0]["factor"] == shown[1]["factor"] < 1.34
    assert [label["verdict"] for label in shown[1]["labels"]] == ["false_alarm"] * 3
    texts = running.changes("threshold")
    assert "volume of sample at u stays at 1.00, 1 of 3 verdicts" in texts[0]
    assert any("volume of sample at u 1.00 -> 1.25 (3 verdicts)" in text for text in texts)
    assert "time: volume of sample at u 1.25 -> 1.32 (3 verdicts)" in texts
    assert len(running.changes("feedback")) == 3


def test_a_restart_before_and_after_each_verdict_changes_nothing(tmp_path: Path, running: Running) -> None:
    other = calm(tmp_path / "other")
    try:
        judged(running, "false_alarm")
        judged(other, "false_alarm", restarts=True)
        assert running.thresholds() == other.thresholds()
        assert running.settings() == other.settings()
        assert other.pages(ODD) == []
    finally:
        other.close()


def test_what_is_sent_again_after_a_crash_is_not_taken_twice(running: Running) -> None:
    judged(running, "false_alarm")
    taught, settings = running.thresholds(), running.settings()
    running.service.stop()
    running.log.commit("verdicts", {"alerts": 0}, msgspec.msgpack.encode((1, {})))  # as if nothing was ever committed
    running.start()
    running.settle()
    assert running.thresholds() == taught
    assert running.settings() == settings * 2
    assert len(running.changes("setting")) == 1 + len(settings)  # the configuration, and the thresholds once each
    assert running.pages(ODD) == []


@pytest.mark.parametrize("verdict", ["expected", "none"])
def test_what_was_expected_pages_the_next_time_too(running: Running, verdict: str) -> None:
    judged(running, verdict)
    assert len(running.pages(ODD)) == 1
    assert "thresholds" not in {setting.name for setting in running.settings()}


def test_a_new_trend_is_normal_from_the_next_window_on(running: Running) -> None:
    found = running.told(ODD)[0]
    for verdict in ("true_alarm", "new_trend"):  # the later word holds
        running.say(found.id, verdict)
    assert [setting.name for setting in running.settings()] == ["true_alarm", "true_alarm", "new_trend"]
    assert [(one.status, one.root.episode) for one in running.told(ODD, ODD)] == [("resolved", found.root.episode)]
    assert running.told(ODD, ODD, ODD) == []
    assert [one.root.metric for one in running.told(WORSE)] == ["volume"]


def test_without_a_verdict_a_lasting_change_stays_open(running: Running) -> None:
    assert [one.status for one in running.told(*[ODD] * 6)] == ["firing"]

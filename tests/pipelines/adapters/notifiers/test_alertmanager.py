"""A real Alertmanager as receiver: it tells what fires, once, and that it is over; also when it or we restart."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streamgauge.anomaly.types import Notification
from streamgauge.pipelines.adapters.notifiers import alertmanager
from streamgauge.pipelines.adapters.notifiers.alertmanager import Alertmanager
from streamgauge.pipelines.config.schema import Receiver
from streamgauge.pipelines.ports import NotifyError
from tests.pipelines.adapters.notifiers.test_webhook import ROOT, notification
from tests.servers.alertmanager import AlertmanagerServer
from tests.servers.http import Http, serving
from tests.servers.jars import ServerMissing


@pytest.fixture
def http() -> Iterator[Http]:
    with serving() as made:
        yield made


@pytest.fixture
def server(tmp_path: Path, http: Http) -> Iterator[AlertmanagerServer]:
    try:
        made = AlertmanagerServer(tmp_path / "root", http.url)
        made.start()
    except ServerMissing as missing:
        pytest.skip(str(missing))
    yield made
    made.stop()


def said(http: Http) -> list[tuple[str, str]]:
    return [(alert["status"], alert["labels"]["node"]) for _, body in http.got for alert in body["alerts"]]


def wait_for(is_there: Callable[[], bool]) -> None:
    end = time.monotonic() + 60.0
    while not is_there():
        assert time.monotonic() < end, "nothing came within a minute"
        time.sleep(0.1)


def at(now: float, status: Any = "firing", ended: float | None = None) -> Notification:
    root = msgspec.structs.replace(ROOT, start=now, end=ended)
    return msgspec.structs.replace(notification(status), root=root)


def notifier(server: AlertmanagerServer, folder: Path) -> Alertmanager:
    one = Receiver(name="am", kind="alertmanager", url=server.url)
    return Alertmanager(one, folder, public_url="https://gauge.example")


def test_one_that_was_killed_tells_the_end_of_what_it_told_before_and_a_new_episode_for_itself(
    server: AlertmanagerServer, http: Http, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alertmanager, "EVERY", 1.0)
    start = time.time() - 30
    notifier(server, tmp_path).notify(at(start))
    wait_for(lambda: said(http) == [("firing", ROOT.node)])
    server.kill()
    with pytest.raises(NotifyError) as caught:
        notifier(server, tmp_path).idle()
    assert caught.value.retryable
    server.start()
    again = notifier(server, tmp_path)  # a process of ours that was restarted knows what fires
    again.notify(at(start, "resolved", ended=time.time()))
    wait_for(lambda: len(server.alerts()) == 1)
    assert server.alerts()[0]["generatorURL"] == "https://gauge.example/#/flights/incidents/5eed"
    wait_for(lambda: ("resolved", ROOT.node) in [*said(http), again.idle()])
    assert said(http) == [("firing", ROOT.node), ("firing", ROOT.node), ("resolved", ROOT.node)]
    again.notify(at(time.time()))
    wait_for(lambda: said(http)[-1][0] == "firing")  # a new episode is told for itself


def test_what_is_over_is_said_for_five_minutes_and_then_forgotten(http: Http, tmp_path: Path) -> None:
    clock = [1000.0]
    one = Receiver(name="am", kind="alertmanager", url=http.url.partition("/hook")[0])
    told = Alertmanager(one, tmp_path, now=lambda: clock[0])
    told.notify(at(900.0))
    told.notify(at(900.0, "resolved", ended=990.0))
    for clock[0] in (1030.0, 1061.0, 1200.0, 1299.0, 1301.0, 1400.0):
        told.idle()
    assert [body[0]["endsAt"] for _, body in http.got] == [
        "1970-01-01T00:20:40.000Z", *["1970-01-01T00:16:40.000Z"] * 4,
    ]  # fmt: skip

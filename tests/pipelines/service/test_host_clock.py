"""The host's clock leaps, or the machine sleeps: scores go on, a leap is a page that heals, sleep is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamgauge.anomaly.types import Anomaly
from streamgauge.pipelines.wire import outputs
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.tracer import Tracer
from tests.pipelines.service.changing import START, Folder, settle, train

CONFIG = '[[jobs]]\nname = "ctr"\n'


@pytest.mark.parametrize("leap", [600.0, -600.0, 86_400.0])
def test_a_leap_of_the_host_pages_and_heals_and_scores_go_on(tmp_path: Path, leap: float) -> None:
    folder = Folder(tmp_path)
    scored = played(folder, leaps={13: leap})
    assert len(scored) >= 4
    assert all(end <= folder.now for end in scored)
    told = [one for one in facts(tmp_path) if one.metric == "clock"]
    assert [one.severity for one in told] == ["page", "page"]
    assert [one.end is None for one in told] == [True, False]


def test_a_machine_that_slept_is_told_apart_from_a_leap(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    scored = played(folder, sleeps={13: 1800.0})
    assert not [one for one in facts(tmp_path) if one.metric == "clock"]
    assert max(scored) > START + 1800.0


def played(
    folder: Folder, leaps: dict[int, float] | None = None, sleeps: dict[int, float] | None = None
) -> list[float]:  # fmt: skip
    """Thirty panes of one worker; in some the host's clock is off, before some the machine sleeps.

    After a sleep the host, which looks at its clock ten times a second, is up before a worker has ended a pane.
    """
    log = LocalLog(folder.path / "log.db")
    with folder.running(folder.config(CONFIG)) as service:
        tracer = Tracer("ctr", "u", log, clock=lambda: folder.now)
        for pane in range(30):
            folder.now += 10.0 + (sleeps or {}).get(pane, 0.0)
            folder.leap = (leaps or {}).get(pane, 0.0)
            if pane in (sleeps or {}):
                settle(service)
            train(tracer, {}, pane)
            tracer.beat()
            settle(service)
    log.close()
    return folder.scored("ctr", START)


def facts(folder: Path) -> list[Anomaly]:
    log = LocalLog(folder / "log.db")
    said = [outputs.decode(message.value, outputs.KINDS) for message in log.read("anomalies", 0, 10_000) if message.key]
    log.close()
    return [one for one in said if isinstance(one, Anomaly)]

"""A worker that fell silent is shown so within three of its intervals and a window, before its absence is a fact."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamgauge.anomaly.types import Anomaly
from streamgauge.pipelines.wire import outputs
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.tracer import Tracer
from tests.pipelines.service.changing import START, Folder, settle, train

CONFIG = '[[jobs]]\nname = "ctr"\nmissing_after = 90\n'


@pytest.mark.parametrize("is_killed", [True, False])
def test_a_killed_worker_is_silent_and_then_missing_and_one_that_said_goodbye_is_neither(
    tmp_path: Path, is_killed: bool
) -> None:
    folder = Folder(tmp_path)
    log, silent = LocalLog(tmp_path / "log.db"), list[tuple[str, ...]]()
    with folder.running(folder.config(CONFIG)) as service:
        stays, goes = (Tracer("ctr", worker, log, clock=lambda: folder.now) for worker in "uv")
        for pane in range(30):
            folder.now = START + 10.0 * pane + 1.0
            for tracer in (stays, goes) if pane < 12 else (stays,):
                train(tracer, {}, pane)
                tracer.beat()
            if pane == 12 and not is_killed:
                goes.close()
            settle(service)
            silent.append(service.silent("ctr"))
            if pane == 18:
                assert missing(log) == []
        assert missing(log) == (["v"] if is_killed else [])
    first = next((pane for pane, names in enumerate(silent) if names), None)
    assert first in ((16, 17, 18, 19, 20) if is_killed else (None,))
    assert (silent[-1] == ("v",)) is is_killed
    log.close()


def missing(log: LocalLog) -> list[str]:
    """The workers whose absence is a fact."""
    said = [outputs.decode(message.value, outputs.KINDS) for message in log.read("anomalies", 0, 10_000) if message.key]
    return [one.worker for one in said if isinstance(one, Anomaly) and one.metric == "missing"]

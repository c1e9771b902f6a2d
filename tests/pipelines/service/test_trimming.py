"""The embedded log is held to its bytes: what all have read goes and is told, the rest stays and is told louder."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from streamgauge.pipelines.config.schema import Retention
from streamgauge.pipelines.service.trimming import Trim
from streamgauge.tracer.local.log import LocalLog


def test_what_all_have_read_goes_beyond_the_limit_and_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = LocalLog(tmp_path / "log.db", heeds=False)
    log.send([("traces", "ctr", bytes(10_000))] * 100)
    log.commit("engine", {"traces": 100})
    log.commit("notifier/of before", {"traces": 0})
    trim = Trim(tmp_path / "log.db", Retention(log_bytes=500_000), {"console"})
    with caplog.at_level(logging.WARNING):
        trim()
    assert log.used() <= 450_000
    assert "messages that all had read are gone" in caplog.text
    assert "somebody has not read yet" not in caplog.text


def test_what_is_unread_stays_and_is_told_as_an_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = LocalLog(tmp_path / "log.db", heeds=False)
    log.send([("traces", "ctr", bytes(10_000))] * 100)
    log.commit("engine", {"traces": 0})
    with caplog.at_level(logging.WARNING):
        Trim(tmp_path / "log.db", Retention(log_bytes=500_000), ())()
    assert log.first("traces") == 0
    assert "that somebody has not read yet; tracers drop and count" in caplog.text

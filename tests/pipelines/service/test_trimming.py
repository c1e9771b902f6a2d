"""The embedded log is held to its bytes: what all have read goes and is told, the rest stays and is told louder."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from streamgauge.pipelines.config.schema import Config, Retention
from streamgauge.pipelines.service.assembly import trim_of
from streamgauge.pipelines.service.trimming import Trim
from streamgauge.tracer.local.log import LocalLog
from tests.pipelines.adapters.kafka import world as kafka_world
from tests.servers.kafka import KafkaServers


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


def test_of_traces_on_brokers_only_what_is_in_a_stored_state_goes_beyond_the_cap(
    kafka: KafkaServers, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = kafka_world.topics(kafka, partitions=2)
    config = Config(kafka=world, data=str(tmp_path), retention=Retention(traces_bytes=500_000))
    with kafka_world.buses(world, tmp_path) as buses, caplog.at_level(logging.WARNING):
        bus = buses.open()
        bus.send([("traces", key, bytes(10_000)) for key in ("ctr", "ads", "feed", "mail") for _ in range(50)])
        full = bus.bounds("traces")
        assert sum(end for _, end in full.values()) == 200
        trim_of(config, world, buses)()
        assert bus.bounds("traces") == full  # no state has it
        assert "bytes that no stored state has yet; they stay" in caplog.text
        bus.commit("engine", {log: end for log, (_, end) in full.items()})
        trim_of(config, world, buses)()
        kafka_world.until(lambda: bus.bounds("traces") != full)
        left = sum(end - first for first, end in bus.bounds("traces").values())
        bus.close()
    assert 40 <= left <= 46  # 450,000 bytes
    assert "traces is at its 500000 bytes: the oldest of it, about" in caplog.text

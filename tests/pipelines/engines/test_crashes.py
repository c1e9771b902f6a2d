"""`streamgauge run` killed again and again, upgraded in between, or without its store: the end is the same."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from streamgauge.pipelines.adapters.sqlite.canonical import canonical_dump
from streamgauge.tracer.local.log import LocalLog
from tests.pipelines.engines import test_kill
from tests.servers.influx import InfluxServer
from tests.waiting import until

PANES = 160
KINDS = (b'["score"', b'["point"', b'["anomaly"', b'["notification"', b'["decision"')
OFTEN = """
import sys
from streamgauge.pipelines.engines.embedded import Engine
from streamgauge.pipelines.engines.keyed import KeyedConsumer
for consumer in (Engine, KeyedConsumer):  # state is committed fifty times as often: kills hit commits, too
    consumer.__init__.__kwdefaults__["every"] = 0.1
"""
NEXT = """
from streamgauge.pipelines.wire.states import FORMS, Form
def step(kind, old):
    def upgrade(items):
        print("upgraded the", kind, flush=True)
        return [old.version + 1, *items[1:]]
    return Form(old.version + 1, {old.version: upgrade})
FORMS.update({kind: step(kind, old) for kind, old in FORMS.items()})
"""
MAIN = "from streamgauge.pipelines.cli import main\nsys.exit(main(sys.argv[1:]))\n"


class Run:
    """One life of `streamgauge run`, of this release or another."""

    def __init__(self, config: Path, folder: Path, script: str = OFTEN) -> None:
        command = [sys.executable, "-c", script + MAIN, "run", "--config", str(config), "--data", str(folder)]
        self.said = folder / "said"
        with self.said.open("wb") as said, (folder / "complained").open("ab") as complained:
            self.process = subprocess.Popen(command, stdout=said, stderr=complained)

    def listens(self) -> bool:
        """Whether it has told its address."""
        return "http://" in self.said.read_text()

    def health(self) -> dict[str, Any]:
        """What it says of itself."""
        until(self.listens)
        (address,) = [line.split()[1] for line in self.said.read_text().splitlines() if "http://" in line]
        with urllib.request.urlopen(f"{address}api/health", timeout=30) as response:
            told: dict[str, Any] = json.load(response)
        return told

    def drain(self) -> None:
        """Wait until nobody has anything to do, as often as there are consumers."""
        for _ in range(4):
            until(lambda: not any(self.health()["lags"].values()))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0


def made(tmp_path: Path, more: str = "") -> tuple[Path, Path]:
    """A configuration, and a data folder."""
    config, folder = tmp_path / "streamgauge.toml", tmp_path / "data"
    config.write_text(more + test_kill.CONFIG)
    folder.mkdir()
    return config, folder


def replayed(config: Path, log: Path, folder: Path) -> None:
    """An uninterrupted run over a recorded log."""
    command = ["replay", "--log", str(log), "--config", str(config), "--data", str(folder)]
    subprocess.run([sys.executable, "-m", "pipelines", *command], stdout=subprocess.DEVNULL, check=True)


def check(config: Path, folder: Path) -> None:
    """The store is that of an uninterrupted run, and holds something of each kind."""
    replayed(config, folder / "log.db", folder / "steady")
    one, other = canonical_dump(folder / "store.db"), canonical_dump(folder / "steady" / "store.db")
    for kind in KINDS:
        assert kind in one, kind
    assert one.splitlines() == other.splitlines()


def send(log: LocalLog, panes: Sequence[int]) -> None:
    for number in panes:
        log.send(test_kill.pane_of(number))


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_pipeline_killed_at_twenty_random_moments_ends_with_the_store_of_one_that_was_not(tmp_path: Path) -> None:
    config, folder = made(tmp_path)
    log, chance, panes = LocalLog(folder / "log.db"), random.Random(11), iter(range(PANES))
    for life in range(20):
        run = Run(config, folder)
        if life % 2:  # every other one is killed as it starts, or never gets to listen
            until(run.listens)
        moment = time.monotonic() + chance.uniform(0.0, 1.0)
        for number in [next(panes) for _ in range(PANES // 20)]:
            log.send(test_kill.pane_of(number))
            time.sleep(max(0.0, min(0.1, moment - time.monotonic())))
        time.sleep(max(0.0, moment - time.monotonic()))
        run.kill()
    assert log.committed("engine")[0], "no life came to a commit"
    run = Run(config, folder)
    run.drain()
    run.stop()
    log.close()
    check(config, folder)


@pytest.mark.timeout(200)
def test_a_release_with_newer_forms_of_state_goes_on_in_mid_stream_and_an_older_one_refuses_them(
    tmp_path: Path
) -> None:
    config, folder = made(tmp_path)
    log = LocalLog(folder / "log.db")
    send(log, range(75))
    run = Run(config, folder)
    until(lambda: log.committed("pager")[1] is not None and log.committed("engine")[0].get("traces", 0) > 100)
    run.kill()
    send(log, range(75, PANES))
    run = Run(config, folder, OFTEN + NEXT)
    run.drain()
    run.stop()
    upgraded = {line.removeprefix("upgraded the ") for line in run.said.read_text().splitlines() if "upgraded" in line}
    rows = {"job", "worker", "table", "partial", "ring", "second stage head", "known", "watch keys", "reference"}
    assert upgraded >= {"consumer", "scorer", "pager"} | rows
    older = Run(config, folder)
    assert older.process.wait(60) == 2
    told = (folder / "complained").read_text().splitlines()[-1]
    assert told == (
        "streamgauge: the state of the consumer has version 3, this release reads versions 1 to 2; "
        "start the release that wrote it, or a newer one"
    )
    log.close()
    check(config, folder)


@pytest.mark.real
@pytest.mark.timeout(200)
def test_a_store_that_is_away_and_a_kill_meanwhile_change_nothing(
    influx: InfluxServer, bucket: str, tmp_path: Path
) -> None:
    table = '[influx]\nurl = "{}"\nbucket = "{}"\ntimeout = 2\n'
    config, folder = made(tmp_path)
    config.write_text(test_kill.CONFIG + table.format(influx.url, bucket))
    log = LocalLog(folder / "log.db")
    run = Run(config, folder)
    send(log, range(50))
    until(lambda: bool(rows(influx, bucket)))
    influx.pause()
    send(log, range(50, 100))
    until(lambda: run.health()["store"]["failures"] > 1 and not run.health()["lags"]["writer"])
    assert run.health()["store"]["waiting"] > 0
    run.kill()
    run = Run(config, folder)
    send(log, range(100, PANES))
    until(lambda: run.health()["store"]["failures"] > 1)
    influx.resume()
    run.drain()
    run.stop()
    log.close()
    other = influx.create(f"{bucket}-steady")
    config.write_text(test_kill.CONFIG + table.format(influx.url, other))
    replayed(config, folder / "log.db", folder / "steady")
    found, expected = rows(influx, bucket), rows(influx, other)
    influx.drop(other)
    assert {row.split(" ")[0] for row in expected} >= {"quality_score"}
    assert found == expected


def rows(influx: InfluxServer, bucket: str) -> list[str]:
    """Everything in a bucket, a line a row."""
    found = []
    for series in influx.query(bucket, "SELECT * FROM /.*/"):
        columns = series["columns"]
        found += [f"{series['name']} {dict(zip(columns, row, strict=True))}" for row in series["values"]]
    return sorted(found)

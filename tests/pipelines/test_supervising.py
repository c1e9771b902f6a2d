"""An engine that is started elsewhere: nothing is started here, and how far it is stays known."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.cli import main
from pipelines.config import Config, JobConfig
from pipelines.supervising import Command, Supervised
from tracer.transport import MemoryLog


def test_an_engine_that_runs_elsewhere_is_followed_and_never_started() -> None:
    log, taken = MemoryLog(), {0: 0}
    engine = Supervised(Config(jobs=(JobConfig(name="ctr"),)), lambda: log, Command("flink", (), lambda: taken))
    assert engine.begin() == 1  # the job's configuration goes into its log
    log.send([("traces", "ctr", b"a"), ("traces", "ctr", b"b")])
    assert [engine.step() for _ in range(3)] == [0, 0, 0]
    assert engine.lag(log) == 3
    taken[0] = 2
    assert engine.lag(log) == 1
    engine.stop()


def test_the_embedded_engine_cannot_run_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "streamgauge.toml"
    config.write_text(f'data = "{tmp_path / "data"}"\n[jobs.ctr]\n')
    assert main(["run", "--config", str(config), "--elsewhere"]) == 2
    assert "give --engine faust or flink with --elsewhere" in capsys.readouterr().err

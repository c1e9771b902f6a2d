"""What verdicts have done to thresholds, on the command line: shown, judged by a replay, taken back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from streamgauge.anomaly.thresholds import Rollback
from streamgauge.pipelines.cli import main
from streamgauge.pipelines.config.loading import load
from streamgauge.pipelines.engines.keyed import KeyedConsumer, Route
from streamgauge.pipelines.paging.feedback import CONSUMER, FeedbackLoop
from streamgauge.pipelines.service import assembly
from streamgauge.pipelines.wire import outputs
from streamgauge.tracer.local.log import LocalLog
from tests.pipelines.commands.test_backtesting import CONFIG, DAYS, SMALL, START, folder
from tests.pipelines.paging.test_feedback import alert, key, said, told

__all__ = ["folder"]
HOUR = 3600.0
NOW = START + DAYS * 24 * HOUR


@pytest.fixture
def judged(folder: Path) -> Path:
    """Three incidents of feature a at w1 that two people call false alarms; the small stored one just pages."""
    path, log = folder / "judged.toml", LocalLog(folder / "data" / "log.db")
    path.write_text(CONFIG.format(data=folder / "data", threshold=24.0))
    (job,), series = load(path).jobs, key("a")._replace(worker="w1")
    for n in range(3):
        judged = said(f"n{n}", time=NOW, author="AB"[n % 2])
        log.send([("alerts", "ctr", told(f"n{n}", alert(series, NOW - 600.0 + n))), ("alerts", "ctr", judged)])
    keyed = KeyedConsumer(log, CONSUMER, "alerts", lambda message: Route(message.key), lambda _: FeedbackLoop(job))
    while keyed.step():
        pass
    keyed.commit()
    log.close()
    return path


def asked(judged: Path, *more: str) -> int:
    return main(["thresholds", "--job", "ctr", "--config", str(judged), *more])


def answer(judged: Path, capsys: pytest.CaptureFixture[str], *more: str) -> Any:
    assert asked(judged, "--json", *more) == 0
    return json.loads(capsys.readouterr().out)


def test_each_multiplier_is_shown_with_its_labels_and_each_step_with_what_it_moved(
    judged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(judged) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "1.25 missing_rate of feature a at w1: false_alarm A, false_alarm B, false_alarm A" in lines
    assert lines[-1].endswith("n2 false_alarm by A: missing_rate of feature a at w1 1.00 -> 1.25")


def test_the_effect_of_the_last_step_is_what_a_replay_gains_and_loses(
    judged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    effect = answer(judged, capsys, "--effect")["effect"]
    assert effect["+"] == []
    assert ["feature a" in one["text"] for one in effect["-"]] == [True]
    assert 0.0 < effect["-"][0]["time"] - (START + SMALL * HOUR) < 3 * HOUR


def test_the_last_step_is_taken_back_by_its_revision_and_no_other(
    judged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    revision = answer(judged, capsys)["steps"][-1]["revision"]
    assert asked(judged, "--rollback", str(revision + 1)) == 2
    assert f"the last step is {revision}" in capsys.readouterr().err
    assert asked(judged, "--rollback", str(revision), "--author", "Ada") == 0
    log = LocalLog(assembly.log_path(load(judged)))
    *_, made, note = log.read("alerts", 0, 100)
    record = outputs.decode(made.value, outputs.kinds_of(Rollback))
    assert (record.revision, record.author) == (revision, "Ada")
    assert outputs.decode(note.value).text.startswith(f"Ada rollback revision%20{revision}")
    log.close()

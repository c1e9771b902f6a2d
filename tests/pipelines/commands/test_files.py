"""`check` says what a configuration means, and that an empty one watches nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamgauge.pipelines.cli import main


def test_an_empty_file_has_no_fault_and_watches_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.toml").write_text("")
    assert main(["check", str(tmp_path / "empty.toml")]) == 1
    assert "nothing would be watched" in capsys.readouterr().out


def test_check_prints_what_the_defaults_mean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one.toml").write_text('[jobs.ctr]\nmissing_after = "2m"\n')
    assert main(["check", str(tmp_path / "one.toml")]) == 0
    told = capsys.readouterr().out
    assert "a worker that is silent is missing after 2 min" in told
    assert "changes page on a wide band after 30 min; on the full one after 14 d" in told
    assert main(["check", str(tmp_path / "one.toml"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["jobs"]["ctr"]["a label is overdue"] == 10_800.0

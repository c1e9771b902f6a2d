"""`streamgauge import`: runs of other tools as settings in a job's log, and what is said where nothing can be."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from streamgauge.pipelines.adapters.tensorboard import Board, Scalar
from streamgauge.pipelines.cli import main
from streamgauge.pipelines.wire.given import SETTING, Given
from streamgauge.tracer import codec
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.records import Setting
from tests.pipelines.commands.folders import with_log

CONFIG = 'data = "data"\nport = 1\n[[jobs]]\nname = "ctr"\n'
AUC = np.round(0.75 - 0.1 * np.exp(-np.arange(60) / 10.0), 6)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return with_log(tmp_path, CONFIG, monkeypatch)


def mlflow(folder: Path, lines: int = 60) -> Path:
    """A run in MLflow's file store."""
    metrics = folder / "mlruns" / "1" / "8a72b8dd" / "metrics"
    metrics.mkdir(parents=True)
    rows = [f"{1_795_945_600_000 + 10 * i} {value} {i}" for i, value in enumerate(AUC[:lines].tolist())]
    (metrics / "val_auc").write_text("\n".join([*rows, "torn", "17 nan 3"]))
    return folder / "mlruns"


def given(folder: Path) -> list[Given]:
    log = LocalLog(folder / "data" / "log.db")
    found = [codec.decode(message.value) for message in log.read("traces", 0, 100) if message.value != b"x"]
    log.close()
    assert all(isinstance(one, Setting) and one.name == SETTING for one in found)
    return [msgspec.json.decode(one.body, type=Given) for one in found]


def test_a_run_of_mlflow_becomes_a_reference_without_its_cold_steps(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["import", "mlflow", str(mlflow(folder)), "--job", "ctr", "--from-step", "20"]
    assert main([*asked, "--dry-run"]) == 0
    assert "would begin with 1 mlflow run in mlruns: auc, 40 points" in capsys.readouterr().out
    assert given(folder) == []
    assert main([*asked, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"] == ["auc"]
    (part,) = given(folder)
    assert part.labels == (("", "train", "", "auc"),)
    np.testing.assert_allclose(part.table()[:, 0], AUC[20:], rtol=1e-6)


def test_event_files_are_read_by_their_tags(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board = Board(folder / "events")
    for step, value in enumerate(AUC.tolist()):
        board.scalar(Scalar("w0/a", "ranking", step, 1000.0 + step, value))
    board.close()
    asked = ["import", "tensorboard", str(folder / "events"), "--job", "ctr"]
    assert main(asked) == 2
    assert "no recorded name says which metric it is (ranking); name them: --metric auc=TAG" in capsys.readouterr().err
    assert main([*asked, "--metric", "auc=ranking", "--run", "w0/a"]) == 0
    np.testing.assert_allclose(given(folder)[0].table()[:, 0], AUC, rtol=1e-6)


def test_what_cannot_be_a_reference_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = str(mlflow(folder, lines=29))
    for more, text in (
        ([few], "29 points are recorded and 30 are needed"), ([few, "--run", "8a72b8de"], "did you mean 8a72b8dd?"),
        ([few, "--metric", "acu=val_auc"], "'acu' is no metric"), ([str(folder / "none")], "is no folder"),
        ([str(folder / "data")], "there is no mlflow run in"),
    ):  # fmt: skip
        assert main(["import", "mlflow", *more, "--job", "ctr"]) == 2
        assert text in capsys.readouterr().err
    assert given(folder) == []

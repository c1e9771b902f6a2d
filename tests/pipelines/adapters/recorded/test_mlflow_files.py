"""MLflow 3.17.2's own database (without its other tables) and file store, of one run each of the same values."""

import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from streamgauge.pipelines.adapters.recorded import mlflow_files

HERE = Path(__file__).parent
AUC = [round(0.75 - 0.1 * np.exp(-i / 10.0), 6) for i in range(40)]


@pytest.mark.parametrize(("place", "run"), [
    ("mlflow-golden.db", "ffd6c730aa134ee0ac5c405ac408a470"), ("mlruns", "c482746d5f3f44ec876be2db1230fec1"),
])  # fmt: skip
def test_a_run_of_mlflow_is_read_and_what_is_not_finite_is_left_out(place: str, run: str) -> None:
    found = {one.tag: one for one in mlflow_files.curves(HERE / place)}
    assert set(found) == {"val_auc", "train/loss"}  # of `bad` every other value was inf, the rest NaN
    auc = found["val_auc"]
    assert (auc.run, auc.step.tolist(), auc.value.tolist()) == (run, list(range(40)), AUC)
    assert 0.0 < auc.time[-1] - auc.time[0] < 60.0 and auc.time[0] // 86_400 == 20_786


def test_runs_that_were_deleted_and_databases_of_others_are_left_out(tmp_path: Path) -> None:
    shutil.copy(HERE / "mlflow-golden.db", tmp_path / "mlflow.db")
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute("update runs set lifecycle_stage = 'deleted'")
    shutil.copytree(HERE / "mlruns", tmp_path / "mlruns" / ".trash")
    (tmp_path / "torn.db").write_bytes((HERE / "mlflow-golden.db").read_bytes()[:3000])
    (tmp_path / "other.db").write_bytes(b"no database")
    assert list(mlflow_files.curves(tmp_path)) == []

"""The command `select` on a file of rows and a model of the working directory."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pandas
import pytest

from streamgauge.pipelines.cli import main

MODEL = """
import numpy as np

def predict(columns):
    return 1 / (1 + np.exp(-(columns["good"] - 1.5 + (columns["city"] == "NY"))))

def gradients(columns):
    return {"good": np.ones(len(columns["good"])), "idle": np.zeros(len(columns["good"]))}
"""


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    random = np.random.default_rng(0)
    good, city = random.normal(size=4000), random.choice(["NY", "LA"], 4000)
    label = random.random(4000) < 1 / (1 + np.exp(-(good - 1.5 + (city == "NY"))))
    frame = pandas.DataFrame({
        "good": good, "idle": random.normal(size=4000), "city": city, "user": np.arange(4000) % 300,
        "clicked": label.astype(float),
    })  # fmt: skip
    frame.loc[:9, "clicked"] = np.nan
    frame.to_parquet(tmp_path / "rows.parquet")
    (tmp_path / "its_model.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "rows.parquet"


def test_features_are_listed_from_the_most_useful_with_what_it_cost(
    rows: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    usual = ["select", str(rows), "--model", "its_model:predict", "--label", "clicked", "--group", "user"]
    assert main([*usual, "--leave-out", "user"]) == 0
    out, err = capsys.readouterr()
    assert [line.split()[:2] for line in out.splitlines()][:2] == [["useful", "good"], ["useful", "city"]]
    assert "bench_mask: 35,910 predictions" in err
    more = ["--leave-out", "user", "--methods", "bench_mask", "permutation", "feature_gauc"]
    assert main([*usual, *more, "--gradients", "its_model:gradients", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["predictions"] == {"bench_mask": 9 * 3990, "permutation": 16 * 3990}
    assert found["rows"][0]["influence"] == 1.0
    assert main([*usual, "--mask", "good,city", "--mask", "idle", "--csv"]) == 0
    assert [row["features"] for row in csv.DictReader(io.StringIO(capsys.readouterr().out))] == ["good city", "idle"]


@pytest.mark.parametrize(("changed", "text"), [
    (["--model", "its_model"], "must read MODULE:FUNCTION"),
    (["--model", "no_such_model:predict"], "modules are looked for in the working directory"),
    (["--model", "its_model:nothing"], "has no function nothing"),
    (["--label", "click"], "did you mean clicked?"),
    (["--mask", "goood"], "there is no feature 'goood'; did you mean good?"),
    (["--label", "user"], None),
])  # fmt: skip
def test_faults_are_told_with_their_remedy(
    rows: Path, capsys: pytest.CaptureFixture[str], changed: list[str], text: str | None
) -> None:
    usual = ["select", str(rows), "--model", "its_model:predict", "--label", "clicked"]
    assert main([*usual, *changed]) == (2 if text else 0)
    assert text is None or text in capsys.readouterr().err

"""Two jobs of one stream from a real store: the table, its exit code, and what is said where nothing can be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamgauge.anomaly.types import Score
from streamgauge.pipelines.adapters.sqlite.store import SqliteStore
from streamgauge.pipelines.cli import main
from streamgauge.pipelines.config.loading import load
from streamgauge.pipelines.service.stores import store_path
from streamgauge.pipelines.wire.outputs import Profiles
from streamgauge.tracer.summaries import LabelBuckets, encode
from tests.pipelines.experiments.test_ab import rows

T0, HOUR, HOURS = 1_764_288_000.0, 3600.0, 24
FILE = 'data = "{data}"\nport = 1\n[jobs.ctr]\n[jobs.next]\n[jobs.empty]\n'


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ab")
    path = folder / "streamgauge.toml"
    path.write_text(FILE.format(data=folder / "data"))
    (folder / "data").mkdir()
    store = SqliteStore(store_path(load(path)))
    for job, labelled in (("ctr", rows(1)), ("next", rows(2, noise=0.8))):
        for at, (p, y) in enumerate(labelled):
            span = {"start": T0 + at * HOUR, "end": T0 + (at + 1) * HOUR}
            kept = tuple(encode(LabelBuckets.of(p, y), "train", "labels", entity) for entity in ("", "task:cvr"))
            store.write([
                Profiles(job=job, worker="", window="short", revision=0, number=at + 1, sketches=kept, **span),
                Score(job=job, domain="overall", micropoints=97_000_000, coverage=1.0, **span),
            ])  # fmt: skip
    store.close()
    return path


def asked(file: Path, *more: str) -> list[str]:
    return ["ab", *more, "--config", str(file), "--since", "7d"]


def test_a_worse_model_is_told_with_its_interval_and_an_exit_code(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(asked(file, "ctr", "next", "--json")) == 1
    found = json.loads(capsys.readouterr().out)
    row = next(row for row in found["rows"] if row["metric"] == "auc")
    assert row["low"] <= row["value"] <= row["high"] < 0.0
    assert (row["verdict"], found["windows"], found["fair"]) == ("worse", HOURS, True)
    assert main(asked(file, "ctr", "next", "--task", "cvr")) == 1
    text = capsys.readouterr().out
    assert "next against ctr (cvr): 24 windows" in text
    assert "worse" in text
    assert main(asked(file, "next", "ctr")) == 0


def test_jobs_that_are_not_there_are_told(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(asked(file, "ctr", "nxt")) == 2
    assert "unknown job 'nxt'; did you mean next?" in capsys.readouterr().err
    assert main(asked(file, "ctr", "empty")) == 2
    assert "nothing is known of one of the jobs yet" in capsys.readouterr().err
    assert main(asked(file, "ctr", "next", "--task", "like")) == 1
    assert "no window in which both have labelled rows" in capsys.readouterr().out

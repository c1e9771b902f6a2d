"""A first configuration from rows: sound at once, kinds guessed and shown, nothing overwritten."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from streamgauge.pipelines.adapters.sqlite.store import SqliteStore
from streamgauge.pipelines.cli import main
from streamgauge.pipelines.config.loading import load
from streamgauge.pipelines.service.stores import store_path
from streamgauge.tracer.from_config import read
from tests.pipelines.adapters.sqlite.records import columns


def rows(path: Path) -> Path:
    lines = ["user_id,age,city,note,at,clicked"]
    for i in range(2_000):
        note = "x" if i % 10 == 0 else ""
        lines.append(f"u{i},{20 + i % 50},{'Lyon' if i % 2 else 'Oslo'},{note},2026-11-28T12:00:{i % 60:02d},{i % 2}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_file_is_sound_and_says_what_was_guessed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "streamgauge.toml"
    file = str(rows(tmp_path / "ctr.csv"))
    assert main(["init", file, "--label", "clicked", "--time", "at", "--out", str(out)]) == 0
    assert 'Tracer.from_config("' in capsys.readouterr().out
    (job,) = load(out).jobs
    assert {feature.name: feature.kind for feature in job.features} == {
        "user_id": "id", "age": "numeric", "city": "categorical", "note": "categorical",
    }  # fmt: skip
    assert [feature.name for feature in job.features if feature.optional] == ["note"]
    assert "# numbers, 20 to 69" in out.read_text()
    assert [feature.name for feature in read(out)[0]["features"]] == [feature.name for feature in job.features]


def test_what_is_there_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "streamgauge.toml"
    out.write_text("mine")
    assert main(["init", str(rows(tmp_path / "ctr.csv")), "--out", str(out)]) == 2
    assert "overwrite it with --force" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert main(["init", str(tmp_path / "ctr.csv"), "--out", str(out), "--force"]) == 0


def test_a_job_gives_the_kinds_that_it_declares_or_shows_and_says_where_no_value_came(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, out = tmp_path / "streamgauge.toml", tmp_path / "new.toml"
    declared = '[[jobs.features]]\nname = "user"\nkind = "id"\n'
    config.write_text(f'data = "{tmp_path.as_posix()}"\n[[jobs]]\nname = "ctr"\n{declared}')
    seen = [("age", "zero_rate", 0.1), ("city", "missing_rate", 0.0), ("note", "missing_rate", 1.0),
            ("user", "distinct", 9.0)]  # fmt: skip
    store = SqliteStore(store_path(load(config)))
    keys = [("", "sample", f"feature:{name}", metric) for name, metric, _ in seen]
    store.write([columns(60.0, [value for *_, value in seen], keys=keys)])
    store.close()
    assert main(["init", "--from-job", "ctr", "--config", str(config), "--out", str(out)]) == 0
    (job,) = load(out).jobs
    assert {feature.name: (feature.kind, feature.optional) for feature in job.features} == {
        "age": ("numeric", False), "city": ("categorical", False), "note": ("categorical", True), "user": ("id", False),
    }  # fmt: skip
    assert 'kind = "categorical"  # no value seen: say what it is' in out.read_text()


@pytest.mark.parametrize("arguments", [[], ["a.csv", "--from-job", "b"]])
def test_rows_or_a_job_one_of_them(tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", *arguments, "--out", str(tmp_path / "x.toml")]) == 2
    assert "name a file of rows, or a running job" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--label", "--time", "--id"])
def test_a_column_that_the_file_has_not_is_named(
    tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "x.toml"
    assert main(["init", str(rows(tmp_path / "ctr.csv")), option, "clickd", "--out", str(out)]) == 2
    assert "no column 'clickd'; did you mean clicked?" in capsys.readouterr().err
    assert not out.exists()


def test_what_looks_like_the_label_and_the_time_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packed = tmp_path / "ctr.csv.gz"
    packed.write_bytes(gzip.compress(rows(tmp_path / "ctr.csv").read_bytes()))
    assert main(["init", str(packed), "--out", str(tmp_path / "x.toml")]) == 0
    told = capsys.readouterr()
    assert "is clicked the label? Then it is no feature: --force --label clicked" in told.err
    assert "at holds times and is left out" in told.err
    assert "job ctr with 5 features" in told.out

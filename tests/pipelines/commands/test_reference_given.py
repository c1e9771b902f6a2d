"""`streamgauge reference`: a file, an earlier run or its last release, as settings in the job's log and on its card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from streamgauge.pipelines.adapters.sqlite.store import SqliteStore
from streamgauge.pipelines.cli import main
from streamgauge.pipelines.wire.given import SETTING, Given
from streamgauge.pipelines.wire.outputs import Change, PointColumns, Score
from streamgauge.tracer import codec
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.records import Setting
from tests.pipelines.commands.folders import with_log

T0 = 1_764_331_200.0  # 2025-11-28 12:00 UTC
LABEL = ["", "sample", "feature:city", "missing_rate"]
CONFIG = """
data = "data"
port = 1
[[jobs]]
name = "ctr"
[[jobs.features]]
name = "city"
kind = "categorical"
[[jobs.features]]
name = "age"
kind = "numeric"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    with_log(tmp_path, CONFIG, monkeypatch)
    generator = np.random.default_rng(1)
    city = pd.Series(generator.choice(["Lyon", "Oslo"], 3_000)).mask(generator.random(3_000) < 0.02)
    frame = pd.DataFrame({"city": city, "seen": pd.date_range("2025-01-01", periods=3_000, freq="4min"), "y": 1})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    return tmp_path


def point(i: int, value: float) -> PointColumns:
    column = {name: np.array([value], "<f8").tobytes() for name in ("value", "rows", "error", "floor", "reference")}
    return PointColumns(
        job="old", window="short", start=T0 + i * 60.0, end=T0 + (i + 1) * 60.0, revision=0, number=i + 1,
        keys=msgspec.msgpack.encode([LABEL]), low=column["value"], high=column["value"], **column,
    )  # fmt: skip


def lived(folder: Path, windows: int) -> None:
    """The store of an earlier run whose second release, after half of it, misses more."""
    store = SqliteStore(folder / "data" / "store.db")
    half = windows // 2
    store.write([point(i, 0.02 if i < half else 0.04) for i in range(windows)])
    store.write([
        Score(job="old", domain="overall", start=T0, end=T0 + 60.0, micropoints=97_000_000, coverage=1.0),
        Change(job="old", name="pushed", time=T0, text="v1"),
        Change(job="old", name="deployed", time=T0 + half * 60.0, text="ada: v2 (all regions)"),
    ])  # fmt: skip
    store.close()


def sent(folder: Path) -> list[Given]:
    log = LocalLog(folder / "data" / "log.db")
    records = [codec.decode(one.value) for one in log.read("traces", 1, 100)]
    log.close()
    assert all(isinstance(one, Setting) and one.name == SETTING for one in records)
    return [msgspec.json.decode(one.body, type=Given) for one in records]  # type: ignore[union-attr]


def say(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["reference", "--job", "ctr", *arguments])
    found = capsys.readouterr()
    return code, found.out, found.err


def test_a_file_becomes_settings_in_the_log(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = say(capsys, "rows.csv", "--time", "seen")
    assert code == 0
    assert "1 features of 3,000 rows, without age; 8 days of history" in out
    series = {label for part in sent(folder) for label in part.labels}
    assert ("", "sample", "feature:city", "missing_rate") in series
    assert any(part.sketches for part in sent(folder))


def test_rows_without_times_count_as_no_more_than_they_are(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = say(capsys, "rows.csv", "--dry-run", "--json")
    assert json.loads(out)["days"] == 1.0  # 3,000 rows are four windows
    assert "--time COLUMN" in json.loads(out)["reference"]


def test_a_dry_run_sends_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = say(capsys, "rows.csv", "--dry-run", "--json")
    assert code == 0
    assert json.loads(out)["series"] > 0
    assert not sent(folder)


def test_an_earlier_run_becomes_a_history_of_hours_and_of_its_last_windows(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lived(folder, 1_500)
    assert say(capsys, "--from-job", "old")[0] == 0
    (part,) = sent(folder)
    assert part.text.startswith("job old: ")
    assert part.labels == (("", "sample", "feature:city", "missing_rate"),)
    assert 24 + 40 < len(part.starts) < 24 + 120  # hours, and at least 40 windows
    assert set(np.round(part.table()[:, 0], 3)) <= {0.02, 0.03, 0.04, 0.021, 0.022, 0.038, 0.039}


def test_the_last_release_is_only_what_came_since_it_was_pushed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lived(folder, 1_500)
    assert say(capsys, "--from-job", "old", "--release", "last")[0] == 0
    assert say(capsys, "--from-job", "old", "--release", "v2", "--dry-run")[0] == 0
    (part,) = sent(folder)
    assert "release v2" in part.text
    assert part.table()[-40:].round(3).tolist() == [[0.04]] * 40


def test_a_release_that_was_rolled_back_is_no_reference(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lived(folder, 1_500)
    store = SqliteStore(folder / "data" / "store.db")
    store.write([Change(job="old", name="rolled_back", time=T0 + 1_400 * 60.0, text="ada: v2")])
    store.close()
    assert say(capsys, "--from-job", "old", "--release", "last")[0] == 0
    (part,) = sent(folder)
    assert "release v1" in part.text
    assert set(part.table()[:, 0].round(3)) <= {0.02, 0.021}
    assert "known are v1" in say(capsys, "--from-job", "old", "--release", "v2")[2]


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        ((), "--from-job NAME"),
        (("rows.csv", "--time", "sen"), "did you mean seen?"),
        (("nix.csv",), "no such file"),
        (("--from-job", "odl"), "did you mean old?"),
        (("--from-job", "old", "--release", "v3"), "known are v1, v2"),
        (("--from-job", "old", "--since", "yesterday"), "2026-11-28T14:00"),
        (("rows.csv", "--since", "2026-01-01"), "--since says nothing of a file"),
        (("--from-job", "old", "--label", "y"), "--label says nothing of an earlier run"),
        (("--from-job", "old", "--from-data", "elsewhere"), "--from-data"),
        (("--from-job", "old"), "10 windows in that time and 30 are needed"),
        (("--from-job", "old", "--release", "last"), "(release v2) has 5 windows"),
    ],
)
def test_what_cannot_be_a_reference_is_told_with_its_remedy(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: Any, remedy: str
) -> None:
    lived(folder, 10)
    code, _, err = say(capsys, *arguments)
    assert code == 2
    assert remedy in err
    assert err.count("\n") == 1

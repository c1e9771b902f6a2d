"""Two files compared: what changed is named with its size, chance is no change, and the exit code says so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from streamgauge.pipelines.cli import main
from streamgauge.pipelines.profiling.columns import column_of, read


def save(
    path: Path, seed: int, *, shift: float = 0.0, missing: float = 0.02, city: str = "Oslo", extra: str = ""
) -> str:
    random = np.random.default_rng(seed)
    lines = [f"age,city{extra and ','}{extra}"]
    for age in (40.0 + shift + random.normal(0.0, 10.0, 3_000)).tolist():
        shown = "" if random.random() < missing else f"{age:.3f}"
        lines.append(f"{shown},{'Lyon' if random.random() < 0.5 else city}{extra and ',1'}")
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_two_samples_of_one_law_do_not_differ(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = save(tmp_path / "a.csv", 1), save(tmp_path / "b.csv", 2)
    assert main(["profile", a, b]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "no difference"


@pytest.mark.parametrize(("change", "words"), [
    ({"shift": 8.0}, "age: drifted by 0."),
    ({"missing": 0.2}, "age: missing 1.87 %, then 20.6 %"),
    ({"city": "Bergen"}, "of the values are new: Bergen"),
    ({"extra": "zip"}, "zip: a new column"),
])  # fmt: skip
def test_what_changed_is_named_and_the_exit_code_says_so(
    tmp_path: Path, change: dict[str, object], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = save(tmp_path / "a.csv", 1), save(tmp_path / "b.csv", 2, **change)  # type: ignore[arg-type]
    assert main(["profile", a, b, "--html", str(tmp_path / "out.html")]) == 1
    assert words in capsys.readouterr().out
    assert "<script" not in (tmp_path / "out.html").read_text()


def test_as_json_and_a_column_that_is_gone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = save(tmp_path / "a.csv", 1, extra="zip"), save(tmp_path / "b.csv", 2)
    assert main(["profile", a, b, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["differs"], found["gone"], found["came"]) == (True, ["zip"], [])


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_later_times_and_other_ids_of_rows_are_no_difference(
    tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names = []
    for day in (1, 2):
        times = pd.date_range(f"2026-11-{day:02}", periods=900, freq="min")
        frame = pd.DataFrame({"shown_at": times, "request": [f"r{day}-{row}" for row in range(900)]})
        names.append(str(tmp_path / f"{day}{suffix}"))
        frame.to_csv(names[-1], index=False) if suffix == ".csv" else frame.to_parquet(names[-1])
    assert main(["profile", *names, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["columns"]
    assert [one["kinds"] for one in found] == [["time", "time"], ["categorical", "categorical"]]


@pytest.mark.parametrize("cells", [["2026-11-01", "soon"], ["2026", "2027"], ["", ""]])
def test_text_that_holds_more_than_dates_stays_what_it_is(tmp_path: Path, cells: list[str]) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x,y\n" + "".join(f"{cell},1\n" for cell in cells))
    assert str(read(path, is_dated=True)["x"].dtype) == str(read(path)["x"].dtype)


def test_dates_of_summer_and_winter_are_times(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n2026-07-01T00:00+02:00\n2026-11-01T00:00+01:00\n")
    times = read(tmp_path / "a.csv", is_dated=True)["x"]
    assert column_of("x", times).values.tolist() == [1_782_856_800.0, 1_793_487_600.0]

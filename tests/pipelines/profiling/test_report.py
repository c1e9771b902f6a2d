"""The profile of a file says what pandas says of it, and names what is wrong with a file it cannot read."""

from __future__ import annotations

import decimal
import gzip
import json
import pathlib
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from streamgauge.pipelines.profiling.columns import ProfileError, read
from streamgauge.pipelines.profiling.report import profile, profile_frame, render, to_json
from streamgauge.pipelines.text_tables import Form

pandas = pytest.importorskip("pandas", reason="needs streamgauge[profile]")
ROWS = 150_000  # three slices
SEED = 20130101


@pytest.fixture(scope="module")
def frame() -> Any:
    rng = np.random.default_rng(SEED)
    delay = np.round(rng.normal(5.0, 40.0, ROWS))
    delay[rng.random(ROWS) < 0.2] = np.nan
    return pandas.DataFrame(
        {
            "delay": delay,
            "distance": rng.integers(100, 3_000, ROWS),
            "carrier": rng.choice(np.array(["UA", "AA", "", None], object), ROWS, p=[0.6, 0.25, 0.1, 0.05]),
            "tailnum": np.array([f"N{i}" for i in rng.integers(0, 4_000, ROWS)], object),
            "when": pandas.Timestamp("2013-01-01") + pandas.to_timedelta(rng.integers(0, 86_400, ROWS), unit="s"),
            "night": rng.random(ROWS) < 0.1,
            "late": (np.nan_to_num(delay) > 60).astype(int),
        }
    )


@pytest.fixture(scope="module")
def columns(frame: Any) -> dict[str, dict[str, Any]]:
    return {column["name"]: column for column in profile_frame(frame)["columns"]}


@pytest.mark.parametrize("name", ["delay", "distance", "night"])
def test_numeric_columns_agree_with_pandas(name: str, frame: Any, columns: dict[str, dict[str, Any]]) -> None:
    series, found = frame[name].astype(float), columns[name]
    assert found["missing_rate"] == pytest.approx(series.isna().mean())
    assert found["zero_rate"] == pytest.approx((series.dropna() == 0).mean())
    assert (found["mean"], found["std"]) == pytest.approx((series.mean(), series.std()), rel=1e-9)
    assert (found["min"], found["max"]) == (series.min(), series.max())
    exact = [np.quantile(series.dropna(), q, method="inverted_cdf") for q in (0.05, 0.5, 0.95)]
    assert [found["p05"], found["p50"], found["p95"]] == pytest.approx(exact, rel=1 / 64)
    assert found["distinct"] == pytest.approx(series.nunique(), rel=0.065)


def test_categorical_columns_agree_with_pandas(frame: Any, columns: dict[str, dict[str, Any]]) -> None:
    found = columns["carrier"]
    assert found["missing_rate"] == pytest.approx((frame["carrier"].isna() | (frame["carrier"] == "")).mean())
    assert found["distinct"] == 2
    assert [top["value"] for top in found["top"]] == ["UA", "AA"]
    assert found["top"][0]["share"] == pytest.approx(0.6 / 0.85, rel=0.02)
    assert columns["tailnum"]["distinct"] == pytest.approx(4_000, rel=0.065)
    assert columns["tailnum"]["top"] == []


def test_a_time_column_is_in_seconds_since_the_epoch(frame: Any, columns: dict[str, dict[str, Any]]) -> None:
    assert columns["when"]["kind"] == "time"
    assert columns["when"]["min"] == frame["when"].min().timestamp()


def test_a_label_gives_information_values_of_all_other_columns(frame: Any) -> None:
    report = profile_frame(frame, label="late")
    found = {column["name"]: column for column in report["columns"]}
    assert "late" not in found
    assert report["label"]["positives"] == int(frame["late"].sum())
    assert found["delay"]["iv_excess"] > 1.0
    assert [found[name]["iv_excess"] for name in ("distance", "carrier")] == [0.0, 0.0]
    assert found["tailnum"]["iv_excess"] is None  # thousands of values, none with enough rows to be a bin of its own


def test_csv_and_parquet_of_the_same_frame_give_the_same_numbers(frame: Any, tmp_path: pathlib.Path) -> None:
    pytest.importorskip("pyarrow", reason="needs streamgauge[profile]")
    some = frame[["delay", "distance", "carrier"]].head(5_000)
    some.to_csv(tmp_path / "flights.csv", index=False)
    some.to_parquet(tmp_path / "flights.parquet")
    assert profile(tmp_path / "flights.csv")["columns"] == profile(tmp_path / "flights.parquet")["columns"]


def test_nullable_and_categorical_pandas_types_are_profiled() -> None:
    typed = pandas.DataFrame(
        {
            "n": pandas.array([1, None, 3], dtype="Int64"),
            "c": pandas.Categorical(["a", None, "a"]),
            "s": pandas.array(["x", "y", None], dtype="string"),
        }
    )
    found = {column["name"]: column for column in profile_frame(typed)["columns"]}
    assert [found[name]["missing_rate"] for name in "ncs"] == pytest.approx([1 / 3] * 3)
    assert (found["n"]["kind"], found["n"]["mean"], found["c"]["top"][0]["value"]) == ("numeric", 2.0, "a")


def test_nested_values_are_categories_by_their_text() -> None:
    (found,) = profile_frame(pandas.DataFrame({"x": [[1, 2], [1, 2], {"a": 1}, None]}))["columns"]
    assert (found["kind"], found["distinct"], found["missing_rate"]) == ("categorical", 2, 0.25)
    assert found["top"][0] == {"value": "[1, 2]", "share": pytest.approx(2 / 3)}


def test_no_quantile_lies_beyond_the_values() -> None:
    (found,) = profile_frame(pandas.DataFrame({"x": [0.0, 0.0, 1.0]}))["columns"]
    assert (found["min"], found["p50"], found["p95"], found["max"]) == (0.0, 0.0, 1.0, 1.0)


def test_the_table_cuts_long_values() -> None:
    report = profile_frame(pandas.DataFrame({"x": ["y" * 1000]}))
    assert max(len(line) for line in render(report).splitlines()) < 250


def test_an_empty_frame_and_an_all_missing_column_are_unknown_not_an_error() -> None:
    report = profile_frame(pandas.DataFrame({"x": [np.nan, np.nan], "y": [None, None]}))
    assert [column["missing_rate"] for column in report["columns"]] == [1.0, 1.0]
    assert report["columns"][0]["mean"] is None
    assert profile_frame(pandas.DataFrame({"x": []}))["rows"] == 0


def test_the_table_has_one_line_a_column_and_the_json_reads_back(frame: Any) -> None:
    report = profile_frame(frame, columns=["delay", "carrier"], label="late")
    lines = render(report).splitlines()
    assert lines[0].startswith("150,000 rows, 2 columns, label late: ")
    assert [line.split()[0] for line in lines[1:]] == ["name", "delay", "carrier"]
    assert json.loads(to_json(report))["columns"][1]["name"] == "carrier"


def test_a_missing_file_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ProfileError, match=r"nowhere.csv: no such file"):
        profile(tmp_path / "nowhere.csv")


def test_another_kind_of_file_is_refused_with_what_is_read(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ProfileError, match=r"reads .csv .or .csv.gz. and .parquet, not .json"):
        profile(tmp_path / "rows.json")


@pytest.mark.parametrize("name", ["broken.parquet", "broken.csv"])
def test_a_broken_file_is_named(name: str, tmp_path: pathlib.Path) -> None:
    (tmp_path / name).write_bytes(b"" if name.endswith("csv") else b"not parquet at all")
    with pytest.raises(ProfileError, match=f"{name}: cannot be read"):
        profile(tmp_path / name)


def test_a_missing_column_or_label_is_named_with_those_there_are(frame: Any) -> None:
    with pytest.raises(ProfileError, match=r"no column 'speed'; there are delay, distance"):
        profile_frame(frame, columns=["speed"])
    with pytest.raises(ProfileError, match="no column 'clicked'"):
        profile_frame(frame, label="clicked")


@pytest.mark.parametrize("name", ["delay", "carrier"])
def test_a_label_that_is_not_0_or_1_is_refused(name: str, frame: Any) -> None:
    with pytest.raises(ProfileError, match=f"label '{name}' must be 0 or 1"):
        profile_frame(frame, label=name)


def test_importing_the_module_does_not_import_pandas() -> None:
    code = "import sys, streamgauge.pipelines.profiling.report; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_column_says_the_same_in_every_file_format(form: str, tmp_path: pathlib.Path) -> None:
    ids = [2**60 + number for number in range(1000)]
    frame = pandas.DataFrame(
        {
            "id": pandas.Series([*ids, None], dtype="Int64"),
            "click": pandas.Series([True, False] * 500 + [None], dtype="boolean"),
            "price": [decimal.Decimal(number) / 4 for number in range(1000)] + [None],
        }
    )
    path = tmp_path / f"rows.{form}"
    frame.to_csv(path, index=False) if form == "csv" else frame.to_parquet(path)
    found = {column["name"]: column for column in profile(path)["columns"]}
    assert found["id"]["distinct"] == pytest.approx(1000, rel=0.05)  # 5 of them after a way through float64
    assert {name: column["kind"] for name, column in found.items()} == dict.fromkeys(found, "numeric")
    assert [column["missing_rate"] for column in found.values()] == [pytest.approx(1 / 1001)] * 3
    assert (found["click"]["mean"], found["price"]["mean"]) == (0.5, pytest.approx(124.875))


def _written(path: pathlib.Path, form: str) -> pathlib.Path:
    """The same three rows, as one kind of people write them."""
    rows = [("14.10.2025 13:53", "Köln", "1,5"), ("15.10.2025 00:00", "Oslo", "2,25"), ("15.10.2025 01:00", "Rom", "")]
    text = "\n".join(";".join(row) for row in [("am", "Ort", "Wert"), *rows])
    if form == "american":
        text = text.replace(",", ".").replace(";", ",")
        text = re.sub(r"(\d+)\.(\d+)\.(\d{4})", r"\2/\1/\3", text)
    raw = text.encode({"german": "cp1252", "american": "utf-8", "packed": "utf-8", "wide": "utf-16"}[form])
    path.write_bytes(gzip.compress(raw) if form == "packed" else raw)
    return path


@pytest.mark.parametrize("form", ["german", "american", "packed", "wide"])
def test_a_text_file_is_read_as_it_is_written(form: str, tmp_path: pathlib.Path) -> None:
    frame = read(_written(tmp_path / ("rows.csv.gz" if form == "packed" else "rows.csv"), form), is_dated=True)
    assert list(frame["Wert"].astype(object).dropna()) == [1.5, 2.25]
    assert list(frame["Ort"]) == ["Köln", "Oslo", "Rom"]
    assert str(frame["am"].iloc[0]) == "2025-10-14 13:53:00+00:00"
    assert ("columns are separated by ';'" in frame.attrs["notes"]) == (form != "american")


def test_rows_without_a_header_are_all_read_and_columns_numbered(tmp_path: pathlib.Path) -> None:
    (tmp_path / "rows.csv").write_text("1760000000,1.5,2025-10-14\n1760000060,2.5,2025-10-15\n")
    frame = read(tmp_path / "rows.csv")
    assert (list(frame.columns), len(frame)) == (["column 1", "column 2", "column 3"], 2)
    assert frame.attrs["notes"] == ["there is no header: the columns are numbered"]


def test_a_sign_that_is_no_utf8_may_come_late(tmp_path: pathlib.Path) -> None:
    (tmp_path / "rows.csv").write_bytes(b"city\n" + b"Oslo\n" * 300_000 + "Köln\n".encode("cp1252"))
    frame = read(tmp_path / "rows.csv")
    assert frame["city"].iloc[-1] == "Köln"
    assert frame.attrs["notes"] == ["the text is no UTF-8 and is read as Windows-1252"]


def test_how_a_file_is_written_can_be_said(tmp_path: pathlib.Path) -> None:
    (tmp_path / "rows.csv").write_text("2020|1,5\n2021|2,5\n")
    assert list(read(tmp_path / "rows.csv", Form("|", ",", has_header=False))["column 2"]) == [1.5, 2.5]
    assert list(read(tmp_path / "rows.csv", Form(",")).columns) == ["2020|1", "5"]

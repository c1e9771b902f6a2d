"""Files as people have them are read as what they mean, and what was guessed or mended is told."""

from __future__ import annotations

import gzip
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from streamgauge.pipelines.cli import main
from streamgauge.pipelines.detection.series_file import Dialect, FileFault, read

NOON = datetime(2026, 11, 28, 12, 0)


def save(tmp_path: Path, text: str, name: str = "a.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, errors="surrogateescape")
    return path


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("timestamp,value\n2026-11-28 12:00,1.5\n2026-11-28 13:00,2.5\n", ""),
        ("time;value\n2026-11-28T12:00;1,5\n2026-11-28T13:00;2,5\n", "decimal comma"),
        ("date\tvalue\n28.11.2026 12:00\t1.5\n28.11.2026 13:00\t2.5\n", "day first"),
        ("date,value\n11/28/2026 12:00,1.5\n11/28/2026 13:00,2.5\n", "month first"),
        ("ts|y\n2026-11-28 13:00|2.5\n2026-11-28 12:00|1.5\n", "out of order"),
        ("2026-11-28 12:00,1.5\n2026-11-28 13:00,2.5\n", "no header"),
        ("date,value\n11/28/2026 12:00 PM,1.5\n11/28/2026 1:00:00 p.m.,2.5\n", "month first"),
        ("date,value\n11/28/2026 12:00,1.5%\n11/28/2026 13:00,2.5 %\n", "month first"),
    ],
)
def test_each_way_to_write_two_points_is_read(tmp_path: Path, text: str, note: str) -> None:
    (series,), notes = read(save(tmp_path, text))
    assert series.values.tolist() == [1.5, 2.5]
    assert [time.replace(tzinfo=None) for time in series.times] == [NOON, NOON.replace(hour=13)]
    assert any(note in told for told in notes) or not note


@pytest.mark.parametrize(("factor", "unit"), [(1, ""), (1_000, "ms"), (1_000_000, "us"), (1_000_000_000, "ns")])
def test_seconds_since_1970_come_in_any_unit(tmp_path: Path, factor: int, unit: str) -> None:
    (series,), notes = read(save(tmp_path, f"timestamp,value\n{1_795_867_200 * factor},1\n"))
    assert series.times[0].replace(tzinfo=None) == NOON
    assert any(f"times are {unit} since" in note for note in notes) or not unit


@pytest.mark.parametrize(
    "text",
    ["1,234.5\t1,234,567.5", "1 234,5\t1.234.567,5", "1'234.5\t1'234'567.5", "1\u202f234,5\t1\u202f234\u202f567,5"],
)
def test_signs_between_thousands_are_read(tmp_path: Path, text: str) -> None:
    found, _ = read(save(tmp_path, f"time\ta\tb\n2026-11-28\t{text}\n"))
    assert [one.values.tolist() for one in found] == [[1234.5], [1234567.5]]


def test_a_column_without_a_number_is_told_with_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(FileFault, match=r"column state holds no number \('up'\); --value names another"):
        read(save(tmp_path, "time,state,load\n2026-11-28,up,1\n"), Dialect(values=("state",)))


@pytest.mark.parametrize(("text", "hour"), [("12:30 AM", 0), ("12:30 PM", 12), ("01:30 am", 1), ("11:30 PM", 23)])
def test_noon_and_midnight_of_a_clock_of_twelve_hours(tmp_path: Path, text: str, hour: int) -> None:
    (series,), _ = read(save(tmp_path, f"date,value\n11/28/2026 {text},1\n"))
    assert series.times == (datetime(2026, 11, 28, hour, 30),)


def test_gzip_and_parquet_are_read_as_the_same(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    packed = tmp_path / "a.csv.gz"
    packed.write_bytes(gzip.compress(b"timestamp,value\n2026-11-28 12:00,1.5\n"))
    table = pyarrow.table({"timestamp": [NOON], "value": [1.5]})
    parquet.write_table(table, tmp_path / "a.parquet")
    for path in (packed, tmp_path / "a.parquet"):
        (series,), _ = read(path)
        assert (series.times, series.values.tolist()) == ((NOON,), [1.5])


@pytest.mark.parametrize(("encoding", "note"), [("utf-16", ""), ("cp1252", "Windows-1252"), ("utf-8-sig", "")])
def test_text_of_a_spreadsheet_is_read(tmp_path: Path, encoding: str, note: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("timestamp;größe\n2026-11-28 12:00;1,5\n".encode(encoding))
    (series,), notes = read(path)
    assert (series.name, series.values.tolist()) == ("größe", [1.5])
    assert any(note in told for told in notes)


def test_the_only_column_of_dates_is_the_time(tmp_path: Path) -> None:
    (series,), notes = read(save(tmp_path, "host,t,load\na,2026-11-28 12:00,1.5\n"))
    assert (series.name, series.times, series.values.tolist()) == ("load", (NOON,), [1.5])
    assert "the times are taken from column t" in notes
    with pytest.raises(FileFault, match="name the one with the time"):
        read(save(tmp_path, "begin,end,load\n2026-11-28,2026-11-29,1.5\n"))


def test_several_series_by_columns_and_by_groups(tmp_path: Path) -> None:
    text = "time,host,cpu,mem\n2026-11-28 12:00,b,1,2\n2026-11-28 12:00,a,3,4\n2026-11-28 13:00,a,5,6\n"
    found, _ = read(save(tmp_path, text), Dialect(values=("cpu", "mem"), by=("host",)))
    assert {one.name: one.values.tolist() for one in found} == {
        "a/cpu": [3.0, 5.0], "b/cpu": [1.0], "a/mem": [4.0, 6.0], "b/mem": [2.0],
    }  # fmt: skip


def test_rows_of_one_time_are_told(tmp_path: Path) -> None:
    days = "".join(f"2026-11-{day},1\n" for day in range(10, 20))
    _, notes = read(save(tmp_path, f"time,value\n{days}2026-11-19,2\n"))
    assert notes == ["value: 1 rows have a time that another has, too; all are judged"]


@pytest.mark.parametrize(("text", "dialect", "words"), [
    ("when,cpu,mem\n1,a,b\n", Dialect(time="when"), "no column value; name those with the values: --value NAME"),
    ("time,cpu\n1,2\n", Dialect(values=("cup",)), "no column 'cup'; there are time, cpu"),
    ("time,value\n31/31/2026,2\n", Dialect(), "timestamp '31/31/2026'"),
    ("PK\x03\x04 \udc80 packed", Dialect(), "holds no text"),
    ("time,value\n1,2\n1,2,3\n", Dialect(), "row 3 has 3 cells, the header 2"),
])  # fmt: skip
def test_what_cannot_be_read_is_told_with_its_remedy(
    tmp_path: Path, text: str, dialect: Dialect, words: str
) -> None:
    with pytest.raises(FileFault, match=words):
        read(save(tmp_path, text), dialect)


def test_detect_prints_episodes_with_their_band_and_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generator = np.random.default_rng(1)
    values = 100.0 + generator.normal(0.0, 1.0, 400)
    values[300:303] += 60.0
    lines = [f"{1_795_867_200 + 60 * i};{value:.3f}".replace(".", ",") for i, value in enumerate(values.tolist())]
    path = save(tmp_path, "time;load\n" + "\n".join(lines) + "\n", "<odd>.csv")
    assert main(["detect", str(path), "--plot", str(tmp_path / "out.html")]) == 0
    out, err = capsys.readouterr()
    head, first = out.splitlines()[:2]
    assert head == "series,start,end,rows,value,low,high,sigmas,detector"
    name, start, _, _, value, low, high, sigmas, _ = first.split(",")
    assert (name, start) == ("load", str(1_795_867_200 + 300 * 60))
    assert float(low) < 100.0 < float(high) < float(value)
    assert float(sigmas) > 8.0
    assert "decimal comma" in err
    page = (tmp_path / "out.html").read_text()
    assert "&lt;odd&gt;.csv" in page
    assert "<script" not in page
    assert "http" not in page


def test_a_plot_that_is_no_page_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", str(save(tmp_path, "time,value\n1,2\n")), "--plot", "out.pdf"]) == 2
    assert "name a file that ends in .html" in capsys.readouterr().err


def test_without_a_named_value_every_column_with_numbers_is_a_series(tmp_path: Path) -> None:
    rows = "\n".join(f"{1_795_867_200 + 60 * i}\tweb-{i % 2}\t{i % 7},5\t{i}" for i in range(40))
    found, notes = read(save(tmp_path, f"ts\thost\tcpu\tmem\n{rows}\n"), Dialect(by=("host",)))
    assert [one.name for one in found] == ["web-0/cpu", "web-1/cpu", "web-0/mem", "web-1/mem"]
    assert any("a series for each column with numbers: cpu, mem" in note for note in notes)


def test_series_that_were_not_told_apart_are_hinted_at(tmp_path: Path) -> None:
    rows = "\n".join(f"{1_795_867_200 + 60 * (i // 2)},{i}" for i in range(40))
    _, notes = read(save(tmp_path, f"ts,value\n{rows}\n"))
    assert any("--by COLUMN" in note for note in notes)


def test_a_picture_and_a_report_are_written_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: make test installs it")
    rows = "\n".join(f"2026-01-{1 + i // 24:02d} {i % 24:02d}:00,{10 + i % 3 + 90 * (i == 400)}" for i in range(500))
    path, picture, report = save(tmp_path, f"time,value\n{rows}\n"), tmp_path / "out.png", tmp_path / "out.md"
    assert main(["detect", str(path), "--plot", str(picture), "--report", str(report)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    text = report.read_text()
    assert "500 rows from 2026-01-01 00:00 to 2026-01-21 19:00, mostly every 1:00:00" in text
    assert "| 2026-01-17 16:00 | 2026-01-17 16:00 | 1 | 101 |" in text

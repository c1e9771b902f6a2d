"""The commands that work on files: init, check, detect, profile."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from streamgauge.pipelines.grammar.arguments import add, finite, json, sigmas

if TYPE_CHECKING:
    from streamgauge.pipelines.grammar.arguments import Commands


def add_configuring(commands: Commands) -> None:
    """A configuration: a first one, and what is wrong with one."""
    init = add(
        commands, "init", "write a first configuration from a file of rows, or from a running job",
        example="streamgauge init rows.parquet --job ctr --label clicked",
    )
    init.add_argument("file", type=Path, nargs="?", help="rows as CSV or Parquet, a column a feature")
    init.add_argument("--from-job", default="", metavar="NAME", help="the features that this running job sends")
    init.add_argument("--job", default="", help="name of the job (the file's name)")
    for name, what in (("label", "label"), ("time", "time"), ("id", "sample's id")):
        init.add_argument(f"--{name}", default="", metavar="COLUMN", help=f"the column with the {what}: no feature")
    init.add_argument("--out", type=Path, default=Path("streamgauge.toml"), help="(streamgauge.toml)")
    init.add_argument("--force", action="store_true", help="overwrite it")
    init.add_argument("--config", type=Path, default=Path("streamgauge.toml"), help="of the running job")
    json(init)
    check = add(
        commands, "check", "name every fault of a configuration",
        example="streamgauge check streamgauge.toml",
    )
    check.add_argument("file", type=Path, help="the configuration")
    json(check)


def add_detect(commands: Commands) -> None:
    """Series in a file, and what is odd in them."""
    detect = add(
        commands, "detect", "run the detector on the series in a CSV or Parquet file",
        example="streamgauge detect latency.csv --threshold 6",
    )
    detect.add_argument("file", type=Path, help="the file")
    detect.add_argument("--threshold", type=sigmas, default=8.0, help="sigmas (8)")
    detect.add_argument("--out", type=Path, help="write every row to this CSV file, scored by all channels together")
    detect.add_argument("--feedback", type=Path, help="of --out: CSV file with timestamp and label of alerts")
    detect.add_argument("--limit", type=finite, help="a value above this is an anomaly without any history")
    detect.add_argument("--all", action="store_true", help="print every row with its score, not what fired")
    detect.add_argument("--time", default="", metavar="COLUMN", help="the column with the time (timestamp, time, date)")
    detect.add_argument("--value", nargs="+", default=[], metavar="COLUMN", help="those with values (value)")
    detect.add_argument("--by", nargs="+", default=[], metavar="COLUMN", help="a series for each of their values")
    detect.add_argument("--separator", default="", help="of columns (guessed)")
    detect.add_argument("--decimal", choices=[".", ","], default="", help="sign of the decimals (guessed)")
    detect.add_argument("--no-header", action="store_true", help="the first line holds values (guessed)")
    detect.add_argument("--day-first", action="store_true", help="dates such as 03/04/2026 are in April")
    detect.add_argument("--plot", type=Path, metavar="FILE.html", help="write a page with charts, in one file")
    json(detect)


def add_profile(commands: Commands) -> None:
    """Rows in a file, alone or beside those of another."""
    profile = add(
        commands, "profile", "run the profiler on a CSV or Parquet file, or compare two",
        example="streamgauge profile samples.parquet --label clicked",
    )
    profile.add_argument("file", type=Path, help="the file")
    profile.add_argument("other", type=Path, nargs="?", help="a second one, to be compared with it; 1 if it differs")
    profile.add_argument("--html", type=Path, metavar="FILE", help="write the comparison as a page, in one file")
    profile.add_argument("--columns", nargs="+", default=[], help="only these")
    profile.add_argument("--label", default="", help="column with the label, for the information value")
    json(profile)

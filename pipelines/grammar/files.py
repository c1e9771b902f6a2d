"""The commands that work on files: init, reference, check, detect, profile, select, topology."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from streamgauge.pipelines.grammar.arguments import add, config, finite, json, pair, sigmas

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from streamgauge.pipelines.grammar.arguments import Commands


def add_topology(commands: Commands) -> None:
    """Graphs of others."""
    topology = add(
        commands, "topology", "import edges from another system's graph; learn and confirm edges of a job",
        example="streamgauge topology import graph.prom --from otel --rename service:weather=source:weather",
    )
    topology.add_argument("do", choices=["import", "learn", "confirm", "reject", "withdraw"], help="what to do")
    files = "import: one graph, in one or more files; confirm, reject, withdraw: the cause and the effect"
    topology.add_argument("files", nargs="*", type=Path, metavar="FILE", help=files)
    forms = "csv", "otel", "backstage", "feast"
    what = "CSV with cause and effect, OpenTelemetry's service graph, Backstage's catalogue, a Feast registry (csv)"
    topology.add_argument("--from", dest="form", choices=forms, default="csv", help=what)
    topology.add_argument("--job", default="", help="the job; import: write [[jobs.JOB.topology]]")
    topology.add_argument("--rename", action="append", default=[], metavar="OLD=NEW", help="a place by another name")
    topology.add_argument("--near", action="append", default=[], metavar="PLACE", help="only what leads to this place")
    topology.add_argument("--hops", type=int, default=2, help="within so many edges (2)")
    topology.add_argument("--service", default="", help="of Feast: only what this feature service takes")
    topology.add_argument("--author", default="", help="who confirms, rejects or withdraws (the login name)")
    json(topology)
    config(topology)


def add_configuring(commands: Commands) -> None:
    """A first configuration, what is normal, and what is wrong with it."""
    init = add(
        commands, "init", "write a first configuration from rows, an EasyRec configuration or a running job",
        example="streamgauge init rows.parquet --job ctr --label clicked",
    )
    init.add_argument("file", type=Path, nargs="?", help="rows as CSV or Parquet, a column a feature")
    init.add_argument("--from-job", default="", metavar="NAME", help="the features that this running job sends")
    init.add_argument(
        "--from", dest="from_config", type=Path, metavar="FILE", help="an EasyRec job's configuration, text or JSON"
    )
    init.add_argument("--job", default="", help="name of the job (the file's name)")
    for name, what in (("label", "label"), ("time", "time"), ("id", "sample's id")):
        init.add_argument(f"--{name}", default="", metavar="COLUMN", help=f"the column with the {what}: no feature")
    init.add_argument("--out", type=Path, default=Path("streamgauge.toml"), help="(streamgauge.toml)")
    init.add_argument("--force", action="store_true", help="overwrite it")
    init.add_argument("--config", type=Path, default=Path("streamgauge.toml"), help="of the running job")
    json(init)
    _add_reference(commands)
    _add_import(commands)
    check = add(
        commands, "check", "name every fault of a configuration",
        example="streamgauge check streamgauge.toml",
    )
    check.add_argument(
        "file", type=Path, nargs="?", default=Path("streamgauge.toml"), help="the configuration (%(default)s)"
    )
    json(check)


def add_detect(commands: Commands) -> None:
    """What is unusual in a file of series."""
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
    _written(detect)
    detect.add_argument("--day-first", action="store_true", help="dates such as 03/04/2026 are in April")
    detect.add_argument("--plot", type=Path, metavar="FILE", help="write the charts: a page (.html), or .png")
    detect.add_argument("--report", type=Path, metavar="FILE", help="write what was read, done and found, as Markdown")
    json(detect)


def add_profile(commands: Commands) -> None:
    """What a file of rows is like, or how two differ."""
    profile = add(
        commands, "profile", "run the profiler on a CSV or Parquet file, or compare two",
        example="streamgauge profile samples.parquet --label clicked",
    )
    profile.add_argument("file", type=Path, help="the file")
    profile.add_argument("other", type=Path, nargs="?", help="a second one, to be compared with it; 1 if it differs")
    profile.add_argument("--html", type=Path, metavar="FILE", help="write the comparison as a page, in one file")
    profile.add_argument("--columns", nargs="+", default=[], help="only these")
    profile.add_argument("--label", default="", help="column with the label, for the information value")
    _written(profile)
    json(profile)


def add_select(commands: Commands) -> None:
    """Which features a model needs."""
    select = add(
        commands, "select", "which features earn their place in a model, by experiments on rows it was not trained on",
        example="streamgauge select held_out.parquet --model model:predict --label clicked --group user_id",
    )
    select.add_argument("file", type=Path, help="the rows as CSV or Parquet, a column a feature")
    select.add_argument(
        "--model", required=True, metavar="MODULE:FUNCTION", help="takes a dict of columns, gives a probability a row"
    )
    select.add_argument("--label", required=True, metavar="COLUMN", help="the column with the label, 0 or 1")
    select.add_argument("--group", default="", metavar="COLUMN", help="a user or a request: GAUC beside the AUC")
    select.add_argument("--leave-out", nargs="+", default=[], metavar="COLUMN", help="no features: ids, times")
    select.add_argument(
        "--mask", action="append", default=[], metavar="A,B", help="masked together; again for another (each by itself)"
    )
    select.add_argument(
        "--methods", nargs="+", default=["bench_mask"], help="(bench_mask)",
        choices=["bench_mask", "permutation", "influence", "feature_gauc"],
    )  # fmt: skip
    select.add_argument("--gradients", default="", metavar="MODULE:FUNCTION", help="of the logit by feature: influence")
    select.add_argument("--passes", type=int, default=8, help="of bench_mask over the rows (8)")
    select.add_argument("--repeats", type=int, default=5, help="of permutation for each mask (5)")
    select.add_argument("--rows", type=int, default=0, help="drawn from the file; 0: all")
    select.add_argument("--seed", type=int, default=0, help="of everything that is drawn (0)")
    select.add_argument("--csv", action="store_true", help="as CSV")
    json(select)


def _written(command: ArgumentParser) -> None:
    """How a text file is written."""
    command.add_argument("--separator", default="", help="of columns (guessed)")
    command.add_argument("--decimal", choices=[".", ","], default="", metavar="SIGN", help=". or , (guessed)")
    command.add_argument("--no-header", action="store_true", help="the first line holds values (guessed)")


def _add_import(commands: Commands) -> None:
    runs = add(
        commands, "import", "let a job begin with what was normal in runs that another tool recorded",
        example="streamgauge import mlflow mlflow.db --job ctr --metric auc=val_auc --from-step 2000",
    )
    runs.add_argument("kind", choices=["mlflow", "wandb", "tensorboard"], help="the tool")
    runs.add_argument("folder", type=Path, help="mlflow.db or mlruns, wandb (offline runs), or event files; no server")
    runs.add_argument("--job", default="", help="the job that begins with it (the only one)")
    runs.add_argument(
        "--metric", action="append", default=[], type=pair, metavar="METRIC=TAG",
        help="a metric of the job, and its recorded name; once each (guessed by the names)",
    )
    runs.add_argument("--run", default="", metavar="NAME", help="only this run")
    runs.add_argument("--from-step", type=int, default=0, metavar="N", help="without the steps before, of a cold model")
    runs.add_argument("--dry-run", action="store_true", help="only say what it would begin with")
    json(runs)
    config(runs)


def _add_reference(commands: Commands) -> None:
    reference = add(
        commands, "reference", "let a job begin with what is normal in a file of rows, or was in an earlier run",
        example="streamgauge reference training.parquet --job ctr --time shown_at --label clicked",
    )
    reference.add_argument("file", type=Path, nargs="?", help="rows as CSV or Parquet, a column a feature")
    reference.add_argument("--job", default="", help="the job that begins with it (the only one)")
    reference.add_argument("--time", default="", metavar="COLUMN", help="when a row was seen; hours are told apart")
    reference.add_argument("--label", default="", metavar="COLUMN", help="the column with the label")
    reference.add_argument("--salt-file", default="", metavar="FILE", help="the tracers' salt, where they have one")
    reference.add_argument("--from-job", default="", metavar="NAME", help="an earlier run, in place of a file")
    reference.add_argument("--from-data", default="", metavar="FOLDER", help="the data folder of that run (this one)")
    reference.add_argument("--release", default="", metavar="VERSION", help="only since it was pushed, or `last`")
    reference.add_argument("--since", default="", metavar="TIME", help="only since then, such as 2026-11-28T14:00")
    reference.add_argument("--dry-run", action="store_true", help="only say what it would begin with")
    json(reference)
    config(reference)

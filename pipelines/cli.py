"""The command line: one subcommand a verb, each with an example in its help; faults are one line with their remedy.

Exit codes: 0 done, 1 done and something was found wrong (a rejected plan), 2 a fault of use, 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streamgauge.pipelines.config.faults import ConfigError
from streamgauge.tracer.printable import printable

if TYPE_CHECKING:
    _Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_EXAMPLES: Final = {
    "demo": "streamgauge demo --speed max --until 2013-02-01",
    "run": "streamgauge run --config streamgauge.toml",
    "jobs": "streamgauge jobs --adopt ctr click_rate --config streamgauge.toml",
    "engine": "streamgauge engine faust --config streamgauge.toml",
    "replay": "streamgauge replay --log streamgauge-data/log.db --config streamgauge.toml --data replayed",
    "topics": "streamgauge topics --create --config streamgauge.toml",
    "flink": "streamgauge flink submit --jobmanager 127.0.0.1:8081 --parallelism 2 --config streamgauge.toml",
    "grafana": "streamgauge grafana publish --url http://127.0.0.1:3000 --token-file grafana.token",
    "init": "streamgauge init rows.parquet --job ctr --label clicked",
    "check": "streamgauge check streamgauge.toml",
    "detect": "streamgauge detect latency.csv --threshold 6",
    "profile": "streamgauge profile samples.parquet --label clicked",
    "tensors": "streamgauge tensors diff --job flights --tensor dense/kernel --worker LGA",
    "trace": "streamgauge trace --job flights --collection gradients --include ^dense --workers LGA --ttl 30m",
    "silence": "streamgauge silence --job flights worker=LGA 'entity=~feature:.*' --for 2h --comment 'backfill'",
    "feedback": "streamgauge feedback --job flights 3f2a91bc false_alarm --comment 'holiday'",
    "status": "streamgauge status",
    "incidents": "streamgauge incidents --job flights --open",
    "silences": "streamgauge silences --end 5fa9c1d20e77",
    "gate": "streamgauge gate --job ctr --since 1767225600",
    "rootcause": "streamgauge rootcause --topology graph.csv --metrics metrics.csv --target api --at 1767225600",
    "impact": "streamgauge impact --job ctr nick_cate_pv",
    "bridge": "streamgauge bridge --config streamgauge.toml",
    "verify": "streamgauge verify --config streamgauge.toml",
    "version": "streamgauge version",
}


class UseError(Exception):
    """A command that cannot do what was asked; the message names the value and the remedy."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["demo"]:
        return _guarded(lambda: _demo(arguments[1:]))
    args = parser().parse_args(arguments)
    shown = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Printable(shown))
    logging.basicConfig(level=args.log_level, handlers=[handler])
    command = importlib.import_module(f"streamgauge.pipelines.commands.{_MODULES[args.command]}")
    return _guarded(lambda: int(getattr(command, args.command)(args)))


def parser() -> argparse.ArgumentParser:
    """The whole grammar."""
    text = "Watches online-learning jobs: quality scores, detection, one page per root cause."
    top = argparse.ArgumentParser(prog="streamgauge", description=text)
    top.add_argument("--log-level", default="WARNING", choices=["DEBUG", "INFO", "WARNING", "ERROR"], help="(WARNING)")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add(commands, "demo", "replay a year of flights through a real job and watch it")
    for add in (
        _add_run, _add_topics, _add_flink, _add_grafana, _add_files, _add_watching, _add_deciding, _add_actions,
    ):  # fmt: skip
        add(commands)
    _json(_add(commands, "version", "print the version"))
    return top


_MODULES: Final = {
    "run": "run", "engine": "engine", "replay": "run", "topics": "topics", "bridge": "bridge", "flink": "flink",
    "grafana": "grafana", "check": "files", "detect": "files", "profile": "files", "version": "files",
    "init": "init", "jobs": "jobs", "verify": "verify", "trace": "tracing", "tensors": "tensors",
    "silence": "acting", "feedback": "acting",
    "status": "watching", "incidents": "watching", "silences": "watching",
    "gate": "deciding", "rootcause": "deciding", "impact": "deciding",
}  # fmt: skip


def _add(commands: _Commands, name: str, text: str) -> argparse.ArgumentParser:
    return commands.add_parser(name, help=text, description=text, epilog=f"example: {_EXAMPLES[name]}")


def _config(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", type=Path, default=Path("streamgauge.toml"), help="(streamgauge.toml)")
    command.add_argument("--data", help="folder of the log and the store, instead of the configured one")


def _add_run(commands: _Commands) -> None:
    run = _add(commands, "run", "start the pipeline and its HTTP surface")
    _config(run)
    run.add_argument("--host", help="address to listen on, instead of the configured one")
    run.add_argument("--port", type=int, help="port to listen on, instead of the configured one; 0: any")
    bridge = _add(commands, "bridge", "read a job's own sample topic where the job embeds no tracer")
    bridge.add_argument("--topic", default="", help="only the bridge of this topic")
    bridge.add_argument("--once", action="store_true", help="end where the topic ends")
    _config(bridge)
    run.add_argument("--engine", choices=["embedded", "faust", "flink"], help="instead of the configured one")
    run.add_argument("--elsewhere", action="store_true", help="the engine runs by itself: on a cluster, or as `engine`")
    engine = _add(commands, "engine", "host only the operators, beside a run of the same configuration")
    engine.add_argument("engine", choices=["faust", "flink"], help="of Faust, any number share the work")
    _config(engine)
    engine.add_argument("--supervised", action="store_true", help=argparse.SUPPRESS)
    engine.add_argument("--parallelism", type=int, help="slots of Flink, instead of the configured number")
    engine.add_argument("--connector-jar", help="Flink's Kafka connector, instead of the configured one")
    jobs = _add(commands, "jobs", "list the jobs and what removed ones left behind; forget or adopt that")
    what = jobs.add_mutually_exclusive_group()
    what.add_argument("--forget", default="", metavar="JOB", help="let its parked state go, for ever")
    what.add_argument("--adopt", nargs=2, metavar=("OLD", "NEW"), help="begin NEW with what was learnt of OLD")
    _config(jobs)
    verify = _add(commands, "verify", "walk log, state and store, and say what is damaged")
    verify.add_argument("--forget", default="", metavar="JOB", help="take away a job's state, so that it learns anew")
    _config(verify)
    replay = _add(commands, "replay", "run a recorded log through the same operators, pager and store")
    replay.add_argument("--log", type=Path, required=True, help="a recorded log, log.db in a data folder; only read")
    _json(replay)
    _config(replay)


def _add_topics(commands: _Commands) -> None:
    topics = _add(commands, "topics", "show the topics on Kafka, and what is not as it must be")
    topics.add_argument("--config", type=Path, default=Path("streamgauge.toml"), help="(streamgauge.toml)")
    what = topics.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="exit with 1 if something differs")
    what.add_argument("--create", action="store_true", help="make those that are missing")
    what.add_argument("--alter", action="store_true", help="set settings that differ; a shorter retention deletes")


def _add_flink(commands: _Commands) -> None:
    flink = _add(commands, "flink", "run the job on a Flink cluster; `engine flink` needs none")
    actions = flink.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("fetch", help="get Flink's Kafka connector with Maven")
    submit = actions.add_parser("submit", help="start the job on a cluster")
    submit.add_argument("--parallelism", type=int, help="slots, instead of the configured number")
    submit.add_argument("--savepoint", default="", help="path or URI to go on from")
    submit.add_argument("--checkpoints", default="", help="path or URI where checkpoints go (the cluster's setting)")
    submit.add_argument("--python", default="python3", help="interpreter on the TaskManagers (python3)")
    submit.add_argument("--connector-jar", help="Flink's Kafka connector, instead of the configured one")
    for name, text in (("savepoint", "save the state of the running job"), ("stop", "save it and end the job")):
        save = actions.add_parser(name, help=text)
        save.add_argument("--to", required=True, metavar="FOLDER", help="path or URI that all of Flink reaches")
        save.add_argument("--job", default="", help="its id, where several run")
        _cluster(save)
    _cluster(submit)


def _cluster(command: argparse.ArgumentParser) -> None:
    command.add_argument("--jobmanager", required=True, metavar="HOST:PORT", help="its REST address")
    _config(command)


def _add_grafana(commands: _Commands) -> None:
    grafana = _add(commands, "grafana", "write the Grafana dashboards as files, or publish them")
    actions = grafana.add_subparsers(dest="action", required=True, metavar="ACTION")
    write = actions.add_parser("write", help="write the files that Grafana is provisioned with")
    write.add_argument("folder", type=Path, help="gets provisioning/ and json/")
    publish = actions.add_parser("publish", help="bring a running Grafana up to date; again and again if need be")
    publish.add_argument("--url", required=True, help="address of Grafana, with its path if it has one")
    publish.add_argument("--token-file", type=Path, help="its token (environment: STREAMGAUGE_GRAFANA_TOKEN)")
    publish.add_argument("--influx", default="http://127.0.0.1:8086", help="InfluxDB as Grafana sees it (%(default)s)")
    publish.add_argument("--bucket", default="streamgauge", help="bucket, or database of InfluxDB 1 (streamgauge)")
    publish.add_argument("--influx-token-file", type=Path, help="its token (environment: STREAMGAUGE_INFLUX_TOKEN)")
    publish.add_argument("--wait", type=_seconds, default=0.0, help="try again for so long, such as 60s (0)")
    for action in (write, publish):
        action.add_argument("--page", default="", help="address of the live page, for the links to it")


def _add_files(commands: _Commands) -> None:
    init = _add(commands, "init", "write a first configuration from a file of rows, or from a running job")
    init.add_argument("file", type=Path, nargs="?", help="rows as CSV or Parquet, a column a feature")
    init.add_argument("--from-job", default="", metavar="NAME", help="the features that this running job sends")
    init.add_argument("--job", default="", help="name of the job (the file's name)")
    for name, what in (("label", "label"), ("time", "time"), ("id", "sample's id")):
        init.add_argument(f"--{name}", default="", metavar="COLUMN", help=f"the column with the {what}: no feature")
    init.add_argument("--out", type=Path, default=Path("streamgauge.toml"), help="(streamgauge.toml)")
    init.add_argument("--force", action="store_true", help="overwrite it")
    init.add_argument("--config", type=Path, default=Path("streamgauge.toml"), help="of the running job")
    _json(init)
    check = _add(commands, "check", "name every fault of a configuration")
    check.add_argument("file", type=Path, help="the configuration")
    _json(check)
    detect = _add(commands, "detect", "run the detector on the series in a CSV or Parquet file")
    detect.add_argument("file", type=Path, help="the file")
    detect.add_argument("--threshold", type=_sigmas, default=8.0, help="sigmas (8)")
    detect.add_argument("--out", type=Path, help="write every row to this CSV file, scored by all channels together")
    detect.add_argument("--feedback", type=Path, help="of --out: CSV file with timestamp and label of alerts")
    detect.add_argument("--limit", type=_finite, help="a value above this is an anomaly without any history")
    detect.add_argument("--all", action="store_true", help="print every row with its score, not what fired")
    detect.add_argument("--time", default="", metavar="COLUMN", help="the column with the time (timestamp, time, date)")
    detect.add_argument("--value", nargs="+", default=[], metavar="COLUMN", help="those with values (value)")
    detect.add_argument("--by", nargs="+", default=[], metavar="COLUMN", help="a series for each of their values")
    detect.add_argument("--separator", default="", help="of columns (guessed)")
    detect.add_argument("--decimal", choices=[".", ","], default="", help="sign of the decimals (guessed)")
    detect.add_argument("--no-header", action="store_true", help="the first line holds values (guessed)")
    detect.add_argument("--day-first", action="store_true", help="dates such as 03/04/2026 are in April")
    detect.add_argument("--plot", type=Path, metavar="FILE.html", help="write a page with charts, in one file")
    _json(detect)
    profile = _add(commands, "profile", "run the profiler on a CSV or Parquet file, or compare two")
    profile.add_argument("file", type=Path, help="the file")
    profile.add_argument("other", type=Path, nargs="?", help="a second one, to be compared with it; 1 if it differs")
    profile.add_argument("--html", type=Path, metavar="FILE", help="write the comparison as a page, in one file")
    profile.add_argument("--columns", nargs="+", default=[], help="only these")
    profile.add_argument("--label", default="", help="column with the label, for the information value")
    profile.add_argument("--json", action="store_true", help="as JSON")


def _add_watching(commands: _Commands) -> None:
    status = _add(commands, "status", "each job: its scores, what is open, how far it has come; what waits for whom")
    incidents = _add(commands, "incidents", "what was told, newest first; one with its trail")
    incidents.add_argument("id", nargs="?", default="", help="one of them, with its trail")
    incidents.add_argument("--open", action="store_true", help="only those that are not over")
    incidents.add_argument("--limit", type=int, default=50, help="how many (50)")
    silences = _add(commands, "silences", "the silences that hold now")
    silences.add_argument("--end", default="", metavar="ID", help="end this one")
    for command in (incidents, silences):
        command.add_argument("--job", default="", help="only of this job")
    for command in (status, incidents, silences):
        _json(command)
        _config(command)


def _add_deciding(commands: _Commands) -> None:
    gate = _add(commands, "gate", "whether a model may be pushed: pass (exit code 0), hold (1), unknown (2), and why")
    gate.add_argument("--job", required=True, help="the job")
    gate.add_argument("--since", type=_finite, help="time of the last push: what was told since holds too")
    gate.add_argument("--override", default="", metavar="REASON", help="let a push through for an hour, recorded")
    gate.add_argument("--author", default="", help="who overrides")
    rootcause = _add(commands, "rootcause", "rank where an incident began, from files, as JSON lines")
    rootcause.add_argument("--topology", type=Path, required=True, help="CSV with the columns cause, effect")
    rootcause.add_argument("--metrics", type=Path, required=True, help="CSV with the columns time, node, metric, value")
    rootcause.add_argument("--target", required=True, help="the node that was paged")
    rootcause.add_argument("--at", type=_finite, required=True, help="when the incident began")
    impact = _add(commands, "impact", "what trouble at a place of a job, or a change of it, touches")
    impact.add_argument("--job", required=True, help="the job")
    impact.add_argument("node", help="a feature, or a place of the topology such as source:weather")
    for command in (gate, impact):
        _json(command)
        _config(command)


def _json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="as JSON")


def _add_actions(commands: _Commands) -> None:
    trace = _add(commands, "trace", "change what a running job traces, and wait for its workers' answers")
    trace.add_argument("--name", default="on-call", help="name of the plan (on-call)")
    trace.add_argument("--collection", default="gradients", help="weights, gradients, updates, activations, ...")
    trace.add_argument("--include", default="", help="regular expression that a name matches")
    trace.add_argument("--exclude", default="", help="regular expression that a name does not match")
    trace.add_argument("--workers", nargs="+", default=[], help="only these")
    trace.add_argument("--every", type=int, default=10, help="steps (10)")
    trace.add_argument("--emit", choices=["stats", "raw"], default="stats", help="summaries or whole arrays (stats)")
    trace.add_argument("--ttl", type=_seconds, default=1800.0, help="how long it holds, such as 30m (30m)")
    trace.add_argument("--list", action="store_true", help="only show what is traced and what could be")
    trace.add_argument("--dry-run", action="store_true", help="only show what would match and what it would send")
    trace.add_argument("--off", action="store_true", help="stop all tracing instead")
    trace.add_argument("--wait", type=_seconds, default=30.0, help="how long to wait for answers, such as 10s (30s)")
    tensors = _add(commands, "tensors", "the raw tensors that workers sent: list, print, compare, export them")
    tensors.add_argument("do", choices=["list", "print", "diff", "export"], help="diff: the last step less the first")
    tensors.add_argument("--tensor", default="", help="its name, or that of a partitioned one's whole")
    tensors.add_argument("--collection", default="", help="weights, gradients, updates, activations, inputs")
    tensors.add_argument("--worker", default="", help="only this one's")
    tensors.add_argument("--step", type=int, nargs="+", help="only these steps")
    tensors.add_argument("--to", type=Path, default=Path("tensors"), help="folder of the exported .npy files (tensors)")
    silence = _add(commands, "silence", "hold back notifications that match")
    silence.add_argument("matchers", nargs="+", metavar="LABEL=VALUE", help="or LABEL=~REGEX; all must match")
    silence.add_argument("--for", dest="length", type=_seconds, default=7200.0, help="how long, such as 2h (2h)")
    feedback = _add(commands, "feedback", "say what a notification was worth; thresholds learn from it")
    feedback.add_argument("notification", help="its id")
    verdicts = ["true_alarm", "false_alarm", "expected", "new_trend", "none"]
    feedback.add_argument("verdict", choices=verdicts, help="what it was worth")
    for command in (trace, tensors, silence, feedback):
        command.add_argument("--job", required=True, help="its name")
        command.add_argument("--author", default="", help="who does it")
        command.add_argument("--comment", default="", help="why")
        _json(command)
        _config(command)


def _seconds(text: str) -> float:
    from streamgauge.pipelines.config.loading import duration

    try:
        return duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _finite(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"must be a finite number, got {text!r}")
    return value


def _sigmas(text: str) -> float:
    value = _finite(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"must be above 0, got {text}")
    return value


def _demo(arguments: list[str]) -> int:
    try:
        demo = importlib.import_module("streamgauge.examples.flights.demo")
    except ImportError as error:
        remedy = "run `make demo` in a clone of the repository, or install streamgauge[demo] there"
        raise UseError(f"the demo needs {error.name}: {remedy}") from None
    return int(demo.main(arguments) or 0)


class _Printable(logging.Formatter):
    """Log lines in which the names of others are escaped: none of them ends a line or moves the cursor."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line; a traceback behind it stays as it is."""
        record.message = printable(record.message)
        return super().formatMessage(record)


def _guarded(command: Callable[[], int]) -> int:
    """Run a command; a fault of use is told in a line, without a traceback."""
    from streamgauge.pipelines.adapters.data_folder import FolderInUse
    from streamgauge.pipelines.engines.flink.connector import ConnectorError
    from streamgauge.pipelines.engines.flink.rest import FlinkError
    from streamgauge.pipelines.paging.actions import ActionError
    from streamgauge.pipelines.ports import StoreBusy
    from streamgauge.pipelines.wire.frames import StateDamagedError
    from streamgauge.pipelines.wire.states import StateVersionError
    from streamgauge.tracer.kafka.settings import SettingsError
    from streamgauge.tracer.local.sqlite_file import FileError
    from streamgauge.tracer.transport import LogError

    try:
        return command()
    except ConfigError as error:
        where = f"{error.source}: " if error.source else ""
        lines = [f"{where}{fault}" for fault in error.faults]
    except (
        UseError, ActionError, FolderInUse, FileError, LogError, StoreBusy, FlinkError, ConnectorError, SettingsError,
        StateVersionError, StateDamagedError,
    ) as error:  # fmt: skip
        lines = [str(error)]
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        return 130
    for line in lines:
        print(f"streamgauge: {line}", file=sys.stderr)
    return 2

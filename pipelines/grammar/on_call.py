"""The commands of people on call: what there is, whether to push, where it began, and what a person does about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from streamgauge.pipelines.grammar.arguments import add, config, finite, json, seconds, since

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from streamgauge.pipelines.grammar.arguments import Commands


def add_watching(commands: Commands) -> None:
    """What there is to see."""
    status = add(
        commands, "status", "each job: its scores, what is open, how far it has come; what waits for whom",
        example="streamgauge status",
    )
    incidents = add(
        commands, "incidents", "what was told, newest first; one with its trail",
        example="streamgauge incidents --job flights --open",
    )
    incidents.add_argument("id", nargs="?", default="", help="one of them, with its trail")
    incidents.add_argument("--open", action="store_true", help="only those that are not over")
    incidents.add_argument("--limit", type=int, default=50, help="how many (50)")
    silences = add(
        commands, "silences", "the silences that hold now",
        example="streamgauge silences --end 5fa9c1d20e77",
    )
    silences.add_argument("--end", default="", metavar="ID", help="end this one")
    features, runs = _features(commands), _runs(commands)
    audit = add(
        commands, "audit", "every decision with its reason, what was told, and what people did, oldest first",
        example="streamgauge audit --job flights --since 30d --csv",
    )
    since(audit)
    audit.add_argument("--csv", action="store_true", help="as CSV; with --json as JSON lines")
    for command in (incidents, silences, audit):
        command.add_argument("--job", default="", help="only of this job")
    for command in (status, incidents, silences, features, runs, audit):
        json(command)
        config(command)


def _features(commands: Commands) -> ArgumentParser:
    """What each feature is worth."""
    features = add(
        commands, "features", "the job's features: what each is worth; keep, ask its owner, or drop it, and why",
        example="streamgauge features --job ctr --since 7d --decision drop",
    )
    features.add_argument("--job", default="", help="the job (the only one)")
    since(features)
    features.add_argument("--decision", default="", choices=["keep", "contact", "drop"], help="only those")
    features.add_argument("--csv", action="store_true", help="as CSV")
    return features


def _runs(commands: Commands) -> ArgumentParser:
    """A job's runs."""
    runs = add(
        commands, "runs", "the runs of a job, newest first, with what each ran with; or two of them beside each other",
        example="streamgauge runs --job ctr --compare previous last",
    )
    runs.add_argument("--job", default="", help="the job (the only one)")
    runs.add_argument(
        "--compare", nargs=2, default=(), metavar=("FIRST", "SECOND"), help="two: previous, last, or how a name begins"
    )
    runs.add_argument("--whole", action="store_true", help="compare all of both, not the same length from their begin")
    return runs


def add_ab(commands: Commands) -> None:
    """Two jobs on one stream."""
    ab = add(
        commands, "ab", "two jobs on one stream: is the second model better? differences with confidence intervals",
        example="streamgauge ab ctr ctr-next --since 7d",
    )
    ab.add_argument("first", help="the job in service")
    ab.add_argument("second", help="the other one: a shadow, a canary, the other half of the traffic")
    since(ab)
    ab.add_argument("--task", default="", metavar="NAME", help="a head of both models; else their own labels")
    ab.add_argument("--share", type=finite, default=0.5, help="of all labelled rows that the second is to have (0.5)")
    json(ab)
    config(ab)


def add_slices(commands: Commands) -> None:
    """Slices that are found."""
    slices = add(
        commands, "slices", "values of features at which predictions are off by more than in the job, worst first",
        example="streamgauge slices --job ctr --since 7d",
    )
    slices.add_argument("--job", default="", help="the job (the only one)")
    slices.add_argument("--since", type=seconds, default=7 * 86400.0, help="how far back, such as 7d (7d)")
    slices.add_argument("--task", default="", metavar="NAME", help="a head of the model; else the job's own labels")
    json(slices)
    config(slices)


def add_backtest(commands: Commands) -> None:
    """What another configuration would page for."""
    backtest = add(
        commands, "backtest", "judge the stored series again: what would page, now and with another configuration",
        example="streamgauge backtest --job flights --with wider.toml --feedback labels.csv --html backtest.html",
    )
    backtest.add_argument("--job", default="", help="the job (the only one)")
    backtest.add_argument("--with", dest="against", type=Path, metavar="FILE", help="the other configuration")
    backtest.add_argument("--days", type=finite, default=0.0, help="only the last days (all that are stored)")
    backtest.add_argument(
        "--feedback", type=Path, metavar="FILE", help="CSV: start, end, label (true_alarm, false_alarm, missed)"
    )
    backtest.add_argument("--html", type=Path, metavar="FILE", help="write a page with the table and the pages in time")
    json(backtest)
    config(backtest)


def add_deciding(commands: Commands) -> None:
    """Whether to push, where it began, what it touches."""
    gate = add(
        commands, "gate", "whether a model may be pushed: pass (exit code 0), hold (1), unknown (2), and why",
        example="streamgauge gate --job ctr --since 1767225600",
    )
    gate.add_argument("--job", default="", help="the job (the only one)")
    gate.add_argument("--since", type=finite, help="time of the last push: what was told since holds too")
    gate.add_argument("--override", default="", metavar="REASON", help="let a push through for an hour, recorded")
    gate.add_argument("--push", default="", metavar="VERSION", help="where it is open, record that this was pushed")
    gate.add_argument("--author", default="", help="who overrides or pushes (pushes: the login name)")
    rootcause = add(
        commands, "rootcause", "rank where an incident began, from files, as JSON lines",
        example="streamgauge rootcause --topology graph.csv --metrics metrics.csv --target api --at 1767225600",
    )
    rootcause.add_argument("--topology", type=Path, required=True, help="CSV with the columns cause, effect")
    rootcause.add_argument("--metrics", type=Path, required=True, help="CSV with the columns time, node, metric, value")
    rootcause.add_argument("--target", required=True, help="the node that was paged")
    rootcause.add_argument("--at", type=finite, required=True, help="when the incident began")
    impact = add(
        commands, "impact", "what trouble at a place of a job, or a change of it, touches",
        example="streamgauge impact --job ctr nick_cate_pv",
    )
    impact.add_argument("--job", default="", help="the job (the only one)")
    impact.add_argument("node", help="a feature, or a place of the topology such as source:weather")
    for command in (gate, impact):
        json(command)
        config(command)


def add_tracing(commands: Commands) -> None:
    """What a job traces, and what came of it."""
    trace = add(
        commands, "trace", "change what a running job traces, and wait for its workers' answers",
        example="streamgauge trace --job flights --collection gradients --include ^dense --workers LGA --ttl 30m",
    )
    trace.add_argument("--name", default="on-call", help="name of the plan (on-call)")
    trace.add_argument("--collection", default="gradients", help="weights, gradients, updates, activations, ...")
    trace.add_argument("--include", default="", help="regular expression that a name matches")
    trace.add_argument("--exclude", default="", help="regular expression that a name does not match")
    trace.add_argument("--workers", nargs="+", default=[], help="only these")
    trace.add_argument("--every", type=int, default=10, help="steps (10)")
    forms = "stats", "raw", "histogram", "units"
    trace.add_argument("--emit", choices=forms, default="stats", help="arrays come beside the statistics (stats)")
    trace.add_argument("--when", choices=["nonfinite"], default="", help="arrays only of a batch without a finite loss")
    trace.add_argument("--first", type=int, default=0, help="step of the worker from which on (0)")
    trace.add_argument("--last", type=int, default=0, help="step up to which; 0: for ever (0)")
    trace.add_argument("--rows", type=int, default=0, help="rows of an array at most, evenly spaced; 0: all (0)")
    trace.add_argument("--min-step", type=int, default=0, help="step of each worker at which it begins; 0: at once (0)")
    trace.add_argument("--allow-stall", action="store_true", help="a step may wait for above 5 s while it is compiled")
    trace.add_argument("--same-graph", action="store_true", help="only for the graph that the workers have now")
    trace.add_argument("--ttl", type=seconds, default=1800.0, help="how long it holds, such as 30m (30m)")
    trace.add_argument("--list", action="store_true", help="only show what is traced and what could be")
    trace.add_argument("--dry-run", action="store_true", help="only show what would match and what it would send")
    trace.add_argument("--off", action="store_true", help="stop all tracing instead")
    trace.add_argument("--wait", type=seconds, default=30.0, help="how long to wait for answers, such as 10s (30s)")
    tensors = add(
        commands, "tensors", "the arrays that workers sent: list, print, compare, diagnose, export them",
        example="streamgauge tensors diff --job flights --tensor dense/kernel --worker LGA",
    )
    does = "list", "print", "diff", "diagnose", "export", "tensorboard"
    tensors.add_argument("do", choices=does, help="diff: the last step less the first; export: .npy files")
    tensors.add_argument("--tensor", default="", help="its name, or that of a partitioned one's whole")
    tensors.add_argument("--collection", default="", help="weights, gradients, updates, activations, inputs")
    tensors.add_argument("--worker", default="", help="only this one's")
    tensors.add_argument("--step", type=int, nargs="+", help="only these steps")
    tensors.add_argument("--to", type=Path, default=Path("tensors"), help="folder of the exported files (tensors)")
    _acting(trace, tensors)


def add_answers(commands: Commands) -> None:
    """What a person says of a notification, or does to the job."""
    silence = add(
        commands, "silence", "hold back notifications that match",
        example="streamgauge silence --job flights worker=LGA 'entity=~feature:.*' --for 2h --comment 'backfill'",
    )
    silence.add_argument("matchers", nargs="+", metavar="LABEL=VALUE", help="or LABEL=~REGEX; all must match")
    silence.add_argument("--for", dest="length", type=seconds, default=7200.0, help="how long, such as 2h (2h)")
    feedback = add(
        commands, "feedback", "say what a notification was worth; thresholds learn from it",
        example="streamgauge feedback --job flights 3f2a91bc false_alarm --comment 'holiday'",
    )
    feedback.add_argument("notification", help="its id; of what was missed DOMAIN/ENTITY/METRIC@WORKER")
    verdicts = ["true_alarm", "false_alarm", "expected", "new_trend", "none", "missed"]
    feedback.add_argument("verdict", choices=verdicts, help="what it was worth")
    ack = add(
        commands, "ack", "say that somebody has seen a notification: it is not repeated",
        example="streamgauge ack --job flights 3f2a91bc --comment seen",
    )
    ack.add_argument("notification", help="its id")
    change = add(
        commands, "change", "note on a job's time axis what was changed, such as a deployment",
        example="streamgauge change --job flights deployed ranker-41",
    )
    change.add_argument("name", help="deployed, reconfigured, backfill ...")
    change.add_argument("text", help="what was changed")
    thresholds = add(
        commands, "thresholds", "what verdicts have done to thresholds, and back by one step",
        example="streamgauge thresholds --job flights --rollback 1770552000 --author Ada",
    )
    thresholds.add_argument("--rollback", type=int, metavar="REVISION", help="take the last step back; it names that")
    thresholds.add_argument(
        "--effect", action="store_true", help="what the last step gains and loses in the last 14 days, replayed"
    )
    _acting(silence, feedback, ack, change, thresholds)


def _acting(*acting: ArgumentParser) -> None:
    """On which job, who acts, and why."""
    for command in acting:
        command.add_argument("--job", default="", help="its name (that of the only one)")
        command.add_argument("--author", default="", help="who does it")
        command.add_argument("--comment", default="", help="why")
        json(command)
        config(command)

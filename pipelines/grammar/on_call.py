"""The commands of people on call: what there is, whether to push, where it began, and what a person does about it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from streamgauge.pipelines.grammar.arguments import add, config, finite, json, seconds

if TYPE_CHECKING:
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
    for command in (incidents, silences):
        command.add_argument("--job", default="", help="only of this job")
    for command in (status, incidents, silences):
        json(command)
        config(command)


def add_deciding(commands: Commands) -> None:
    """Whether to push, where it began, what it touches."""
    gate = add(
        commands, "gate", "whether a model may be pushed: pass (exit code 0), hold (1), unknown (2), and why",
        example="streamgauge gate --job ctr --since 1767225600",
    )
    gate.add_argument("--job", required=True, help="the job")
    gate.add_argument("--since", type=finite, help="time of the last push: what was told since holds too")
    gate.add_argument("--override", default="", metavar="REASON", help="let a push through for an hour, recorded")
    gate.add_argument("--author", default="", help="who overrides")
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
    impact.add_argument("--job", required=True, help="the job")
    impact.add_argument("node", help="a feature, or a place of the topology such as source:weather")
    for command in (gate, impact):
        json(command)
        config(command)


def add_tracing(commands: Commands) -> None:
    """What is traced, and the raw tensors that came of it."""
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
    trace.add_argument("--emit", choices=["stats", "raw"], default="stats", help="summaries or whole arrays (stats)")
    trace.add_argument("--ttl", type=seconds, default=1800.0, help="how long it holds, such as 30m (30m)")
    trace.add_argument("--list", action="store_true", help="only show what is traced and what could be")
    trace.add_argument("--dry-run", action="store_true", help="only show what would match and what it would send")
    trace.add_argument("--off", action="store_true", help="stop all tracing instead")
    trace.add_argument("--wait", type=seconds, default=30.0, help="how long to wait for answers, such as 10s (30s)")
    tensors = add(
        commands, "tensors", "the raw tensors that workers sent: list, print, compare, export them",
        example="streamgauge tensors diff --job flights --tensor dense/kernel --worker LGA",
    )
    tensors.add_argument("do", choices=["list", "print", "diff", "export"], help="diff: the last step less the first")
    tensors.add_argument("--tensor", default="", help="its name, or that of a partitioned one's whole")
    tensors.add_argument("--collection", default="", help="weights, gradients, updates, activations, inputs")
    tensors.add_argument("--worker", default="", help="only this one's")
    tensors.add_argument("--step", type=int, nargs="+", help="only these steps")
    tensors.add_argument("--to", type=Path, default=Path("tensors"), help="folder of the exported .npy files (tensors)")
    for command in (trace, tensors):
        _by_a_person(command)


def add_answers(commands: Commands) -> None:
    """What on-call says of notifications."""
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
    feedback.add_argument("notification", help="its id")
    verdicts = ["true_alarm", "false_alarm", "expected", "new_trend", "none"]
    feedback.add_argument("verdict", choices=verdicts, help="what it was worth")
    for command in (silence, feedback):
        _by_a_person(command)


def _by_a_person(command: argparse.ArgumentParser) -> None:
    """What is written down of who does something to a job."""
    command.add_argument("--job", required=True, help="its name")
    command.add_argument("--author", default="", help="who does it")
    command.add_argument("--comment", default="", help="why")
    json(command)
    config(command)

"""The command `topology` about learnt edges: what a job's anomalies suggest, and a person's word on one."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.commands import acting
from streamgauge.pipelines.commands.watching import asked
from streamgauge.pipelines.config.schema import JobConfig
from streamgauge.pipelines.paging import actions, causes, confirmations, learnt_edges
from streamgauge.pipelines.paging.learnt_edges import Learnt
from streamgauge.pipelines.ports import Query


def learn(args: argparse.Namespace) -> int:
    """Print the pairs that the last weeks suggest, with the evidence."""
    config, job = acting.job_of(args)
    now = acting.now_of(config, acting.bus_of(config))
    found = asked(config, lambda query: suggested(query, job, now), [])
    if args.json:
        print(json.dumps([one._asdict() | {"share": round(one.share, 3), "text": one.text} for one in found]))
        return 0
    for one in found:
        print(f"{one.cause} -> {one.effect}: {one.text}")
    print(f"{len(found)} learnt edges; none folds anything until it is confirmed", file=sys.stderr)
    return 0


def suggested(query: Query, job: JobConfig, now: float) -> list[Learnt]:
    """What the anomalies that a store keeps of a job suggest."""
    said = confirmations.words(query.changes(job.name, 0.0, now + 1.0))
    rows = query.anomalies(job.name, now - learnt_edges.SPAN, now, learnt_edges.ROWS)
    return learnt_edges.learn(
        rows, causes.topology_seen(job, rows, confirmations.confirmed(said)), confirmations.settled(said)
    )


def decide(args: argparse.Namespace) -> int:
    """Take an edge into the topology (`confirm`), out of it again (`withdraw`), or have it proposed no more."""
    if len(args.files) != 2:
        raise UseError(f"topology {args.do} takes a cause and an effect, such as samples feature:age")
    config, job = acting.job_of(args)
    bus = acting.bus_of(config)
    now = acting.now_of(config, bus)
    edge = str(args.files[0]), str(args.files[1])
    known = asked(config, lambda query: suggested(query, job, now), [])
    text, delay = learnt_edges.evidence(known, edge, job.paging.hop_delay)
    made = actions.judge(bus, job.name, edge, args.do, now, acting.author_of(args), text, delay=delay)
    word = "no longer taken for" if made.is_withdrawn else "taken for"
    said: dict[str, Any] = {"cause": made.cause, "effect": made.effect, "confirmed": not made.is_withdrawn}
    proposed = ", and not proposed again" if args.do == "reject" else ""
    acting.say(args, f"{made.cause} is {word} a cause of {made.effect} in {job.name}{proposed}", said)
    return 0

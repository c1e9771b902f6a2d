"""The commands that answer a question of somebody on call: `gate`, `rootcause`, `impact`."""

from __future__ import annotations

import argparse
import csv
import json
import math
from collections.abc import Mapping
from pathlib import Path

import msgspec

from streamgauge.anomaly import rootcause as ranking
from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.commands import acting
from streamgauge.pipelines.commands.run import configured
from streamgauge.pipelines.config.faults import suggestion
from streamgauge.pipelines.paging import actions, lineage
from streamgauge.pipelines.paging import gate as gates
from streamgauge.pipelines.paging.impact import impact as impact_of
from streamgauge.pipelines.ports import Query
from streamgauge.pipelines.service import stores
from streamgauge.tracer.printable import printable

_OPEN, _HELD, _UNKNOWN = 0, 1, 2  # exit codes of the gate


def gate(args: argparse.Namespace) -> int:
    """Pass (0), hold (1) or unknown (2), with the reasons; an override is recorded before, an accepted push after."""
    config = configured(args)
    job = acting.job_in(config, args.job, args.config)
    bus = acting.bus_of(config)
    now = acting.now_of(config, bus)
    if args.override:
        actions.override(bus, job, args.override, now, args.author)
    if stores.is_there(config):
        with stores.reading(config) as query:
            found = asked(query, job.name, now, args.since)
    else:
        found = gates.judge(job.name, None, [], now)
    if args.override:
        found = msgspec.structs.replace(found, overridden=f"{args.author}: {args.override}")
    if args.push and found.is_open:
        try:
            actions.change(bus, job, "pushed", args.push, now, acting.author_of(args))
        except actions.ActionError as error:
            raise UseError(f"--push: {error}") from None
    print(msgspec.json.encode(found).decode() if args.json else _said(found))
    return _OPEN if found.is_open else _HELD if found.answer == "hold" else _UNKNOWN


def asked(query: Query, job: str, now: float, since: float | None) -> gates.Gate:
    """What the gate says, by the store."""
    incidents = query.incidents(job, now - gates.OVERRIDE if since is None else since, now + 1.0)
    changes = query.changes(job, now - gates.OVERRIDE, now + 1.0)
    return gates.judge(job, query.breakdown(job), incidents, now, since=since, changes=changes)


def rootcause(args: argparse.Namespace) -> int:
    """Where an incident began, as JSON lines: rank, node, score, and the evidence."""
    edges = [(row["cause"], row["effect"]) for _, row in _rows(args.topology, ("cause", "effect"))]
    metrics: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for line, row in _rows(args.metrics, ("time", "node", "metric", "value")):
        try:
            point = (float(row["time"]), float(row["value"] or "nan"))
        except ValueError as error:
            raise UseError(f"{args.metrics}:{line}: {error}") from None
        metrics.setdefault((row["node"], row["metric"]), []).append(point)
    nodes = {node for node, _ in metrics} | {end for edge in edges for end in edge}
    if args.target not in nodes:
        raise UseError(f"no node {args.target[:100]!r} in these files{suggestion(args.target, nodes)}")
    points = {key: sorted(found) for key, found in metrics.items()}
    for number, one in enumerate(ranking.rank(edges, points, args.target, args.at), 1):
        row_ = {
            "rank": number, "node": one.node, "score": round(one.score, 6), "correlation": round(one.correlation, 6),
            "onset": one.onset, "path": one.path, "is_root": one.is_root,
        }  # fmt: skip
        print(json.dumps(row_))
    return 0


def impact(args: argparse.Namespace) -> int:
    """What trouble at a place, or a change of it, touches, the riskiest first."""
    config = configured(args)
    job = acting.job_in(config, args.job, args.config)
    topology = lineage.topology(job, ())
    node = args.node if args.node in topology.nodes else f"feature:{args.node}"
    if node not in topology.nodes:
        raise UseError(f"job {job.name!r} has no place {args.node[:100]!r}{suggestion(args.node, topology.nodes)}")
    found = impact_of(topology, node)
    for one in found:
        if args.json:
            print(json.dumps({"node": one.node, "risk": round(one.risk, 6), "path": one.path}))
        else:
            print(printable(f"{one.node:<32} {one.risk:4.2f}  {' -> '.join(one.path)}"))
    return 0


def _said(found: gates.Gate) -> str:
    lines = [f"{found.answer.upper()} {found.job}", *(f"  - {reason}" for reason in found.reasons)]
    return "\n".join(map(printable, [*lines, *([f"  overridden by {found.overridden}"] if found.overridden else [])]))


def _rows(path: Path, columns: tuple[str, ...]) -> list[tuple[int, Mapping[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise UseError(f"{path} has no column {missing[0]!r}; it needs {', '.join(columns)}")
            return [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UseError(f"{path}: {error}") from None


def finite(text: str) -> float:
    """A time as people write it on the command line."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value

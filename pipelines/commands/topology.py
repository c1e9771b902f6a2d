"""The command `topology`: another system's graph as edges of a job, as TOML to be put into the configuration.

What a job's own anomalies suggest, and a person's word on it, is in `learnt`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from streamgauge.anomaly.types import Edge
from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.commands import learnt
from streamgauge.pipelines.graphs import backstage, csv_edges, edges, feast, service_graph
from streamgauge.pipelines.graphs.edges import Found, GraphError
from streamgauge.tracer.printable import printable

READERS: Final[dict[str, Callable[[Path], Found]]] = {
    "csv": csv_edges.read, "otel": service_graph.read, "backstage": backstage.read, "feast": feast.read,
}  # fmt: skip


def topology(args: argparse.Namespace) -> int:
    """Print the edges; what was left out and what to look at is told beside them."""
    if args.do == "learn":
        return learnt.learn(args)
    if args.do != "import":
        return learnt.decide(args)
    if not args.files:
        raise UseError("topology import takes one graph, in one or more files")
    try:
        found = _read(args)
        if args.near:
            found = Found(edges.near(found.edges, args.near, args.hops), found.notes)
    except GraphError as error:
        raise UseError(str(error)) from None
    except OSError as error:
        raise UseError(f"cannot read {error.filename}: {error.strerror or error}") from None
    if len(found.edges) > edges.MOST:
        text = f"{len(found.edges):,} edges, and a job takes at most {edges.MOST:,}"
        raise UseError(f"{text}; keep what leads to your job's places: --near PLACE --hops 2")
    print(_as_json(found) if args.json else _as_toml(found.edges, args.job), end="")
    for note in found.notes:
        print(printable(note), file=sys.stderr)
    places = {end for edge in found.edges for end in (edge.cause, edge.effect)}
    print(f"{len(found.edges):,} edges between {len(places):,} places", file=sys.stderr)
    return 0


def _read(args: argparse.Namespace) -> Found:
    """All files as one graph, tidied."""
    if args.service and args.form != "feast":
        raise UseError("--service names a feature service: it goes with --from feast")
    files = [feast.read(path, args.service) if args.service else READERS[args.form](path) for path in args.files]
    merged = Found([edge for one in files for edge in one.edges], [note for one in files for note in one.notes])
    return edges.tidied(merged, dict(map(_renamed, args.rename)))


def _renamed(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not equals or not edges.is_node(new):
        raise UseError(f"--rename reads OLD=NEW, where NEW is a place such as source:weather; got {text[:100]!r}")
    return old, new


def _as_json(found: Found) -> str:
    names = ("cause", "effect", "delay", "weight")
    rows = [{name: getattr(edge, name) for name in names} for edge in found.edges]
    return json.dumps({"edges": rows, "notes": list(found.notes)}) + "\n"


def _as_toml(found: Sequence[Edge], job: str) -> str:
    """Tables of a job; every JSON text is a TOML text, too."""
    head = f"[[jobs.{json.dumps(job)}.topology]]" if job else "[[jobs.topology]]"
    return "".join(f"{head}\n{_body(edge)}\n" for edge in found)


def _body(edge: Edge) -> str:
    lines = [f"cause = {json.dumps(edge.cause)}", f"effect = {json.dumps(edge.effect)}"]
    lines += [f"delay = {edge.delay!r}"] if edge.delay else []
    lines += [f"weight = {edge.weight!r}"] if edge.weight != 1.0 else []
    return "\n".join(lines) + "\n"

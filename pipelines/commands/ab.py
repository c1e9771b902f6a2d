"""The command `ab`: two jobs on one stream beside each other, with the confidence interval of each difference."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.commands import acting
from streamgauge.pipelines.commands.run import configured
from streamgauge.pipelines.config.faults import suggestion
from streamgauge.pipelines.experiments.ab import compare
from streamgauge.pipelines.features.table import newest
from streamgauge.tracer.printable import printable


def ab(args: argparse.Namespace) -> int:
    """The table; the exit code is 0 where the second may take the first's place, 1 where it is worse or unfair."""
    config = configured(args)
    jobs = {job.name for job in config.jobs}
    for name in (args.first, args.second):
        if name not in jobs:
            raise UseError(f"unknown job {name!r}{suggestion(name, jobs)}")
    if not 0.0 < args.share < 1.0:
        raise UseError(f"--share must be between 0 and 1, got {args.share:g}")
    with acting.store_of(config) as query:
        ends = [end for name in (args.first, args.second) if (end := newest(query, name)) is not None]
        if len(ends) < 2:
            raise UseError("nothing is known of one of the jobs yet; the first comes with the first closed window")
        end = min(ends)
        found = compare(query, args.first, args.second, end - args.since, end, task=args.task, share=args.share)
    print(json.dumps(found) if args.json else "\n".join(lines(found)))
    is_worse = any(row["verdict"] == "worse" for row in found["rows"])
    return int(is_worse or not found["fair"])


def lines(found: Mapping[str, Any]) -> list[str]:
    """The comparison as text."""
    first, second = printable(found["first"]), printable(found["second"])
    head = f"{second} against {first}{' (' + printable(found['task']) + ')' if found['task'] else ''}"
    if not found["rows"]:
        return [f"{head}: {found['reason']}"]
    told = [f"{head}: {found['windows']} windows, {found['labelled'][0]:,} and {found['labelled'][1]:,} labelled rows"]
    if not found["fair"]:
        told.append(f"not comparable: {found['reason']}")
    told.append(f"{'':20}{'first':>12}{'second':>12}{'difference':>13}{'95 % interval':>28}")
    return told + [_line(row) for row in [found["label_level"], *found["rows"]]]


def _line(row: Mapping[str, Any]) -> str:
    low, high = row["low"], row["high"]
    interval = "unknown" if low is None else f"{low:+.5g} to {high:+.5g}"
    numbers = f"{_number(row['first'], ''):>12}{_number(row['second'], ''):>12}{_number(row['value'], '+'):>13}"
    return f"{row['metric']:<20}{numbers}{interval:>28}  {row['verdict']}".rstrip()


def _number(value: float | None, sign: str) -> str:
    return "unknown" if value is None else f"{value:{sign}.5g}"

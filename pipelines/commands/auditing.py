"""The command `audit`: what was decided and told, and what people did, as lines, JSON lines or CSV."""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.commands import acting
from streamgauge.pipelines.commands.run import configured
from streamgauge.pipelines.config.faults import suggestion
from streamgauge.pipelines.paging import audit as audits
from streamgauge.pipelines.ports import Query
from streamgauge.tracer.printable import printable

_SLICE: Final = 86400.0  # seconds that are read at once
_ALL: Final = 10_000_000


def audit(args: argparse.Namespace) -> int:
    """One line a decision, a notification or an action, oldest first; nothing of the range is left out."""
    config = configured(args)
    jobs = [job.name for job in config.jobs]
    if args.job and args.job not in jobs:
        raise UseError(f"unknown job {args.job!r}{suggestion(args.job, jobs)}")
    count = 0
    with acting.store_of(config) as query:
        end = acting.now_of(config, acting.bus_of(config)) + 1.0
        for text in _formed(args, _lines(query, [args.job] if args.job else jobs, end - args.since, end)):
            count += 1
            sys.stdout.write(text)
    print(f"{count - args.csv} lines", file=sys.stderr)
    return 0


def _lines(query: Query, jobs: list[str], start: float, end: float) -> Iterator[Mapping[str, Any]]:
    """All lines of a range, a slice of it at a time, so that a year is never in memory at once."""
    while start < end:
        until = min(end, start + _SLICE)
        found = [
            line for job in jobs
            for line in audits.lines(query.decided(job, start, until, _ALL), query.changes(job, start, until))
        ]  # fmt: skip
        yield from sorted(found, key=lambda line: float(line["time"]))
        start = until


def _formed(args: argparse.Namespace, lines: Iterator[Mapping[str, Any]]) -> Iterator[str]:
    if args.csv:
        return audits.as_csv(lines)
    if args.json:
        return (json.dumps(line) + "\n" for line in lines)
    return (printable(_line(line)) + "\n" for line in lines)


def _line(one: Mapping[str, Any]) -> str:
    when = datetime.datetime.fromtimestamp(one["time"], datetime.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    return f"{when}  {one['job']}  {one['who'] or '-'}  {one['what']}  {one['place'] or one['about']}  {one['text']}"

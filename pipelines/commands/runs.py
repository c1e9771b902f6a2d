"""The command `runs`: the history of a job's runs, or two of them beside each other."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any

from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.commands import acting, watching
from streamgauge.pipelines.ports import Query
from streamgauge.pipelines.runs import comparison, history
from streamgauge.pipelines.runs.lines import as_lines, compared_lines
from streamgauge.tracer.printable import printable

Found = tuple[Sequence[history.Run], float, dict[str, Any] | None]


def runs(args: argparse.Namespace) -> int:
    """List them, the newest first; with `--compare` what differs between two."""
    config, job = acting.job_of(args)
    slide = min(window.slide for window in job.windows)

    def ask(query: Query) -> Found:
        last = next((row.get("last_data") for row in query.jobs() if row["job"] == job.name), None)
        now = time.time() if config.clock == "wall" else last or 0.0
        found = comparison.read(query, job.name, now, slide)
        return found, now, _compared(args, query, job.name, found, now) if args.compare else None

    nothing: Found = ([], 0.0, None)
    found, now, compared = watching.asked(config, ask, nothing)
    if args.compare and compared is None:
        raise UseError(f"nothing is known of job {job.name} yet; start `streamgauge run` first")
    if args.json:
        print(json.dumps(compared if compared is not None else [run._asdict() for run in reversed(found)]))
        return 0
    lines = compared_lines(compared) if compared is not None else as_lines(found, now)
    print("\n".join(map(printable, lines)) if found else f"job {job.name} is registered; no run of it is known yet")
    return 0


def _compared(
    args: argparse.Namespace, query: Query, job: str, found: Sequence[history.Run], now: float
) -> dict[str, Any]:
    try:
        first, second = (history.find(found, text) for text in args.compare)
    except LookupError as error:
        raise UseError(str(error)) from None
    return comparison.compare(query, job, first, second, now, is_whole=args.whole)

"""The command `features`: what each feature of a job is worth, and whether to keep it, ask its owner, or drop it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.commands import acting
from streamgauge.pipelines.commands.run import configured
from streamgauge.pipelines.features.lines import as_csv, as_lines
from streamgauge.pipelines.features.table import newest, table


def features(args: argparse.Namespace) -> int:
    """The table, those to drop first; as text, CSV or JSON."""
    config = configured(args)
    job = acting.job_in(config, args.job, args.config)
    with acting.store_of(config) as query:
        end = newest(query, job.name)
        if end is None:
            raise UseError(f"nothing is known of job {job.name!r} yet; the first comes with the first closed window")
        rows = table(query, job, end - args.since, end, config.jobs)
    rows = [row for row in rows if args.decision in ("", row["decision"])]
    _print(args, rows)
    return 0


def _print(args: argparse.Namespace, rows: Sequence[Mapping[str, Any]]) -> None:
    if args.json:
        print(json.dumps(rows))
    elif args.csv:
        print(as_csv(rows), end="")
    else:
        print("\n".join(as_lines(rows)))
        print(f"{len(rows)} features", file=sys.stderr)

"""The command `slices`: values of features at which predictions are off by more than in the job, worst first."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.commands import acting
from streamgauge.pipelines.features.found_slices import found_slices
from streamgauge.pipelines.features.table import newest
from streamgauge.tracer.printable import printable


def slices(args: argparse.Namespace) -> int:
    """The table; the exit code is 1 where there is a row."""
    config, job = acting.job_of(args)
    if not job.evaluation.find:
        raise UseError(f'{job.name} looks for no slices; name features: [jobs.evaluation] find = ["country"]')
    with acting.store_of(config) as query:
        end = newest(query, job.name)
        if end is None:
            raise UseError("nothing is known of the job yet; the first comes with the first closed window")
        found = found_slices(query, job, end - args.since, end, args.task)
    print(json.dumps(found) if args.json else "\n".join(lines(found)))
    return int(found["found"] > 0)


def lines(found: Mapping[str, Any]) -> list[str]:
    """The table as text."""
    head = (
        f"{found['found']} of {found['compared']} values of {found['features']} features are off beyond chance"
        f" (Holm, 5 %), {found['windows']} windows"
    )
    if not found["rows"]:
        return [head]
    columns = f"{'slice':<44}{'rows':>12}{'positives':>12}{'expected':>12}{'difference':>12}{'PCOC':>9}"
    return [head, columns, *(_line(row) for row in found["rows"])]


def _line(row: Mapping[str, Any]) -> str:
    name = printable(f"{row['feature']} = {row['value']}")
    pcoc = "" if row["pcoc"] is None else f"{row['pcoc']:.3f}"
    counts = f"{row['rows']:>12,}{row['positives']:>12,.0f}{row['expected']:>12,.0f}"
    return f"{name:<44}{counts}{row['difference']:>+12.1%}{pcoc:>9}".replace("%", " %")

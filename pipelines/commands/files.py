"""The commands that read one file and print what they find: `check`, `detect`, `profile`; and `version`."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import math
import sys

from streamgauge.anomaly.young import least
from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.config.loading import load
from streamgauge.pipelines.config.schema import JobConfig


def check(args: argparse.Namespace) -> int:
    """Say that a configuration is sound, or name all its faults."""
    config = load(args.file)
    jobs = {job.name: delays_of(job) for job in config.jobs}
    if args.json:
        print(json.dumps({"file": str(args.file), "jobs": jobs}))
        return 0 if jobs else 1
    if not jobs:
        print(f"{args.file} has no fault and no job: nothing would be watched; add [[jobs]], or see `streamgauge init`")
        return 1
    print(f"{args.file} is sound: {len(jobs)} job{'s' * (len(jobs) > 1)} ({', '.join(jobs)})")
    for name, delays in jobs.items():
        told = "; ".join(f"{what} after {_duration(seconds)}" for what, seconds in delays.items())
        print(f"  {name}: {told}")
    return 0


def delays_of(job: JobConfig) -> dict[str, float]:
    """What happens after how many seconds by a job's settings, defaults among them."""
    short = next((spec for spec in job.windows if spec.kind == "short"), job.windows[0])
    return {
        "a score": short.length + job.allowed_lateness, "a worker that is silent is missing": job.missing_after,
        "a label is overdue": job.labels.margin, "a sample without label expires": job.labels.timeout,
        "changes page on a wide band": least(short.length, short.slide), "on the full one": job.detection.warm_up,
    }  # fmt: skip


def _duration(seconds: float) -> str:
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:g} s"


def detect(args: argparse.Namespace) -> int:
    """Print the alerts in a file, or every row with its score."""
    from streamgauge.pipelines.detection import detect_file

    try:
        choice, rows = detect_file.detect(args.file, threshold=args.threshold, limit=args.limit)
    except detect_file.FileFault as error:
        raise UseError(str(error)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UseError(f"cannot read {args.file}: {error}; name a CSV file in UTF-8") from None
    alerts = sum(row.is_alert for row in rows)
    detect_file.write(rows if args.all else [row for row in rows if row.is_alert], sys.stdout)
    unknown = sum(math.isnan(row.value) for row in rows)
    gaps = f", {unknown} without a number" if unknown else ""
    print(f"{len(rows)} rows{gaps}, {alerts} alerts, detector {choice.name}", file=sys.stderr)
    return 0


def profile(args: argparse.Namespace) -> int:
    """Print the profile of a file."""
    from streamgauge.pipelines import profile_file

    try:
        report = profile_file.profile(args.file, columns=args.columns, label=args.label)
    except profile_file.ProfileError as error:
        raise UseError(str(error)) from None
    print(profile_file.to_json(report) if args.json else profile_file.render(report))
    return 0


def version(args: argparse.Namespace) -> int:
    """Print the version."""
    found = importlib.metadata.version("streamgauge")
    print(json.dumps({"version": found}) if args.json else found)
    return 0

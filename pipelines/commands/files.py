"""The commands that read one file and print what they find: `check`, `detect`, `profile`; and `version`."""

from __future__ import annotations

import argparse
import importlib.metadata
import math
import sys

from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.config.loading import load


def check(args: argparse.Namespace) -> int:
    """Say that a configuration is sound, or name all its faults."""
    config = load(args.file)
    names = ", ".join(job.name for job in config.jobs) or "none"
    print(f"{args.file} is sound: {len(config.jobs)} jobs ({names})")
    return 0


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
    print(importlib.metadata.version("streamgauge"))
    return 0

"""The commands that read one file and print what they find: `check`, `detect`, `profile`; and `version`."""

from __future__ import annotations

import argparse
import importlib.metadata

from pipelines.cli import UseError
from pipelines.loading import load


def check(args: argparse.Namespace) -> int:
    """Say that a configuration is sound, or name all its faults."""
    config = load(args.file)
    names = ", ".join(job.name for job in config.jobs) or "none"
    print(f"{args.file} is sound: {len(config.jobs)} jobs ({names})")
    return 0


def detect(args: argparse.Namespace) -> int:
    """Print the anomalies in a file."""
    from pipelines import detect_file

    try:
        report = detect_file.detect(args.file, value=args.value, time=args.time)
    except detect_file.DetectError as error:
        raise UseError(str(error)) from None
    print(detect_file.to_json(report) if args.json else detect_file.render(report))
    return 0


def profile(args: argparse.Namespace) -> int:
    """Print the profile of a file."""
    from pipelines import profiling

    try:
        report = profiling.profile(args.file, columns=args.columns, label=args.label)
    except profiling.ProfileError as error:
        raise UseError(str(error)) from None
    print(profiling.to_json(report) if args.json else profiling.render(report))
    return 0


def version(args: argparse.Namespace) -> int:
    """Print the version."""
    print(importlib.metadata.version("streamgauge"))
    return 0

"""The commands that read one file and print what they find: `check`, `detect`, `profile`; and `version`."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import math
import sys
from contextlib import suppress

from streamgauge.anomaly.young import least
from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.config.loading import load
from streamgauge.pipelines.config.schema import Config, JobConfig
from streamgauge.pipelines.service import assembly
from streamgauge.tracer import control
from streamgauge.tracer.local.log import LocalLog


def check(args: argparse.Namespace) -> int:
    """Say that a configuration is sound, or name all its faults."""
    config = load(args.file)
    jobs = {job.name: delays_of(job) for job in config.jobs}
    told_by_workers = said_by_workers(config)
    if args.json:
        print(json.dumps({"file": str(args.file), "jobs": jobs, "workers": told_by_workers}))
        return 0 if jobs else 1
    if not jobs:
        print(f"{args.file} has no fault and no job: nothing would be watched; add [[jobs]], or see `streamgauge init`")
        return 1
    print(f"{args.file} is sound: {len(jobs)} job{'s' * (len(jobs) > 1)} ({', '.join(jobs)})")
    for name, delays in jobs.items():
        told = "; ".join(f"{what} after {_duration(seconds)}" for what, seconds in delays.items())
        print(f"  {name}: {told}")
    for line in told_by_workers:
        print(f"  {line}")
    return 0


def said_by_workers(config: Config) -> list[str]:
    """What looks wrong to the workers that write into the embedded log: what they refuse, and their hints."""
    path = assembly.log_path(config)
    if config.kafka is not None or not path.exists():
        return []
    log = LocalLog(path, heeds=False)
    try:
        found = sorted(log.latest("status").items())
    finally:
        log.close()
    lines = list[str]()
    for key, value in found:
        with suppress(control.PlanError):
            status = control.decode_status(value)
            refused = (f"{what.replace(':', ' ', 1)} is refused: {why}" for what, why in sorted(status.refused.items()))
            lines += [f"{key}: {text}" for text in (*refused, *status.hints)]
    return lines


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
    """Print the episodes in a file, or every row with its score; a page with charts where one is named."""
    from streamgauge.pipelines.detection import detect_file, detect_plot, surprise_file
    from streamgauge.pipelines.detection.series_file import Dialect, FileFault, read

    if args.plot and args.plot.suffix.lower() not in (".html", ".htm"):
        raise UseError(f"{args.plot}: a plot is a page; name a file that ends in .html")
    dialect = Dialect(
        args.time, tuple(args.value), tuple(args.by), args.separator, args.decimal, not args.no_header, args.day_first
    )
    try:
        series, notes = read(args.file, dialect)
        said = surprise_file.read_feedback(args.feedback) if args.feedback else None
        if args.out:
            with args.out.open("w", newline="", encoding="utf-8") as file:
                surprise_file.write((row for one in series for row in surprise_file.judge(one, said)), file)
    except FileFault as error:
        raise UseError(str(error)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UseError(f"cannot read {args.file}: {error}; name a CSV file in UTF-8") from None
    for note in notes:
        print(note, file=sys.stderr)
    judged = [(one, *detect_file.detect_series(one, threshold=args.threshold, limit=args.limit)) for one in series]
    found = [episode for one, choice, rows in judged for episode in detect_file.episodes(one.name, choice, rows)]
    if args.json:
        print(json.dumps([one._asdict() for one in found]))
    elif args.all:
        detect_file.write((row for _, _, rows in judged for row in rows), sys.stdout)
    else:
        detect_file.write_episodes(found, sys.stdout)
    if args.plot:
        args.plot.write_text(detect_plot.page(args.file.name, judged, found), encoding="utf-8")
    for one, choice, rows in judged:
        unknown = sum(math.isnan(row.value) for row in rows)
        gaps = f", {unknown} without a number" if unknown else ""
        alerts = sum(row.is_alert for row in rows)
        print(f"{one.name}: {len(rows)} rows{gaps}, {alerts} alerts, detector {choice.name}", file=sys.stderr)
    return 0


def profile(args: argparse.Namespace) -> int:
    """Print the profile of a file."""
    from streamgauge.pipelines import profile_file

    if args.other is not None:
        return _compare(args)
    if args.html is not None:
        raise UseError("--html writes a comparison; name two files")
    try:
        report = profile_file.profile(args.file, columns=args.columns, label=args.label)
    except profile_file.ProfileError as error:
        raise UseError(str(error)) from None
    print(profile_file.to_json(report) if args.json else profile_file.render(report))
    return 0


def _compare(args: argparse.Namespace) -> int:
    """Print how the second file differs from the first; 1 if it does."""
    from streamgauge.pipelines import profile_compare, profile_file

    try:
        frames = [profile_file.read(path) for path in (args.file, args.other)]
        report = profile_compare.compare(*frames, columns=args.columns)
    except profile_file.ProfileError as error:
        raise UseError(str(error)) from None
    print(json.dumps(report) if args.json else profile_compare.render(report))
    if args.html is not None:
        page = profile_compare.page(f"{args.file.name} and {args.other.name}", report)
        args.html.write_text(page, encoding="utf-8")
    return int(report["differs"])


def version(args: argparse.Namespace) -> int:
    """Print the version."""
    found = importlib.metadata.version("streamgauge")
    print(json.dumps({"version": found}) if args.json else found)
    return 0

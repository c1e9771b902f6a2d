"""The commands that read one file and print what they find: `check`, `profile`; and `version`."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from streamgauge.anomaly.young import least
from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.commands.rows import rows_of
from streamgauge.pipelines.config.faults import ConfigError
from streamgauge.pipelines.config.loading import load
from streamgauge.pipelines.config.schema import Config, JobConfig
from streamgauge.pipelines.ports import Bus
from streamgauge.pipelines.service import assembly
from streamgauge.pipelines.text_tables import Form
from streamgauge.tracer import control
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.printable import printable, printable_lines
from streamgauge.tracer.transport import LogError


def check(args: argparse.Namespace) -> int:
    """Say that a configuration is sound, or name all its faults."""
    try:
        config = load(args.file)
        if config.token_file and Path(config.token_file).exists():  # it need not be where the file is checked
            assembly.guard_of(config)
    except ConfigError as error:
        if args.json:
            faults = [fault._asdict() for fault in error.faults]
            print(json.dumps({"file": str(args.file), "jobs": {}, "workers": [], "faults": faults}))
        raise
    jobs = {job.name: delays_of(job) for job in config.jobs}
    told_by_workers = said_by_workers(config)
    if args.json:
        print(json.dumps({"file": str(args.file), "jobs": jobs, "workers": told_by_workers, "faults": []}))
        return 0 if jobs else 1
    if not jobs:
        print(f"{args.file} has no fault and no job: nothing would be watched; add [[jobs]], or see `streamgauge init`")
        return 1
    print(f"{args.file} is sound: {len(jobs)} job{'s' * (len(jobs) > 1)} ({', '.join(jobs)})")
    for name, delays in jobs.items():
        told = "; ".join(f"{what} after {_duration(seconds)}" for what, seconds in delays.items())
        print(printable(f"  {name}: {told}"))
    for line in told_by_workers:
        print(printable(f"  {line}"))
    return 0


def said_by_workers(config: Config) -> list[str]:
    """What looks wrong to the workers of all jobs, on the embedded log or on the brokers: refusals and hints."""
    try:
        found = _statuses(config)
    except LogError as error:
        return [f"what its workers say is not known: {error}"]
    lines = list[str]()
    for key, value in sorted(found.items()):
        with suppress(control.PlanError):
            status = control.decode_status(value)
            refused = (f"{what.replace(':', ' ', 1)} is refused: {why}" for what, why in sorted(status.refused.items()))
            lines += [f"{key}: {text}" for text in (*refused, *status.hints)]
    return lines


def _statuses(config: Config) -> Mapping[str, bytes]:
    """The last status of each worker. Raises LogError where the brokers do not answer."""
    if config.kafka is not None:
        bus: Bus = assembly.bus_of(config)
    elif assembly.log_path(config).exists():
        bus = LocalLog(assembly.log_path(config), heeds=False)
    else:
        return {}
    try:
        return bus.latest("status")
    finally:
        bus.close()


def delays_of(job: JobConfig) -> dict[str, float]:
    """What happens after how many seconds by a job's settings, defaults among them."""
    short = next((spec for spec in job.windows if spec.kind == "short"), job.windows[0])
    return {
        "a score": short.length + job.allowed_lateness, "a worker that is silent is missing": job.missing_after,
        "a label is overdue": job.labels.margin, "a sample without label expires": job.labels.timeout,
        "changes are told on a wide band": least(short.length, short.slide), "on the full one": job.detection.warm_up,
    }  # fmt: skip


def _duration(seconds: float) -> str:
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:g} s"


def profile(args: argparse.Namespace) -> int:
    """Print the profile of a file."""
    from streamgauge.pipelines.profiling import report as profiler
    from streamgauge.pipelines.profiling.columns import ProfileError

    if args.other is not None:
        return _compare(args)
    if args.html is not None:
        raise UseError("--html writes a comparison; name two files")
    frame = rows_of(args.file, *args.columns, args.label, form=_form(args), is_dated=True)
    try:
        report = {"file": str(args.file), **profiler.profile_frame(frame, columns=args.columns, label=args.label)}
    except ProfileError as error:
        raise UseError(str(error)) from None
    print(profiler.to_json(report) if args.json else printable_lines(profiler.render(report)))
    return 0


def _form(args: argparse.Namespace) -> Form:
    return Form(args.separator, args.decimal, has_header=not args.no_header)


def _compare(args: argparse.Namespace) -> int:
    """Print how the second file differs from the first; 1 if it does."""
    from streamgauge.pipelines.profiling import comparison
    from streamgauge.pipelines.profiling.columns import ProfileError

    frames = [rows_of(path, form=_form(args), is_dated=True) for path in (args.file, args.other)]
    try:
        report = comparison.compare(*frames, columns=args.columns)
    except ProfileError as error:
        raise UseError(str(error)) from None
    print(json.dumps(report) if args.json else comparison.render(report))
    if args.html is not None:
        page = comparison.page(f"{args.file.name} and {args.other.name}", report)
        args.html.write_text(page, encoding="utf-8")
    return int(report["differs"])


def version(args: argparse.Namespace) -> int:
    """Print the version."""
    found = importlib.metadata.version("streamgauge")
    print(json.dumps({"version": found}) if args.json else found)
    return 0

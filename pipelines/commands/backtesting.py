"""The command `backtest`: a job's stored windows judged again with the current configuration and another one."""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, get_args

from streamgauge.pipelines.adapters.sqlite import windows
from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.commands import acting
from streamgauge.pipelines.commands.run import configured
from streamgauge.pipelines.config.loading import load
from streamgauge.pipelines.config.schema import DAY, JobConfig
from streamgauge.pipelines.detection.closed import Columns
from streamgauge.pipelines.registry import pipelines_of
from streamgauge.pipelines.service import backtest_page
from streamgauge.pipelines.service.backtest import Label, Replay, Verdict, gained, replay
from streamgauge.pipelines.service.stores import store_path
from streamgauge.tracer.printable import printable, printable_lines

_NEEDED: Final = ("start", "end", "label")


def backtest(args: argparse.Namespace) -> int:
    """What would have been told of the stored series: now, and with another configuration."""
    config = configured(args)
    job = acting.job_in(config, args.job, args.config)
    path = store_path(config)
    span = windows.span(path, job.name) if path.exists() else None
    if span is None:
        raise UseError(f"there are no series of job {job.name!r} in {path}; name the folder of its store with --data")
    labels = labels_of(args.feedback) if args.feedback else ()
    start = max(span[0], span[1] - args.days * DAY) if args.days else span[0]
    start = math.nextafter(start, -math.inf)  # the first window, too
    current = replay(config, job, _stored(path, job, start, span[1]), labels)
    other, names = None, (args.config.name, "")
    if args.against:
        loaded = load(args.against)
        changed = acting.job_in(loaded, job.name, args.against)
        _check_windows(job, changed, str(args.against))
        other = replay(loaded, changed, _stored(path, changed, start, span[1]), labels)
        names = (names[0], args.against.name)
    return _tell(args, job.name, current, other, names)


def labels_of(path: Path) -> tuple[Label, ...]:
    """What people said of spans: a CSV file with the columns start, end (empty: the same moment) and label."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [name for name in _NEEDED if name not in (reader.fieldnames or ())]
            if missing:
                raise UseError(f"{path}: no column {', '.join(missing)}; the first line must name {', '.join(_NEEDED)}")
            return tuple(_label(path, reader.line_num, row) for row in reader)
    except (OSError, UnicodeDecodeError) as error:
        raise UseError(f"{path} cannot be read: {error}") from None


def _label(path: Path, line: int, row: dict[str, str]) -> Label:
    verdict = (row["label"] or "").strip()
    if verdict not in get_args(Verdict):
        raise UseError(f"{path}: line {line}: label {verdict!r} is none of {', '.join(get_args(Verdict))}")
    start = _time(path, line, row["start"])
    end = _time(path, line, row["end"]) if row["end"] else start
    if end < start:
        raise UseError(f"{path}: line {line}: it ends ({row['end']}) before it starts ({row['start']})")
    return Label(start, end, verdict)  # type: ignore[arg-type]


def _time(path: Path, line: int, text: str) -> float:
    """Seconds since the epoch, or ISO 8601; UTC where no zone is named."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise UseError(f"{path}: line {line}: {text!r} is no time; write 2026-02-08T12:00:00 or seconds") from None
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    if not math.isfinite(seconds):
        raise UseError(f"{path}: line {line}: {text!r} is no time; write 2026-02-08T12:00:00 or seconds")
    return seconds


def _check_windows(job: JobConfig, other: JobConfig, source: str) -> None:
    known = {(spec.name, spec.length, spec.slide) for spec in job.windows}
    new = [spec.name for spec in other.windows if (spec.name, spec.length, spec.slide) not in known]
    if new:
        raise UseError(f"{source}: nothing is stored of the windows {', '.join(new)}; a backtest can judge only those "
                       f"that were closed: {', '.join(sorted(name for name, _, _ in known))}")  # fmt: skip


def _stored(path: Path, job: JobConfig, start: float, end: float) -> Iterator[Columns]:
    metrics = {metric.name: metric for pipeline in pipelines_of(job) for metric in pipeline.metrics}
    return windows.windows(path, job.name, metrics, start, end)


def _tell(args: argparse.Namespace, job: str, current: Replay, other: Replay | None, names: tuple[str, str]) -> int:
    if args.html:
        args.html.write_text(backtest_page.page(job, current, other, names), encoding="utf-8")
        print(f"wrote {args.html}", file=sys.stderr)
    if args.json:
        sides = {"current": current, **({} if other is None else {"against": other})}
        print(json.dumps({name: backtest_page.as_json(one) for name, one in sides.items()}))
        return 0
    print(f"{job}, {backtest_page.utc(current.start)} to {backtest_page.utc(current.end)}")
    print(printable_lines(backtest_page.text(backtest_page.rows(current, other, names))))
    if other is not None:
        for mark, told in (("+", gained(other, current)), ("-", gained(current, other))):
            for one in told:
                print(printable(f"{mark} {backtest_page.utc(one.time)} {one.text}"))
    return 0

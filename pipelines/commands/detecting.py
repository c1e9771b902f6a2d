"""The command `detect`: episodes in the series of a file, as CSV, JSON, a page, a picture or a report."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.detection import detect_file, detect_picture, detect_plot, detect_report, surprise_file
from streamgauge.pipelines.detection.detect_plot import Judged
from streamgauge.pipelines.detection.series_file import Dialect, FileFault, Series, read
from streamgauge.tracer.printable import printable

_FEW: Final = 100  # rows below which it is said that nearly nothing is known
_PAGES, _PICTURES = (".html", ".htm"), (".png",)


def detect(args: argparse.Namespace) -> int:
    """Print the episodes in a file, or every row with its score; write charts and a report where they are named."""
    if args.plot and args.plot.suffix.lower() not in (*_PAGES, *_PICTURES):
        raise UseError(f"{args.plot}: a plot is a page or a picture; name a file that ends in .html or .png")
    series, notes = _read(args)
    for note in notes:
        print(printable(note), file=sys.stderr)
    judged = [(one, *detect_file.detect_series(one, threshold=args.threshold, limit=args.limit)) for one in series]
    found = [episode for one, choice, rows in judged for episode in detect_file.episodes(one.name, choice, rows)]
    if args.json:
        print(json.dumps([one._asdict() for one in found]))
    elif args.all:
        detect_file.write((row for _, _, rows in judged for row in rows), sys.stdout)
    else:
        detect_file.write_episodes(found, sys.stdout)
    if args.plot:
        _plot(args.plot, args.file.name, judged, found)
    if args.report:
        text = detect_report.report(args.file.name, notes, judged, found, args.threshold)
        args.report.write_text(text, encoding="utf-8")
    for one in judged:
        print(printable(_told(one)), file=sys.stderr)
    return 0


def _read(args: argparse.Namespace) -> tuple[list[Series], list[str]]:
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
    except FileNotFoundError as error:
        raise UseError(f"{error.filename}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UseError(f"cannot read {args.file}: {error}; name a CSV file in UTF-8") from None
    return series, notes


def _plot(path: Path, title: str, judged: Sequence[Judged], found: Sequence[detect_file.Episode]) -> None:
    if path.suffix.lower() in _PAGES:
        path.write_text(detect_plot.page(title, judged, found), encoding="utf-8")
        return
    try:
        path.write_bytes(detect_picture.picture(title, judged))
    except detect_picture.PictureFault as error:
        raise UseError(str(error)) from None
    if len(judged) > detect_picture.MOST:
        more = f"the first {detect_picture.MOST} of {len(judged)} series are in the picture; a page has all of them"
        print(more, file=sys.stderr)


def _told(judged: Judged) -> str:
    series, choice, rows = judged
    unknown = sum(math.isnan(row.value) for row in rows)
    gaps = f", {unknown} without a number" if unknown else ""
    alerts = sum(row.is_alert for row in rows)
    learnt = int(detect_file.PROBATION * len(rows))
    few = f"; only {learnt} rows to learn from, so little can fire" if len(rows) < _FEW else ""
    return f"{series.name}: {len(rows)} rows{gaps}, {alerts} alerts, detector {choice.name}{few}"

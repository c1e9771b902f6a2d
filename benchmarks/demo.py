"""The demo as a figure: the year, and ten schedules of incidents drawn by seed, January-June and July-December apart.

The flights, the job and its workers are the demo's own, as fast as they go; each schedule replays 75 days, the first 14
as history. `found`: something was told in the incident's time; `exactly one`: nothing more than that; `right root`: it
names the right domain, entity and worker. Thresholds were tuned on January to June only.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import pathlib
import random
import sys
import tempfile
from collections.abc import Iterable, Sequence
from typing import Any, Final

from benchmarks.rows import Row, reached, reading, waited
from streamgauge.examples.flights import demo, schedules, truth
from streamgauge.pipelines.config.loading import load

HALVES: Final = ("January-June", "July-December")
_FIRST: Final = {HALVES[0]: datetime.datetime(2013, 1, 1), HALVES[1]: datetime.datetime(2013, 7, 1)}
_MIDDLE: Final = _FIRST[HALVES[1]]
_DAYS: Final = 75  # of one schedule
_HALF: Final = 181  # days
_SEEDS: Final = 5  # of each half
_AFTER: Final = datetime.timedelta(hours=48)  # in which what an incident leaves behind is still its own
_WINDOW: Final = datetime.timedelta(hours=3)


def run(args: argparse.Namespace) -> Iterable[Row]:
    """The year (`--quick`: January to March), then the schedules (`--quick`: one of each half)."""
    with tempfile.TemporaryDirectory(prefix="streamgauge-flights-") as name:
        folder = pathlib.Path(name)
        year = _replayed(folder, [] if args.quick else ["--year"])
        yield from incidents("demo", [year])
        for half in HALVES[: 1 if args.quick else 2]:
            yield from quiet(f"demo {half}", year, half)
        for half in HALVES:
            seeds = range(1 if args.quick else _SEEDS)
            yield from incidents(f"schedules {half}", [_schedule(folder, half, seed) for seed in seeds])


def incidents(name: str, reports: Sequence[dict[str, Any]]) -> Iterable[Row]:
    """The shares of injected incidents that were found, told exactly once, at the right root; and how late."""
    near = [(item, _near(report, item)) for report in reports for item in report["incidents"]]
    shares = {
        "found": [bool(pages) for _, pages in near],
        "exactly one": [len(pages) == 1 for _, pages in near],
        "right root": [bool(pages) and pages[0]["matches"] == item["truth"]["name"] for item, pages in near],
    }
    for label, claims in shares.items():
        share = sum(claims) / len(claims)
        yield reached(f"{name} {label}", share, "share", 1.0)
    delays = [item["delay_windows"] for item, _ in near if item["delay_windows"] is not None]
    yield reading(f"{name} incidents", len(near), "")
    yield reading(f"{name} delay mean", sum(delays) / max(len(delays), 1), "windows")
    yield waited(f"{name} delay max", max(delays, default=0), "windows", 2)
    unexplained = sum(report["unexplained"] for report in reports)
    yield reading(f"{name} unexplained", unexplained, "notifications")


def quiet(name: str, report: dict[str, Any], half: str) -> Iterable[Row]:
    """What was told beside the declared incidents in one half of a replay."""
    begin = max(_time(report["from"]), _FIRST[half])
    end = min(_time(report["to"]), _MIDDLE if half == HALVES[0] else datetime.datetime.max)
    declared = {item["truth"]["name"] for item in report["incidents"]}
    declared |= {item["name"] for item in report["natural"] if item["expect"] == "must"}
    told = [page for page in report["notifications"] if begin <= _time(page["time"]) < end]
    rest = [page for page in told if page["matches"] not in declared]
    rate = len(rest) / ((end - begin) / datetime.timedelta(days=14))
    yield waited(f"{name} the rest", rate, "per 14 days", 0.5)
    most = max((_within_14_days(rest, page) for page in rest), default=0)
    yield waited(f"{name} most in 14 days", most, "notifications", 2)
    expected = {item["name"] for item in report["natural"] if item["expect"] != "must-not"}
    unexplained = sum(page["matches"] not in expected for page in rest)
    yield waited(f"{name} unexplained", unexplained, "notifications", 3)


def _schedule(folder: pathlib.Path, half: str, seed: int) -> dict[str, Any]:
    """Replay one drawn schedule."""
    chance = random.Random(f"{half} {seed}")
    begin = _FIRST[half] + datetime.timedelta(days=chance.randrange(_HALF - _DAYS))
    end = begin + datetime.timedelta(days=_DAYS)
    (job,) = load(demo.CONFIG).jobs
    holidays = {datetime.date.fromisoformat(holiday.date) for holiday in job.holidays}
    drawn = folder / "drawn.toml"
    drawn.write_text(schedules.dumps(schedules.draw(chance, truth.load(), begin, end, holidays)))
    print(f"{half}, seed {seed}: {begin:%Y-%m-%d} to {end:%Y-%m-%d}", file=sys.stderr)
    return _replayed(folder, ["--truth", str(drawn), "--from", f"{begin:%Y-%m-%d}", "--until", f"{end:%Y-%m-%d}"])


def _replayed(folder: pathlib.Path, options: list[str]) -> dict[str, Any]:
    told = folder / "report.json"
    common = ["--headless", "--speed", "max", "--port", "0", "--data", str(folder), "--report", str(told)]
    with contextlib.redirect_stdout(sys.stderr):
        demo.main([*common, *options])
    report: dict[str, Any] = json.loads(told.read_text())
    return report


def _near(report: dict[str, Any], item: dict[str, Any]) -> list[dict[str, Any]]:
    """What was told of an incident, and what nobody declared in its time, in order of time."""
    name, start, end = (item["truth"][key] for key in ("name", "start", "end"))
    first, last = _time(start) - _WINDOW, _time(end) + _AFTER
    return [
        page for page in report["notifications"]
        if page["matches"] == name or (page["matches"] is None and first <= _time(page["start"]) < last)
    ]  # fmt: skip


def _within_14_days(pages: Sequence[dict[str, Any]], first: dict[str, Any]) -> int:
    begin = _time(first["time"])
    return sum(begin <= _time(page["time"]) < begin + datetime.timedelta(days=14) for page in pages)


def _time(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)

"""The command `thresholds`: what verdicts have done to thresholds, what that did to pages, and one step back."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any, Final

from streamgauge.anomaly.thresholds import DAY
from streamgauge.anomaly.types import SeriesKey
from streamgauge.pipelines.adapters.sqlite import windows
from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.commands.acting import author_of, bus_of, job_of, now_of, say
from streamgauge.pipelines.config.schema import Config, JobConfig
from streamgauge.pipelines.engines.taught import taught
from streamgauge.pipelines.paging import actions
from streamgauge.pipelines.paging.feedback import FeedbackLoop
from streamgauge.pipelines.paging.judged import name_of
from streamgauge.pipelines.registry import pipelines_of
from streamgauge.pipelines.service import backtest_page
from streamgauge.pipelines.service.backtest import Replay, Told, gained, replay
from streamgauge.pipelines.service.stores import store_path
from streamgauge.tracer.printable import printable

REACH: Final = 14 * DAY  # of the replay
BEFORE: Final = 28 * DAY  # from which it learns what is normal


def thresholds(args: argparse.Namespace) -> int:
    """Show what verdicts have done to thresholds, or take the last step back."""
    config, job = job_of(args)
    bus = bus_of(config)
    loop = taught(bus, job)
    shown = loop.shown()
    if args.rollback is not None:
        _check(shown, args.rollback)
        actions.roll_back(bus, job.name, args.rollback, now_of(config, bus), author_of(args), args.comment)
        say(args, f"revision {args.rollback} is taken back", {"rollback": args.rollback})
        return 0
    effect = _effect(config, job, loop) if args.effect else None
    if args.json:
        print(json.dumps(shown if effect is None else {**shown, "effect": effect}))
        return 0
    for line in _lines(shown):
        print(printable(line))
    for mark, told in (effect or {}).items():
        for one in told:
            print(printable(f"{mark} {backtest_page.utc(one['time'])} {one['text']}"))
    return 0


def _check(shown: Mapping[str, Any], revision: int) -> None:
    last = [step["revision"] for step in shown["steps"]][-1:]
    if last != [revision]:
        remedy = f"the last step is {last[0]}" if last else "there is no step of the last 14 days to take back"
        raise UseError(f"revision {revision} is not the last step of {shown['job']!r}: {remedy}")


def _lines(shown: Mapping[str, Any]) -> list[str]:
    """Each multiplier with the verdicts that it comes from, then the steps, the newest last."""
    found = [
        f"{one['factor']:.2f} {_name(one)}: {_verdicts(one['labels'])}"
        for one in shown["thresholds"]
    ]  # fmt: skip
    steps = [
        f"{step['revision']} {backtest_page.utc(step['time'])} {step['notification']} {step['verdict']}"
        f" by {step['author'] or 'nobody named'}: "
        + ", ".join(f"{one['name']} {one['before']:.2f} -> {one['after']:.2f}" for one in step["moved"])
        for step in shown["steps"]
    ]  # fmt: skip
    return [*found, *steps] or [f"{shown['job']}: no verdict has been given, every threshold is as configured"]


def _name(one: Mapping[str, Any]) -> str:
    return name_of(SeriesKey(*(one[part] for part in SeriesKey._fields)))


def _verdicts(labels: list[Mapping[str, Any]]) -> str:
    return ", ".join(f"{one['verdict']} {one['author']}".strip() for one in labels) or "no verdict of its own"


def _effect(config: Config, job: JobConfig, loop: FeedbackLoop) -> dict[str, list[dict[str, Any]]]:
    """What the last step would have gained (`+`) and lost (`-`) in the last 14 days that are stored."""
    path = store_path(config)
    span = windows.span(path, job.name) if path.exists() else None
    if span is None:
        raise UseError(f"there are no series of job {job.name!r} in {path}; the effect is judged by those")
    if not loop.shown()["steps"]:
        raise UseError(f"no verdict of the last 14 days has moved a threshold of {job.name!r}: there is no effect")
    without = _replayed(config, job, span, loop.factors(before_last=True))
    with_it = _replayed(config, job, span, loop.factors())
    since = span[1] - REACH
    return {
        "+": [_as_json(one) for one in gained(with_it, without) if one.time >= since],
        "-": [_as_json(one) for one in gained(without, with_it) if one.time >= since],
    }


def _replayed(config: Config, job: JobConfig, span: tuple[float, float], factors: Mapping[SeriesKey, float]) -> Replay:
    metrics = {metric.name: metric for pipeline in pipelines_of(job) for metric in pipeline.metrics}
    start = max(span[0] - 1.0, span[1] - REACH - BEFORE)
    return replay(config, job, windows.windows(store_path(config), job.name, metrics, start, span[1]), factors=factors)


def _as_json(one: Told) -> dict[str, Any]:
    return {"time": one.time, "severity": one.severity, "text": one.text}

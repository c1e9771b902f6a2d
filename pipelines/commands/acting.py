"""The commands that act on a running pipeline through its log: `silence`, `feedback` ...; and what all such share."""

from __future__ import annotations

import argparse
import getpass
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.commands.run import configured
from streamgauge.pipelines.config.faults import suggestion
from streamgauge.pipelines.config.own_job import own_job
from streamgauge.pipelines.config.schema import Config, JobConfig
from streamgauge.pipelines.paging import actions
from streamgauge.pipelines.ports import Bus, Query
from streamgauge.pipelines.service import assembly, stores
from streamgauge.pipelines.wire import outputs
from streamgauge.tracer.records import Tick


def silence(args: argparse.Namespace) -> int:
    """Hold back what matches from now on."""
    config, job = job_of(args)
    bus = bus_of(config)
    matchers = [actions.matcher_of(text) for text in args.matchers]
    now = now_of(config, bus)
    made = actions.silence(bus, job.name, matchers, now, now + args.length, author_of(args), args.comment)
    say(args, f"silence {made.id} holds back {', '.join(args.matchers)} for {args.length:g} s", {"silence": made.id})
    return 0


def feedback(args: argparse.Namespace) -> int:
    """Say what a notification was worth, or which series should have sent one."""
    config, job = job_of(args)
    bus = bus_of(config)
    if args.verdict != "missed":
        _check_told(config, args.notification)
    now = now_of(config, bus)
    actions.feedback(bus, job, args.notification, args.verdict, now, author_of(args), args.comment)
    text = f"{args.notification} is {args.verdict.replace('_', ' ')}"
    say(args, text, {"notification": args.notification, "verdict": args.verdict})
    return 0


def ack(args: argparse.Namespace) -> int:
    """Stop the repeats of a notification."""
    config, job = job_of(args)
    bus = bus_of(config)
    _check_told(config, args.notification)
    actions.acknowledge(bus, job.name, args.notification, now_of(config, bus), author_of(args), args.comment)
    say(args, f"{args.notification} is not repeated any more", {"notification": args.notification})
    return 0


def change(args: argparse.Namespace) -> int:
    """Note what was changed."""
    config, job = job_of(args)
    bus = bus_of(config)
    text = args.text + (f" ({args.comment})" if args.comment else "")
    made = actions.change(bus, job, args.name, text, now_of(config, bus), author_of(args))
    say(args, f"noted of {job.name}: {made.name}, {made.text}", {"name": made.name, "time": made.time})
    return 0


def say(args: argparse.Namespace, text: str, value: Mapping[str, Any]) -> None:
    """What was done: a line for people, or with `--json` a value for programs."""
    print(json.dumps(value) if args.json else text)


def now_of(config: Config, bus: Bus) -> float:
    """The pager's time: the wall's, or where ticks come from a driver the last one that it was given."""
    if config.clock == "wall":
        return time.time()
    kinds = {"tick": Tick}
    newest = 0.0
    (log,) = bus.logs("anomalies")  # the pager's topic is one log everywhere
    for message in bus.read(log, max(0, bus.end(log) - 10_000), 10_000):
        try:
            newest = max(newest, outputs.decode(message.value, kinds).time)
        except ValueError:
            continue
    return newest


def job_of(args: argparse.Namespace) -> tuple[Config, JobConfig]:
    """The configuration and the job that is meant. Raises UseError for one that it does not have."""
    config = configured(args)
    return config, job_in(config, args.job, args.config)


def job_in(config: Config, name: str, source: Path) -> JobConfig:
    """The job of this name, or the only one where none is named; the pipeline's own does not count for that.

    Raises:
        UseError: there is none of this name in `source`, or none is named and there are several.
    """
    jobs = {job.name: job for job in config.jobs}
    theirs = [job for job in config.jobs if job is not own_job(config)] or [*config.jobs]
    if not name and len(theirs) == 1:
        return theirs[0]
    if name in jobs:
        return jobs[name]
    if not name and theirs:
        raise UseError(f"{source} has {len(theirs)} jobs: name one with --job{suggestion(name, jobs)}")
    raise UseError(f"unknown job {name!r} in {source}{suggestion(name, jobs)}")


def bus_of(config: Config) -> Bus:
    """The log. Raises UseError where there is none yet."""
    path = assembly.log_path(config)
    if config.kafka is None and not path.is_file():
        raise UseError(f"there is no log {path}; start `streamgauge run` first, or name its folder with --data")
    return assembly.bus_of(config)


@contextmanager
def store_of(config: Config) -> Iterator[Query]:
    """The store, to be read. Raises UseError where there is none yet."""
    if not stores.is_there(config):
        raise UseError(f"there is no store in {config.data}; start `streamgauge run` first")
    with stores.reading(config) as query:
        yield query


def _check_told(config: Config, notification: str) -> None:
    """Raises UseError for a notification that the store does not know; one that is not there yet knows nothing."""
    if not stores.is_there(config):
        return
    with stores.reading(config) as query:
        if query.incident(notification) is None:
            raise UseError(f"unknown notification {notification[:100]!r}; copy its id from the page or /api/incidents")


def author_of(args: argparse.Namespace) -> str:
    """Who does it."""
    if args.author:
        return str(args.author)
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""

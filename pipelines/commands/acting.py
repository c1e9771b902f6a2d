"""The commands that act on a running pipeline through its log: `trace`, `silence`, `feedback`."""

from __future__ import annotations

import argparse
import getpass
import time
from collections.abc import Mapping

from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.commands.run import configured
from streamgauge.pipelines.config.faults import suggestion
from streamgauge.pipelines.config.schema import Config, JobConfig
from streamgauge.pipelines.paging import actions
from streamgauge.pipelines.ports import Bus
from streamgauge.pipelines.service import assembly, stores
from streamgauge.pipelines.wire import outputs
from streamgauge.tracer.control import Plan, PlanError, PlanState, decode_status
from streamgauge.tracer.records import Tick
from streamgauge.tracer.selection import Collection, Select

_POLL = 0.1
_DONE = ("applied", "rejected", "expired", "superseded", "not-targeted", "tripped")
_GOOD = ("applied", "not-targeted")


def trace(args: argparse.Namespace) -> int:
    """Send a plan and print a line for each worker's answer; 1 if one did not apply it."""
    config, job = _job(args)
    bus = _bus(config)
    select = Select(
        collection=_collection(args.collection), include=args.include, exclude=args.exclude, emit=args.emit,
        every=args.every,
    )  # fmt: skip
    plan = actions.trace(
        bus, job.name, () if args.off else (select,), now_of(config, bus), name=args.name, workers=args.workers,
        expires=args.ttl, author=_author(args), reason=args.comment, off=args.off,
    )  # fmt: skip
    print(f"{plan.job}/{plan.plan} revision {plan.revision} sent")
    return _await(bus, plan, args.wait)


def silence(args: argparse.Namespace) -> int:
    """Hold back what matches from now on."""
    config, job = _job(args)
    bus = _bus(config)
    matchers = [actions.matcher_of(text) for text in args.matchers]
    now = now_of(config, bus)
    made = actions.silence(bus, job.name, matchers, now, now + args.length, _author(args), args.comment)
    print(f"silence {made.id} holds back {', '.join(args.matchers)} for {args.length:g} s")
    return 0


def feedback(args: argparse.Namespace) -> int:
    """Say what a notification was worth."""
    config, job = _job(args)
    bus = _bus(config)
    _check_told(config, args.notification)
    now = now_of(config, bus)
    actions.feedback(bus, job, args.notification, args.verdict, now, _author(args), args.comment)
    print(f"{args.notification} is {args.verdict.replace('_', ' ')}")
    return 0


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


def _await(bus: Bus, plan: Plan, patience: float) -> int:
    """Print each worker's state as it changes, until all have answered or patience is over."""
    deadline = time.monotonic() + patience
    shown: dict[str, PlanState] = {}
    while True:
        answers = _answers(bus.latest("status"), plan)
        for worker, state in answers.items():
            if state is not None and shown.get(worker) != state:
                shown[worker] = state
                print(f"  {worker}: {_told(state)}", flush=True)
        is_done = bool(answers) and all(state is not None and state.state in _DONE for state in answers.values())
        if is_done or time.monotonic() >= deadline:
            break
        bus.wait(_POLL)
    silent = [worker for worker, state in answers.items() if state is None or state.state not in _DONE]
    for worker in silent:
        print(f"  {worker}: no answer within {patience:g} s")
    if not answers:
        print(f"  no worker of {plan.job} has reported yet; the plan waits for the first one")
    return 0 if all(state is not None and state.state in _GOOD for state in answers.values()) and answers else 1


def _answers(status: Mapping[str, bytes], plan: Plan) -> dict[str, PlanState | None]:
    """What each worker of the job that is meant says of this revision, None while it says nothing."""
    found: dict[str, PlanState | None] = dict.fromkeys(plan.target.workers)
    for key, value in status.items():
        worker = key.partition("/")[2]
        if not key.startswith(f"{plan.job}/") or (plan.target.workers and worker not in plan.target.workers):
            continue
        try:
            states = decode_status(value).plans
        except PlanError:
            states = ()
        mine = [state for state in states if (state.plan, state.revision) == (plan.plan, plan.revision)]
        found[worker] = mine[0] if mine else None
    return found


def _told(state: PlanState) -> str:
    details = [state.reason] if state.reason else []
    if state.state in ("applying", "applied"):
        details.append(f"{state.matched} tensors, about {state.bytes_s:.0f} bytes/s")
    return f"{state.state}{': ' if details else ''}{'; '.join(details)}"


def _job(args: argparse.Namespace) -> tuple[Config, JobConfig]:
    config = configured(args)
    jobs = {job.name: job for job in config.jobs}
    if args.job not in jobs:
        raise UseError(f"unknown job {args.job!r} in {args.config}{suggestion(args.job, jobs)}")
    return config, jobs[args.job]


def _bus(config: Config) -> Bus:
    path = assembly.log_path(config)
    if config.kafka is None and not path.is_file():
        raise UseError(f"there is no log {path}; start `streamgauge run` first, or name its folder with --data")
    return assembly.bus_of(config)


def _check_told(config: Config, notification: str) -> None:
    """Raises UseError for a notification that the store does not know; one that is not there yet knows nothing."""
    if stores.is_embedded(config) and not stores.store_path(config).is_file():
        return
    query = stores.query_of(config)()
    try:
        if query.incident(notification) is None:
            raise UseError(f"unknown notification {notification[:100]!r}; copy its id from the page or /api/incidents")
    finally:
        query.close()


def _collection(text: str) -> Collection:
    known = Collection.__args__  # type: ignore[attr-defined]
    if text not in known:
        raise UseError(f"unknown collection {text!r}{suggestion(text, known)}")
    return text  # type: ignore[return-value]


def _author(args: argparse.Namespace) -> str:
    if args.author:
        return str(args.author)
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""

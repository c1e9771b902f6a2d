"""The command `trace`: what a running job traces, what it could trace, and a change of it with its workers' answers."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, TextIO

from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.commands.acting import author_of, bus_of, job_of, now_of
from streamgauge.pipelines.config.faults import suggestion
from streamgauge.pipelines.paging import actions
from streamgauge.pipelines.ports import Bus
from streamgauge.tracer.control import Plan, PlanError, PlanState, decode_catalogue, decode_status
from streamgauge.tracer.printable import printable
from streamgauge.tracer.selection import Budget, Collection, Select

_POLL: Final = 0.1
_DONE: Final = ("applied", "rejected", "expired", "superseded", "not-targeted", "tripped", "suspect", "pending")
_GOOD: Final = ("applied", "not-targeted", "pending")


def trace(args: argparse.Namespace) -> int:
    """Send a plan and print a line for each worker's answer; 1 if one did not apply it."""
    config, job = job_of(args)
    bus = bus_of(config)
    if args.list:
        return _list(bus, job.name, is_json=args.json)
    _check_workers(bus, job.name, args.workers)
    select = Select(
        collection=_collection(args.collection), include=args.include, exclude=args.exclude, emit=args.emit,
        every=args.every, when=args.when, first=args.first, last=args.last, rows=args.rows,
    )  # fmt: skip
    if args.dry_run:
        return _try(bus, job.name, select, args.workers, is_json=args.json)
    plan = actions.trace(
        bus, job.name, () if args.off else (select,), now_of(config, bus), name=args.name, workers=args.workers,
        expires=args.ttl, author=author_of(args), reason=args.comment, off=args.off, min_step=args.min_step,
        allow_stall=args.allow_stall, graph=_graph(bus, job.name, args.workers) if args.same_graph else "",
    )  # fmt: skip
    out = sys.stderr if args.json else sys.stdout
    _say(f"{plan.job}/{plan.plan} revision {plan.revision} sent", file=out)
    done, answers = _await(bus, plan, args.wait, out)
    if args.json:
        told = {worker: None if state is None else _told(state) for worker, state in answers.items()}
        print(json.dumps({"job": plan.job, "plan": plan.plan, "revision": plan.revision, "answers": told}))
    return done


def _list(bus: Bus, job: str, *, is_json: bool) -> int:
    """What each worker traces now and could trace, as it reports it."""
    from streamgauge.pipelines.adapters.http.traces import traced_by

    found: dict[str, Any] = traced_by(bus, job)
    if is_json:
        print(json.dumps(found))
        return 0
    if found["ids"]:
        _say(f"one id in {found['ids']['modulus']} is kept to find duplicates, by their rate")
    for worker in found["status"]:
        said = worker.get("state") or worker.get("fault") or "unknown"
        _say(f"{worker['worker']}: {said}")
        for plan in worker.get("plans", ()):
            _say(f"  plan {plan['plan']} revision {plan['revision']}: {plan['state']}")
    for worker in found["catalogue"]:
        entries = worker.get("entries", ())
        _say(f"{worker['worker']} can trace {len(entries)} tensors")
        for entry in entries:
            _say(f"  {entry['collection']:<12} {entry['name']}")
    if not found["status"] and not found["catalogue"]:
        _say(f"no worker of {job} has reported yet", file=sys.stderr)
    return 0


def _try(bus: Bus, job: str, select: Select, workers: Sequence[str], *, is_json: bool) -> int:
    """What the plan would match and send; nothing is changed. 1 where a worker would refuse it."""
    from streamgauge.pipelines.adapters.http.costs import estimate

    found = estimate(bus, job, [select], workers, Budget())
    faults = [found["fault"], *(one["fault"] for one in found["workers"])]
    if is_json:
        print(json.dumps(found))
        return int(any(faults))
    if found["fault"]:
        _say(f"no worker would take this plan: {found['fault']}")
    _say(f"{found['matched']} tensors match{': ' if found['names'] else ''}{', '.join(found['names'])}")
    for one in found["workers"]:
        costs = f"{one['matched']} tensors, about {one['bytes_s']:.0f} bytes/s"
        _say(f"  {one['worker']}: {one['fault'] or costs}")
    return int(any(faults))


def _graph(bus: Bus, job: str, workers: Sequence[str]) -> str:
    """The graph that the workers' catalogues agree on. Raises UseError where they do not."""
    found = dict[str, str]()
    for key, value in bus.latest("catalogue").items():
        if key.startswith(f"{job}/") and (not workers or key.partition("/")[2] in workers):
            with suppress(PlanError):
                one = decode_catalogue(value)
                found[one.worker] = one.graph
    if len(set(found.values())) != 1 or not next(iter(found.values())):
        told = ", ".join(f"{worker} {graph or 'unknown'}" for worker, graph in sorted(found.items())) or "none reported"
        raise UseError(f"the workers of {job} have no graph in common: {told}; name some with --workers")
    return next(iter(found.values()))


def _check_workers(bus: Bus, job: str, names: Sequence[str]) -> None:
    """Raises UseError for a worker that never reported, where others have."""
    known = sorted({key.partition("/")[2] for key in bus.latest("status") if key.startswith(f"{job}/")})
    for name in names:
        if known and name not in known:
            shown = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
            raise UseError(f"no worker {name!r} of {job} has reported; those that have: {shown}")


def _await(bus: Bus, plan: Plan, patience: float, out: TextIO) -> tuple[int, dict[str, PlanState | None]]:
    """Print each worker's state as it changes, until all have answered or patience is over."""
    deadline = time.monotonic() + patience
    shown: dict[str, PlanState] = {}
    while True:
        answers = _answers(bus.latest("status"), plan)
        for worker, state in answers.items():
            if state is not None and shown.get(worker) != state:
                shown[worker] = state
                _say(f"  {worker}: {_told(state)}", file=out, flush=True)
        is_done = bool(answers) and all(state is not None and state.state in _DONE for state in answers.values())
        if is_done or time.monotonic() >= deadline:
            break
        bus.wait(_POLL)
    silent = [worker for worker, state in answers.items() if state is None or state.state not in _DONE]
    for worker in silent:
        _say(f"  {worker}: no answer within {patience:g} s", file=out)
    if not answers:
        _say(f"  no worker of {plan.job} has reported yet; the plan waits for the first one", file=out)
    is_good = bool(answers) and all(state is not None and state.state in _GOOD for state in answers.values())
    return 0 if is_good else 1, answers


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
    if state.state in ("applying", "applied", "pending"):
        details.append(f"{state.matched} tensors, about {state.bytes_s:.0f} bytes/s")
    return f"{state.state}{': ' if details else ''}{'; '.join(details)}"


def _collection(text: str) -> Collection:
    known = Collection.__args__  # type: ignore[attr-defined]
    if text not in known:
        raise UseError(f"unknown collection {text!r}{suggestion(text, known)}")
    return text  # type: ignore[return-value]


def _say(text: str, file: TextIO | None = None, *, flush: bool = False) -> None:
    """A line for people: nothing in the workers' and tensors' names ends it or moves the cursor."""
    print(printable(text), file=file, flush=flush)

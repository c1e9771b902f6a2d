"""The commands that show what is known, from the store and the running process: `status`, `incidents`, `silences`."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.commands import acting
from streamgauge.pipelines.commands.run import configured
from streamgauge.pipelines.config.faults import suggestion
from streamgauge.pipelines.config.schema import Config
from streamgauge.pipelines.detection.phases import with_phase
from streamgauge.pipelines.paging import actions, causes, confirmations
from streamgauge.pipelines.ports import Query
from streamgauge.pipelines.service import stores
from streamgauge.tracer.printable import printable, printable_lines

FOREVER: Final = 4e9
_PATIENCE: Final = 2.0  # seconds that the running process is waited for
_SILENCE: Final = re.compile(r"(\S+) until (\S+Z): (.*)", re.DOTALL)
_UNTIL: Final = {"learning": "facts and limits page; changes are told from", "young": "a wider band; the full one from"}


def status(args: argparse.Namespace) -> int:
    """Each job: its scores, what is open, how far it has come; and what waits for whom."""
    config = configured(args)
    rows = asked(config, lambda query: {row["job"]: row for row in query.jobs()}, {})
    jobs = [with_phase(rows.get(job.name, {"job": job.name}), job) for job in config.jobs]
    opened = asked(config, lambda query: [one for one in query.incidents(None, 0.0, FOREVER) if _is_open(one)], [])
    health = _health(config)
    if args.json:
        print(json.dumps({"jobs": jobs, "incidents": opened, "health": health}))
        return 0
    for row in jobs:
        print(printable_lines(_job_line(row)))
    for one in opened:
        print(printable(_incident_line(one)))
    print(printable(_health_line(config, health)))
    return 0


def incidents(args: argparse.Namespace) -> int:
    """The newest incidents, or one with its trail."""
    config = configured(args)
    _check_job(config, args.job)
    if args.id:
        found = asked(config, lambda query: _incident(config, query, args.id), None)
        if found is None:
            raise UseError(f"unknown incident {args.id[:100]!r}; `streamgauge incidents` lists them")
        print(json.dumps(found) if args.json else _incident_text(found))
        return 0
    rows = asked(config, lambda query: query.incidents(args.job or None, 0.0, FOREVER, args.limit), [])
    rows = [one for one in rows if _is_open(one)] if args.open else rows
    if args.json:
        print(json.dumps(rows))
        return 0
    for one in rows:
        print(printable(_incident_line(one)))
    print(f"{len(rows)} incidents", file=sys.stderr)
    return 0


def _incident(config: Config, query: Query, name: str) -> dict[str, Any] | None:
    """One incident, with the places at which it may have begun."""
    found = query.incident(name)
    job = next((job for job in config.jobs if found and job.name == found["job"]), None)
    if found is None or job is None:
        return found
    root, window = found["root"], min(spec.length for spec in job.windows)
    end = root["end"] or found["last"]
    confirmed = confirmations.confirmed(confirmations.words(query.changes(job.name, 0.0, FOREVER)))
    rows = [root, *query.anomalies(job.name, root["start"] - window, end)]
    edges = causes.topology_seen(job, rows, confirmed).edges
    ranked = causes.causes_of(query, found, edges, end, window=window)
    return found | {"causes": [one._asdict() for one in ranked]}


def silences(args: argparse.Namespace) -> int:
    """The silences that hold now; `--end ID` ends one."""
    config = configured(args)
    _check_job(config, args.job)
    bus = acting.bus_of(config)
    now = acting.now_of(config, bus)
    jobs = [job.name for job in config.jobs if args.job in ("", job.name)]
    found = [one for job in jobs for one in _silences(config, job, now)]
    if args.end:
        return _end(bus, found, args.end, now)
    if args.json:
        print(json.dumps(found))
        return 0
    for one in found:
        print(printable(f"{one['id']}  {one['job']}  until {_time(one['until'])}  {one['matchers']}"))
    print(f"{len(found)} silences hold", file=sys.stderr)
    return 0


def _end(bus: Any, found: Iterable[Mapping[str, Any]], name: str, now: float) -> int:
    """A silence of the same id that is over at once takes its place."""
    known = {one["id"]: one for one in found}
    if name not in known:
        raise UseError(f"no silence {name[:100]!r} holds now{suggestion(name, known)}")
    one = known[name]
    start = max(now, one["since"]) + 0.001
    actions.silence(bus, one["job"], [actions.matcher_of(f"job={one['job']}")], start, start + 0.001, name=name)
    print(printable(f"silence {name} is ended"))
    return 0


def _silences(config: Config, job: str, now: float) -> list[dict[str, Any]]:
    """The last word of each silence of a job, if it holds."""
    changes: list[dict[str, Any]] = asked(config, lambda query: query.changes(job, 0.0, FOREVER), [])
    last: dict[str, dict[str, Any]] = {}
    for change in changes:
        told = _SILENCE.match(change["text"]) if change["name"] == "silence" else None
        if told is not None:
            until = datetime.datetime.fromisoformat(told[2]).timestamp()
            last[told[1]] = {
                "id": told[1], "job": job, "since": change["time"], "until": until, "matchers": told[3],
            }  # fmt: skip
    return [one for one in last.values() if one["until"] > now]


def asked(config: Config, ask: Callable[[Query], Any], nothing: Any) -> Any:
    """What the store says; `nothing` where there is none yet."""
    if not stores.is_there(config):
        return nothing
    with stores.reading(config) as query:
        return ask(query)


def _health(config: Config) -> dict[str, Any] | None:
    """What the running process says of itself, None where none answers."""
    host = "127.0.0.1" if config.host in ("0.0.0.0", "::") else config.host
    request = urllib.request.Request(f"http://{host}:{config.port}/api/health")
    token = os.environ.get("STREAMGAUGE_TOKEN", "")
    if config.token_file and Path(config.token_file).is_file():
        token = Path(config.token_file).read_text(encoding="utf-8").strip()
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE) as response:
            found: dict[str, Any] = json.load(response)
            return found
    except (OSError, ValueError):
        return None


def _job_line(row: Mapping[str, Any]) -> str:
    if "score" not in row:
        return f"{row['job']:<20} no score yet; the first comes with the first closed window"
    is_learning = row["band"] == "learning"  # a number would say that it is well
    score = f"{'-' if is_learning else format(row['score'], '.1f'):>5}"
    shown = [one for one in row["domains"] if not (is_learning and one["band"] in ("healthy", "watch"))]
    domains = "".join(f"{one['domain']} {one['score']:.0f}  " for one in shown)
    opened = f"{row['open_incidents']} open, {row['suppressed']} folded" if row["open_incidents"] else "nothing open"
    until = f"data until {_time(row['last_data'])}"
    line = f"{row['job']:<20} {score} {row['band']:<9} {domains}{opened}  {until}"
    phase = row.get("warm_up", {}).get("phase")
    given = row.get("reference")
    line += f"\n{'':<20} reference since {_time(given['time'])}: {given['text']}" if given else ""
    return line + (f"\n{'':<20} {phase}: {_UNTIL[phase]} {_time(row['warm_up']['until'])}" if phase in _UNTIL else "")


def _incident_line(one: Mapping[str, Any]) -> str:
    root = one["root"]
    state = "over" if one["status"] == "resolved" else "OPEN"
    folded = f"  ({len(one['suppressed'])} folded)" if one["suppressed"] else ""
    what = root["text"] or root["metric"]
    return f"{state}  {one['id']}  {_time(root['start'])}  {one['job']}  {root['node']}: {what}{folded}"


def _incident_text(one: Mapping[str, Any]) -> str:
    lines = [_incident_line(one), "", *(one["latest"] or one["text"]).split("\n"), ""]
    lines += [f"  {_time(told['time'])}  {told['status']}: {told['reason']['text']}" for told in one["trail"]]
    ranked = one.get("causes", ())
    lines += ["", "where it may have begun:"] if ranked else []
    lines += [f"  {number}. {_cause_line(cause)}" for number, cause in enumerate(ranked, 1)]
    return "\n".join(map(printable, lines))


def _cause_line(one: Mapping[str, Any]) -> str:
    if one["is_paged"]:
        upstream = "nothing anomalous lies upstream" if one["is_root"] else "what was paged"
        return f"{one['node']}: {one['metric']}, {upstream}"
    alike = "" if one["correlation"] is None else f", correlation {one['correlation']:.2f}"
    when = f"{abs(one['lag']):.0f} s {'before' if one['lag'] >= 0 else 'after'} the paged one"
    learnt = f" (a learnt edge that nobody has confirmed: {one['learnt']})" if one["learnt"] else ""
    return f"{one['node']}: {one['text'] or one['metric']}, {when}{alike}, {' -> '.join(one['path'])}{learnt}"


def _health_line(config: Config, health: Mapping[str, Any] | None) -> str:
    if health is None:
        return f"no pipeline answers at {config.host}:{config.port}; this is what the store in {config.data} holds"
    lags = health["lags"]
    waiting = "the log is silent" if lags is None else ", ".join(f"{name} {lag}" for name, lag in lags.items())
    state = "ready" if health["ready"] else f"not ready: {'; '.join(health['unready'])}"
    return f"{state}; messages waiting: {waiting}"


def _is_open(one: Mapping[str, Any]) -> bool:
    return bool(one["status"] != "resolved")


def _check_job(config: Config, name: str) -> None:
    known = [job.name for job in config.jobs]
    if name and name not in known:
        raise UseError(f"unknown job {name!r}{suggestion(name, known)}")


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%MZ")

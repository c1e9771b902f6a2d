"""What was found, paged and suppressed, held against the truth file: the table at the end of the demo, and its JSON.

A notification explains an incident when domain, place and worker agree and its root began within the incident or 48
hours after its end. The delay is counted in 3 h windows in which a fault-free run has rows of the incident's airport.
"""

from __future__ import annotations

import datetime
import zoneinfo
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from streamgauge.examples.flights.columns import AIRPORTS, ZONE, Floats
from streamgauge.examples.flights.truth import Incident, Natural, Truth, seconds

WINDOW: Final = 3 * 3600.0
AFTER: Final = 48 * 3600.0
_LISTED: Final = 5  # folded alerts of a notification in the table; the JSON has all
_NY: Final = zoneinfo.ZoneInfo(ZONE)


class Paged(NamedTuple):
    """One root notification, as the store tells it."""

    id: str
    time: float
    start: float
    domain: str
    entity: str  # of the node, so never empty
    worker: str
    text: str
    suppressed: int
    folded: tuple[str, ...] = ()  # each with the way on which it follows from the root


def paged(incidents: Sequence[dict[str, Any]]) -> list[Paged]:
    """The root notifications among the store's incidents that page, in order of time: tickets wake nobody."""
    roots = []
    for incident in incidents:
        entity, _, worker = incident["root"]["node"].partition("@")
        root = incident["root"]
        if root["severity"] not in ("page", "page-now"):
            continue
        roots.append(
            Paged(
                incident["id"], incident["time"], root["start"], root["domain"], entity, worker, incident["text"],
                len(incident["suppressed"]), tuple(_folded(item) for item in incident["suppressed"]),
            )
        )
    return sorted(roots, key=lambda page: (page.time, page.id))


def build(
    truth: Truth, pages: Sequence[Paged], times: dict[str, Floats], begin: float, end: float, counts: dict[str, Any],
    pushes: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:  # fmt: skip
    """The report: `times` are the fault-free sample times by airport, [begin, end) what was replayed.

    `pushes` are the gate's answers, one for each model that was to be pushed.
    """
    declared = [item for item in truth.incident if begin <= seconds(item.start) < end]
    natural = [item for item in truth.natural if begin <= seconds(item.start) < end]
    labels = {page.id: _explain(page, declared, natural) for page in pages}
    names = [item.name for item in declared] + [event.name for event in natural]
    found = {name: [page for page in pages if labels[page.id] == name] for name in names}
    forbidden = {item.name for item in natural if item.expect == "must-not"}
    unexplained = [page for page in pages if labels[page.id] is None or labels[page.id] in forbidden]
    awaited = {item.name for item in declared} | {item.name for item in natural if item.expect == "must"}
    rest = [page for page in pages if labels[page.id] not in awaited]
    return {
        "from": _local(begin),
        "to": _local(end),
        "incidents": [_incident(item, found[item.name], times) for item in declared],
        "natural": [
            {"name": item.name, "expect": item.expect, "is_late": item.is_late,
             "found": [_local(page.time) for page in found[item.name]]}
            for item in natural
        ],
        "notifications": [
            {"id": page.id, "time": _local(page.time), "start": _local(page.start), "root": _place(page),
             "suppressed": page.suppressed, "folded": list(page.folded), "matches": labels[page.id], "text": page.text}
            for page in pages
        ],
        "unexplained": len(unexplained),
        "rest_per_14_days": len(rest) / max((end - begin) / 86400 / 14, 1e-9),
        "rest_most_in_14_days": _most(rest, 14 * 86400.0),
        "records": _records(counts),
        "pushes": [
            {"time": _local(push["at"]), "answer": push["answer"], "reasons": list(push["reasons"])} for push in pushes
        ],
    }  # fmt: skip


def table(report: dict[str, Any]) -> str:
    """The same for a person."""
    lines = [f"Flights, {report['from']} to {report['to']}", "", "Injected incidents"]
    lines += [_incident_line(item) for item in report["incidents"]] or ["  none"]
    lines += ["", "In the data itself"]
    for item in report["natural"]:
        name = item["name"] + (" (declared later)" if item["is_late"] else "")
        lines.append(f"  {item['expect']:<9} {name:<55} {', '.join(item['found']) or '-'}")
    lines += [] if report["natural"] else ["  none"]
    lines += ["", "Notifications"]
    for page in report["notifications"]:
        lines.append(f"  {page['time']}  {page['root']:<34} {page['suppressed']:>3} folded   "
                     f"{page['matches'] or 'UNEXPLAINED'}")  # fmt: skip
        lines += [f"    - {folded}" for folded in page["folded"][:_LISTED]]
        more = len(page["folded"]) - _LISTED
        lines += [f"    - and {more} more"] if more > 0 else []
    lines += [] if report["notifications"] else ["  none"]
    lines += _pushed(report["pushes"])
    rate = f"{report['rest_per_14_days']:.2f} per 14 days beside the declared ones, {report['unexplained']} unexplained"
    return "\n".join([*lines, "", rate, _records_line(report["records"])])


def _pushed(pushes: Sequence[dict[str, Any]]) -> list[str]:
    r"""What the gate said of the models, and why it held some.

    >>> held = {"time": "2013-02-27 00:00", "answer": "hold", "reasons": ["open: PAGE NOW [flights] model at JFK"]}
    >>> print("\n".join(_pushed([held, {"time": "2013-02-28 00:00", "answer": "pass", "reasons": []}])).strip())
    Model pushes, one a day: 1 pass, 1 held, 0 unknown
      2013-02-27 00:00  held  open: PAGE NOW [flights] model at JFK
    """
    if not pushes:
        return []
    counted = Counter(push["answer"] for push in pushes)
    said = f"{counted['pass']} pass, {counted['hold']} held, {counted['unknown']} unknown"
    held = [push for push in pushes if push["answer"] == "hold"]
    return ["", f"Model pushes, one a day: {said}", *(f"  {one['time']}  held  {one['reasons'][0]}" for one in held)]


def is_good(report: dict[str, Any]) -> bool:
    """Whether every injected incident and every `must` was found once, in time, and nothing unexplained was paged."""
    must = [item for item in report["natural"] if item["expect"] == "must"]
    return (
        all(item["found"] and item["delay_windows"] <= 2 for item in report["incidents"])
        and all(len(item["found"]) == 1 for item in must)
        and report["unexplained"] == 0
    )


def _incident_line(item: dict[str, Any]) -> str:
    start = item["truth"]["start"][:16].replace("T", " ")
    mark = "found" if item["found"] else ("NOT FOUND" if not item["pages"] else f"{item['pages']} pages, wanted 1")
    windows = "1 window" if item["delay_windows"] == 1 else f"{item['delay_windows']} windows"
    delay = f"after {windows}, {item['suppressed']} folded" if item["pages"] else ""
    return f"  {start}  {item['truth']['name']:<45} {mark:<16} {delay}".rstrip()


def _records(counts: dict[str, int]) -> dict[str, int]:
    """The job's counters in the words of the report."""
    rest = {name: count for name, count in counts.items() if name not in ("records", "late", "lost", "dead", "points")}
    main = {"in": "records", "points": "points", "late": "late", "dropped": "lost", "dead": "dead"}
    return {word: counts.get(name, 0) for word, name in main.items()} | rest


def _records_line(records: dict[str, int]) -> str:
    """One line; what is 0 without being asked for is left out.

    >>> _records_line({"in": 2232, "points": 150052, "late": 0, "dropped": 0, "dead": 0, "superseded": 3, "clamped": 0})
    'Records: 2,232 in with 150,052 points; 0 points late, 0 records dropped, 0 dead; superseded 3'
    """
    line = (
        f"Records: {records['in']:,} in with {records['points']:,} points; {records['late']:,} points late, "
        f"{records['dropped']:,} records dropped, {records['dead']:,} dead"
    )
    asked = ("in", "points", "late", "dropped", "dead")
    others = [f"{name} {count:,}" for name, count in records.items() if count and name not in asked]
    return "; ".join([line, *others])


def _folded(item: dict[str, Any]) -> str:
    """What an alert beneath a root shows, and how it follows: along the topology, or at the same place."""
    alert, reason = item["alert"], item["reason"]
    way = " -> ".join(reason["path"]) if len(reason["path"]) > 1 else reason["text"]
    entity = alert["entity"]
    of = "" if not entity or alert["node"].startswith(entity) else f" of {entity}"  # the node stands for many entities
    return f"{alert['node']} {alert['metric']}{of} ({way})"


def _explain(page: Paged, declared: Sequence[Incident], natural: Sequence[Natural]) -> str | None:
    for item in declared:
        inside = seconds(item.start) - WINDOW <= page.start < seconds(item.end) + AFTER
        if inside and page.domain == item.domain and page.worker == item.worker and _at(page.entity, item.nodes):
            return item.name
    for event in natural:
        begin = seconds(event.start)
        inside = begin - WINDOW <= page.start < begin + event.hours * 3600
        if inside and page.domain == event.domain and _at(page.entity, event.nodes):
            return event.name
    return None


def _at(entity: str, nodes: Sequence[str]) -> bool:
    return any(entity == node or entity.startswith(f"{node}:") for node in nodes)


def _incident(item: Incident, pages: Sequence[Paged], times: dict[str, Floats]) -> dict[str, Any]:
    first = pages[0] if pages else None
    airports = (item.airport,) if item.airport else AIRPORTS
    rows = np.concatenate([times[airport] for airport in airports])
    return {
        "truth": msgspec.to_builtins(item),
        "found": len(pages) == 1,
        "pages": len(pages),
        "delay_windows": windows_between(rows, seconds(item.start), first.time) if first else None,
        "suppressed": first.suppressed if first else 0,
        "text": first.text if first else "",
    }


def windows_between(rows: Floats, start: float, end: float) -> int:
    """How many 3 h windows that begin in (start - 3 h, end) have rows, counting the one in which `start` lies."""
    edges = [start + k * WINDOW for k in range(int(np.ceil(max(end - start, 1.0) / WINDOW)) + 1)]
    counts, _ = np.histogram(rows, edges)
    return int((counts > 0).sum())


def _most(pages: Sequence[Paged], span: float) -> int:
    times = [page.time for page in pages]
    return max((sum(t <= other < t + span for other in times) for t in times), default=0)


def _place(page: Paged) -> str:
    return f"{page.domain} {page.entity}" + (f" at {page.worker}" if page.worker else "")


def _local(time: float) -> str:
    return datetime.datetime.fromtimestamp(time, _NY).strftime("%Y-%m-%d %H:%M")



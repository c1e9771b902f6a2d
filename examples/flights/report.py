"""What was found, paged and suppressed, held against the truth file: the table at the end of the demo, and its JSON.

A notification explains an incident when domain, place and worker agree and its root began within the incident or 48
hours after its end. The delay is counted in 3 h windows in which a fault-free run has rows of the incident's airport.
"""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from examples.flights.data import AIRPORTS, ZONE, Floats
from examples.flights.truth import Incident, Natural, Truth, seconds

WINDOW: Final = 3 * 3600.0
AFTER: Final = 48 * 3600.0
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


def paged(incidents: Sequence[dict[str, Any]]) -> list[Paged]:
    """The root notifications among the store's incidents, in order of time."""
    roots = []
    for incident in incidents:
        entity, _, worker = incident["root"]["node"].partition("@")
        root = incident["root"]
        roots.append(
            Paged(
                incident["id"], incident["time"], root["start"], root["domain"], entity, worker, incident["text"],
                len(incident["suppressed"]),
            )
        )
    return sorted(roots, key=lambda page: (page.time, page.id))


def build(
    truth: Truth, pages: Sequence[Paged], times: dict[str, Floats], begin: float, end: float, counts: dict[str, Any]
) -> dict[str, Any]:
    """The report: `times` are the fault-free sample times by airport, [begin, end) what was replayed."""
    declared = [item for item in truth.incident if begin <= seconds(item.start) < end]
    natural = [item for item in truth.natural if begin <= seconds(item.start) < end]
    labels = {page.id: _explain(page, declared, natural) for page in pages}
    names = [item.name for item in declared] + [event.name for event in natural]
    found = {name: [page for page in pages if labels[page.id] == name] for name in names}
    forbidden = {item.name for item in natural if item.expect == "must-not"}
    unexplained = [page for page in pages if labels[page.id] is None or labels[page.id] in forbidden]
    rest = [page for page in pages if labels[page.id] not in {item.name for item in declared}]
    return {
        "from": _local(begin),
        "to": _local(end),
        "incidents": [_incident(item, found[item.name], times) for item in declared],
        "natural": [
            {"name": item.name, "expect": item.expect, "found": [_local(page.time) for page in found[item.name]]}
            for item in natural
        ],
        "notifications": [
            {"id": page.id, "time": _local(page.time), "root": _place(page), "suppressed": page.suppressed,
             "matches": labels[page.id], "text": page.text}
            for page in pages
        ],
        "unexplained": len(unexplained),
        "rest_per_14_days": len(rest) / max((end - begin) / 86400 / 14, 1e-9),
        "rest_most_in_14_days": _most(rest, 14 * 86400.0),
        "records": counts,
    }


def table(report: dict[str, Any]) -> str:
    """The same for a person."""
    lines = [f"Flights, {report['from']} to {report['to']}", "", "Injected incidents"]
    for item in report["incidents"]:
        mark = "found" if item["found"] else ("NOT FOUND" if not item["pages"] else f"{item['pages']} pages, wanted 1")
        delay = f"after {item['delay_windows']} window(s), {item['suppressed']} folded" if item["pages"] else ""
        lines.append(f"  {item['truth']['start']}  {item['truth']['name']:<45} {mark:<16} {delay}")
    lines += ["", "In the data itself"]
    for item in report["natural"]:
        when = ", ".join(item["found"]) or "-"
        lines.append(f"  {item['expect']:<9} {item['name']:<55} {when}")
    lines += ["", "Notifications"]
    for page in report["notifications"]:
        matches = page["matches"] or "UNEXPLAINED"
        lines.append(f"  {page['time']}  {page['root']:<34} {page['suppressed']:>3} folded   {matches}")
    counts = ", ".join(f"{name} {value}" for name, value in report["records"].items())
    rate = f"{report['rest_per_14_days']:.2f} per 14 days beside the injected ones, {report['unexplained']} unexplained"
    return "\n".join([*lines, "", rate, f"Records: {counts}"])


def is_good(report: dict[str, Any]) -> bool:
    """Whether every injected incident and every `must` was found once, in time, and nothing unexplained was paged."""
    must = [item for item in report["natural"] if item["expect"] == "must"]
    return (
        all(item["found"] and item["delay_windows"] <= 2 for item in report["incidents"])
        and all(len(item["found"]) == 1 for item in must)
        and report["unexplained"] == 0
    )


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
        "truth": {"name": item.name, "start": str(item.start), "end": str(item.end), "domain": item.domain,
                  "nodes": list(item.nodes), "worker": item.worker},
        "found": len(pages) == 1,
        "pages": len(pages),
        "delay_windows": windows_between(rows, seconds(item.start), first.time) if first else None,
        "suppressed": first.suppressed if first else 0,
        "text": first.text if first else "",
    }  # fmt: skip


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



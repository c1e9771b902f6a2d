"""The truth file: what was injected and what nature did, read by the fault injector and the report only."""

from __future__ import annotations

import datetime
import pathlib
import tomllib
import zoneinfo
from typing import Final, Literal

import msgspec

from streamgauge.examples.flights.columns import ZONE

PATH: Final = pathlib.Path(__file__).with_name("truth.toml")
_NY: Final = zoneinfo.ZoneInfo(ZONE)
Fault = Literal["tail_join", "hold_labels", "learning_rate", "stall", "duplicate"]


class Incident(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One injected fault. Times are naive and local to New York."""

    name: str
    fault: Fault
    airport: str  # "": all of them
    start: datetime.datetime
    end: datetime.datetime
    repair: str
    domain: str
    nodes: tuple[str, ...]
    worker: str
    folds: tuple[str, ...] = ()


class Natural(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One event of the real data: must, may or must-not page."""

    name: str
    expect: Literal["must", "may", "must-not"]
    start: datetime.datetime
    hours: float
    domain: str
    nodes: tuple[str, ...]
    is_late: bool = False  # declared only after a replay had paged it; the report says so


class Truth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    incident: tuple[Incident, ...] = ()
    natural: tuple[Natural, ...] = ()


def load(path: pathlib.Path = PATH) -> Truth:
    """Read a truth file."""
    with path.open("rb") as file:
        return msgspec.convert(tomllib.load(file), Truth)


def seconds(local: datetime.datetime) -> float:
    """A naive New York time as seconds since the epoch."""
    return local.replace(tzinfo=_NY).timestamp()


def active(truth: Truth, airport: str, start: float, end: float) -> tuple[Fault, ...]:
    """The faults that are in force at an airport during [start, end)."""
    return tuple(
        incident.fault
        for incident in truth.incident
        if incident.airport in ("", airport) and seconds(incident.start) < end and start < seconds(incident.end)
    )

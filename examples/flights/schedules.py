"""Draws a schedule of incidents: the truth file's own five faults at other airports, on other days, in another order.

What a schedule obeys: each start is on a working day between 09:00 and 12:00 local, with at least 14 days of history;
five whole days lie between the end of one and the start of the next; no listed event of the data is nearer than a day.
"""

from __future__ import annotations

import datetime
import itertools
import random
from collections.abc import Collection, Iterable, Sequence
from typing import Final

import msgspec

from streamgauge.examples.flights.columns import AIRPORTS
from streamgauge.examples.flights.truth import Incident, Truth

HISTORY: Final = datetime.timedelta(days=14)
APART: Final = datetime.timedelta(days=5)
AWAY: Final = datetime.timedelta(days=1)
_HOURS: Final = (9, 10, 11, 12)
_TRIES: Final = 100_000


def draw(
    chance: random.Random, known: Truth, begin: datetime.datetime, end: datetime.datetime,
    holidays: Collection[datetime.date] = (),
) -> Truth:  # fmt: skip
    """The faults of `known` at drawn places and times in [begin, end), with its natural events.

    >>> day = datetime.datetime(2013, 1, 1)
    >>> fault = Incident(name="stall of EWR", fault="stall", airport="EWR", start=day, end=day + AWAY, repair="",
    ...     domain="system", nodes=("watermark",), worker="EWR")
    >>> drawn = draw(random.Random(3), Truth((fault,)), day, day + 40 * AWAY).incident[0]
    >>> drawn.name, str(drawn.start), drawn.end - drawn.start == AWAY
    ('stall of LGA', '2013-02-05 09:00:00', True)

    Raises:
        ValueError: no such schedule was found; the range is too short or too full of storms.
    """
    order = chance.sample(known.incident, len(known.incident))
    days = [day for day in _days(begin + HISTORY, end) if day.date() not in holidays]
    for _ in range(_TRIES if len(days) >= len(order) else 0):
        starts = sorted(chance.sample(days, len(order)))
        drawn = tuple(_moved(chance, item, day) for item, day in zip(order, starts, strict=True))
        if _is_apart(drawn) and all(_is_calm(item, known) for item in drawn) and drawn[-1].end + AWAY <= end:
            return msgspec.structs.replace(known, incident=drawn)
    raise ValueError(f"no schedule of {len(order)} incidents found in {begin:%Y-%m-%d} to {end:%Y-%m-%d}: widen it")


def dumps(truth: Truth) -> str:
    """A truth file with this content."""
    return "\n".join(
        _table(name, msgspec.to_builtins(item, builtin_types=(datetime.datetime,)))
        for name, items in (("incident", truth.incident), ("natural", truth.natural))
        for item in items
    )


def _days(begin: datetime.datetime, end: datetime.datetime) -> list[datetime.datetime]:
    """The working days that begin at or after `begin`."""
    first = begin.replace(hour=0, minute=0, second=0, microsecond=0)
    first += datetime.timedelta(days=first < begin)
    days = (first + datetime.timedelta(days=k) for k in range((end - first).days))
    return [day for day in days if day.weekday() < 5]


def _moved(chance: random.Random, item: Incident, day: datetime.datetime) -> Incident:
    """The same fault on another day at another airport, if it is one of an airport."""
    start = day.replace(hour=chance.choice(_HOURS))
    airport = chance.choice(AIRPORTS) if item.airport else ""

    def renamed(text: str) -> str:
        return text.replace(item.airport, airport) if item.airport else text

    return msgspec.structs.replace(
        item, name=renamed(item.name), airport=airport, start=start, end=start + (item.end - item.start),
        repair=renamed(item.repair), worker=airport, folds=tuple(renamed(text) for text in item.folds),
    )  # fmt: skip


def _is_apart(drawn: Sequence[Incident]) -> bool:
    return all(later.start - earlier.end >= APART for earlier, later in itertools.pairwise(drawn))


def _is_calm(item: Incident, known: Truth) -> bool:
    """Whether nature does nothing listed, holidays included, from a day before to a day after."""
    return not any(
        item.start - AWAY < event.start + datetime.timedelta(hours=event.hours) and event.start < item.end + AWAY
        for event in known.natural
    )


def _table(name: str, fields: dict[str, object]) -> str:
    lines = [f"{key} = {_value(value)}" for key, value in fields.items()]
    return "\n".join([f"[[{name}]]", *lines, ""])


def _value(value: object) -> str:
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return msgspec.json.encode(value).decode()  # a JSON string is a TOML one
    if isinstance(value, Iterable):
        return f"[{', '.join(_value(part) for part in value)}]"
    return repr(value)

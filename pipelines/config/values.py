"""What single values of a configuration must be: names, dates, time zones, numbers above zero."""

from __future__ import annotations

import datetime
import re
import zoneinfo
from collections import Counter
from collections.abc import Iterable, Iterator

from streamgauge.pipelines.config.faults import Fault, suggestion
from streamgauge.tracer.bounds import MAX_NAME

_JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def zone_faults(path: str, name: str) -> Iterator[Fault]:
    """A time zone that no database has."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = zoneinfo.available_timezones()
        hint = suggestion(name, known) if known else ""
        yield Fault(path, f"unknown time zone {name!r}{hint if 'did you mean' in hint else '; write UTC or Area/City'}")


def date_faults(path: str, text: str) -> Iterator[Fault]:
    """A text that is no ISO date."""
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        yield Fault(path, f'must be a date such as "2013-12-25", got {text!r}')


def name_faults(path: str, name: str) -> Iterator[Fault]:
    """A name that is empty, too long or not printable."""
    if not 0 < len(name) <= MAX_NAME or not name.isprintable():
        yield Fault(path, f"must have 1-{MAX_NAME} printable characters, got {name[:60]!r}")


def positive(path: str, value: float) -> Iterator[Fault]:
    """A number that is not above zero."""
    if value <= 0:
        yield Fault(path, f"must be above 0, got {value:g}")


def repeated(path: str, what: str, names: Iterable[str]) -> Iterator[Fault]:
    """Names that are there more than once."""
    for name, count in Counter(names).items():
        if count > 1:
            yield Fault(path, f"{what} {name!r} is there {count} times; names must be unique")


def job_name_faults(path: str, name: str) -> Iterator[Fault]:
    """A job's name that cannot be part of a key, an address or a label."""
    if not _JOB_NAME.fullmatch(name):
        yield Fault(path, f"must be 1-100 letters, digits, '.', '_', '-', got {name!r}")

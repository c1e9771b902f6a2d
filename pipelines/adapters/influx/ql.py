"""InfluxQL, the subset that InfluxDB 1.x, 2.x and 3 Core share, from values that nobody has to trust; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from streamgauge.pipelines.adapters.influx.lines import nanoseconds, stored_name

_FARTHEST: Final = 9.1e9  # seconds: a bound beyond the times that a store can keep bounds nothing
# Texts are stored with blanks for control characters, so they are looked for with blanks.
_QUOTED: Final = str.maketrans({chr(code): " " for code in (*range(32), 127)} | {"\\": "\\\\", "'": "\\'"})


def text(value: str) -> str:
    r"""A string literal.

    >>> print(text("it's"))
    'it\'s'
    """
    return f"'{value.translate(_QUOTED)}'"


def tags(equal: Mapping[str, str]) -> str:
    """The condition that tags stand for these names.

    >>> print(tags({"job": "ctr", "worker": ""}))
    "job" = 'ctr' AND "worker" = '-'
    """
    return " AND ".join(f'"{name}" = {text(stored_name(value))}' for name, value in equal.items())


def among(field: str, values: Iterable[str]) -> str:
    """The condition that a text field has one of these values, at least one.

    >>> print(among("root", ["a", "b"]))
    ("root" = 'a' OR "root" = 'b')
    """
    either = " OR ".join(f'"{field}" = {text(value)}' for value in values)
    return f"({either})"


def since(seconds: float) -> str:
    """The condition that the time is not before this one."""
    return f"time >= {bound(seconds)}"


def before(seconds: float) -> str:
    """The condition that the time is before this one."""
    return f"time < {bound(seconds)}"


def until(seconds: float) -> str:
    """The condition that the time is not after this one."""
    return f"time <= {bound(seconds)}"


def bound(seconds: float) -> int:
    """A time in nanoseconds; beyond what can be stored, the last that can.

    >>> bound(1.5), bound(float("inf")) == bound(1e12)
    (1500000000, True)
    """
    return nanoseconds(min(max(seconds, -_FARTHEST), _FARTHEST))


def within(field: str, most: float) -> str:
    """The condition that a number is not beyond `most` on either side: no server can answer a sum that overflows."""
    return f'"{field}" >= -{most:.1f} AND "{field}" <= {most:.1f}'


def number(value: float) -> str:
    """A number literal, without an exponent."""
    return f"{min(max(value, -_FARTHEST), _FARTHEST):.9f}"

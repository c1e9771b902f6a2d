"""What Grafana does to a query before it sends it: variables with their escape, the time filter, the interval."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

Chosen = str | Sequence[str]  # one value, several, or ALL
ALL: Final = "$__all"
_SPECIAL: Final = re.compile(r"[\\^$*+?.()|\[\]{}/]")  # what Grafana's escape for regular expressions puts a \ before
_VARIABLE: Final = re.compile(r"\$\{(\w+)(?::(\w+))?\}")


def interpolated(query: str, chosen: Mapping[str, Chosen], start: float, end: float, interval: str = "1m") -> str:
    """The query as the server gets it; seconds."""
    text = query.replace("$timeFilter", f"time >= {round(start * 1e3)}ms and time <= {round(end * 1e3)}ms")
    text = text.replace("$__interval", interval)
    return _VARIABLE.sub(lambda found: _formatted(chosen[found[1]], found[2]), text)


def escaped(value: str) -> str:
    """A value as part of a regular expression."""
    return _SPECIAL.sub(r"\\\g<0>", value)


def _formatted(value: Chosen, how: str | None) -> str:
    if how != "regex":
        raise AssertionError(f"only the regex format is safe in a query, got {how}")
    if value == ALL:
        return ".*"  # the custom all value, as it is
    if isinstance(value, str):
        return escaped(value)
    return escaped(value[0]) if len(value) == 1 else f"({'|'.join(map(escaped, value))})"

"""The single values of a tracer's calls."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from streamgauge.tracer.inputs import Refusal, array_of

LONGEST: Final = 2_000  # characters of a text
CONFIGURED: Final = "configured"  # the event that tells what a run is configured with
LONGEST_VALUE: Final = 200
_EVENT: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")


def event_name(value: Any) -> str:
    """The name of an event. Raises Refusal for one that could not be asked for."""
    if not isinstance(value, str) or not _EVENT.fullmatch(value):
        raise Refusal(f"an event is named by 1-60 of a-z, 0-9, '_' and '-', got {str(value)[:100]!r}; write pushed")
    return value


def text(value: Any) -> str:
    """Text as it may travel: what UTF-8 can write, at most 2,000 characters.

    >>> text("v7"), text(7), text(chr(0xDC80))
    ('v7', '7', '?')
    """
    return str(value)[:LONGEST].encode("utf-8", "replace").decode()


def configuration(values: Any) -> str:
    """Names and values as JSON; of a configuration that is too long for an event the last names are left out.

    Raises Refusal for what has no names.

    >>> configuration({"rate": np.float32(0.5), "layers": (8, 1), "decay": float("nan")})
    '{"rate": 0.5, "layers": "(8, 1)", "decay": "nan"}'
    """
    named = values if isinstance(values, Mapping) else getattr(values, "__dict__", None)
    if named is None:
        raise Refusal(f"a configuration is a mapping of names, got {type(values).__name__}; write {{'rate': 0.01}}")
    kept, size = dict[str, Any](), 0
    for name, value in named.items():
        one = {str(name)[:LONGEST_VALUE]: _plain(value)}
        size += len(json.dumps(one))
        if size > LONGEST:
            break
        kept |= one
    return json.dumps(kept)


def _plain(value: Any) -> Any:
    """A number, a truth or a short text."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)[:LONGEST_VALUE]


def number(value: Any) -> float:
    """One number, such as a loss of any library. Raises whatever is wrong with it."""
    return float(array_of(value).reshape(())) if hasattr(value, "shape") and np.size(value) == 1 else float(value)


def count(value: Any) -> int:
    """A number of rows. Raises Refusal for a negative one."""
    found = int(value)
    if found < 0:
        raise Refusal(f"{found} rows; give a count")
    return found

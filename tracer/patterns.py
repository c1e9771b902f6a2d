"""Regular expressions that come over the bus: refused where matching could take for ever; pure."""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 512
MAX_REPEATS: Final = 3  # unbounded repeats in one pattern: matching costs len(name)^repeats at worst


def fault_of_pattern(pattern: str) -> str:
    """Why an expression is not matched at all, or ""."""
    if len(pattern) > LONGEST:
        return f"has {len(pattern)} characters, at most {LONGEST} are allowed"
    try:
        re.compile(pattern)
    except re.error as error:
        return f"is no regular expression: {error}"
    return _fault_of_repeats(re.sub(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", "x", pattern))


def _fault_of_repeats(pattern: str) -> str:
    """Catastrophic backtracking, refused by shape. `pattern` has its escapes and character classes replaced."""
    inside = [False]  # by open group: does it repeat or choose?
    unbounded = 0
    for i, character in enumerate(pattern):
        following = pattern[i + 1 : i + 2]
        if character == "(":
            inside.append(False)
        elif character == ")" and len(inside) > 1:
            risky = inside.pop()
            if risky and following and following in "*+{":
                return "repeats a group that repeats or chooses inside: matching it could take for ever"
            inside[-1] = inside[-1] or risky
        elif character in "*+{":
            unbounded += 1
            inside[-1] = True
        elif character == "|":
            inside[-1] = True
    return f"has {unbounded} repeats, at most {MAX_REPEATS} are allowed" if unbounded > MAX_REPEATS else ""

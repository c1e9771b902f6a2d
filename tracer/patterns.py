"""Regular expressions that come over the bus: refused where matching could take for ever; pure.

What an expression costs at worst is in how many ways it can match one text, since Python's `re` tries them one by one:
`(.?){30}=` has 2^30. They are counted in the parsed expression, an unbounded repeat as 32; what can match in more than
2^15 ways is refused, and a name of 60 characters is then searched in some 10 ms at worst.
"""

from __future__ import annotations

import importlib
import math
import re
import sys
from collections.abc import Iterable
from typing import Any, Final

# the standard library's own parser, under its name before and from Python 3.11 on
_IS_OLD: Final = sys.version_info < (3, 11)
_codes: Final[Any] = importlib.import_module("sre_constants" if _IS_OLD else "re._constants")
_parser: Final[Any] = importlib.import_module("sre_parse" if _IS_OLD else "re._parser")

LONGEST: Final = 512
UNBOUNDED: Final = 2.0**5  # ways of a repeat without a bound
MOST_WAYS: Final = UNBOUNDED**3


def fault_of_pattern(pattern: str) -> str:
    """Why an expression is not matched at all, or ""."""
    if len(pattern) > LONGEST:
        return f"has {len(pattern)} characters, at most {LONGEST} are allowed"
    try:
        re.compile(pattern)
        ways = _ways(_parser.parse(pattern))
    except (re.error, OverflowError, RecursionError) as error:
        return f"is no regular expression: {error}"
    if ways == math.inf:
        return "repeats a group that repeats or chooses inside: matching it could take for ever"
    if ways > MOST_WAYS:
        return "repeats or chooses too often: at most 3 repeats, 15 optional parts (`?`) or so many choices are allowed"
    return ""


def _ways(parsed: Iterable[tuple[Any, Any]]) -> float:
    """In how many ways a parsed expression can match one text at most; infinite where that grows with its length."""
    return math.prod(_ways_of(code, about) for code, about in parsed)


def _ways_of(code: Any, about: Any) -> float:
    """Of one part: what it is, and what the parser says about it."""
    if code is _codes.BRANCH:
        return sum(map(_ways, about[1]))
    if code is _codes.GROUPREF_EXISTS:
        return sum(_ways(one or ()) for one in about[1:])
    if code is _codes.SUBPATTERN:
        return _ways(about[-1])
    if code in (_codes.ASSERT, _codes.ASSERT_NOT):
        return _ways(about[1])
    if code is getattr(_codes, "ATOMIC_GROUP", None):
        return _ways(about)
    if code in (_codes.MAX_REPEAT, _codes.MIN_REPEAT, getattr(_codes, "POSSESSIVE_REPEAT", None)):
        return _ways_of_repeat(*about)
    return 1.0


def _ways_of_repeat(low: int, high: int, repeated: Iterable[tuple[Any, Any]]) -> float:
    inside = _ways(repeated)
    if high is _codes.MAXREPEAT or high >= _codes.MAXREPEAT:
        return UNBOUNDED if inside <= 1.0 else math.inf
    return min(UNBOUNDED, high - low + 1.0) * inside ** min(high, 64)

"""What is wrong in a configuration, told as its reader needs it: where, the value, the remedy; pure.

All faults of a file are told at once:

    ConfigError    the configuration cannot be used; `faults` names every reason
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import NamedTuple


class Fault(NamedTuple):
    """One thing wrong in a configuration: where, and what with its remedy."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class ConfigError(ValueError):
    """A configuration that cannot be used; `faults` names every reason."""

    def __init__(self, faults: Iterable[Fault], source: str = "") -> None:
        self.faults = tuple(faults)
        self.source = source
        super().__init__("\n".join(str(fault) for fault in self.faults))


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean ...?` if a known word is close, else what is known.

    >>> suggestion("wndows", ["windows", "pane"])
    '; did you mean windows?'
    """
    words = sorted(known)
    close = difflib.get_close_matches(word, words, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    shown = ", ".join(words[:12]) + (", ..." if len(words) > 12 else "")
    return f"; known are {shown}" if words else ""

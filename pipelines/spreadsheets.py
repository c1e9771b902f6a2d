"""What a cell of a CSV file may hold, so that a spreadsheet takes no text of others for a formula; pure."""

from __future__ import annotations

from typing import Any, Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would take for one at a cell's begin


def cell(value: Any) -> Any:
    """A value as a cell.

    >>> cell("=1+1"), cell(2.5), cell(None)
    ("'=1+1", 2.5, '')
    """
    if value is None:
        return ""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value

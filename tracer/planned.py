"""What the plans in force send, in words: each thing, how often and how much; pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from streamgauge.tracer.costs import bytes_of, cost_of
from streamgauge.tracer.selection import Entry, Select, Selection, matches

_FORMS: Final = {"stats": "statistics", "raw": "raw", "histogram": "histogram", "units": "by unit"}


def planned(selection: Selection, catalogue: Iterable[Entry], steps_s: float) -> str:
    """A line for each thing that is sent of what is known so far, and what all of it takes at so many steps a second.

    >>> from streamgauge.tracer.selection import Select, Selection
    >>> entries = [Entry(name="dense", collection="weights", shape=(4, 2), bytes=32)]
    >>> print(planned(Selection([Select(collection="weights", every=5)]), entries, 10.0))
    weights dense: statistics every 5 steps, about 64 bytes
    1 thing, about 128 bytes/s at 10 steps/s
    """
    if selection.off:
        return "a plan says off: nothing is sent"
    entries = sorted((e for e in catalogue if not e.unsupported), key=lambda one: (one.collection, one.name))
    lines = [
        f"{entry.collection} {entry.name}: {_FORMS[select.emit]} {_often(select, selection.thin)}, "
        f"about {_size(select, entry)}"
        for entry in entries
        for select in selection.selects
        if select.collection == entry.collection and matches(select, entry.name)
    ]
    cost = cost_of(selection.selects, entries, steps_s)
    things = f"{cost.matched} thing{'' if cost.matched == 1 else 's'}"
    return "\n".join([*lines, f"{things}, about {cost.bytes_s / selection.thin:.0f} bytes/s at {steps_s:g} steps/s"])


def _often(select: Select, thin: int) -> str:
    if select.when:
        return "of a batch whose loss is not finite"
    every = select.every * thin
    window = f" from step {select.first}" if select.first else ""
    window += f" up to step {select.last}" if select.last else ""
    return ("every step" if every == 1 else f"every {every} steps") + window


def _size(select: Select, entry: Entry) -> str:
    shown = Select(collection=select.collection, emit=select.emit, rows=select.rows)
    return f"{bytes_of(shown, entry):.0f} bytes"

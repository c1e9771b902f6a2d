"""How reasons read: durations and places in plain words, the same everywhere."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Final

from streamgauge.anomaly.suppression.topology import base_of, worker_of

_WORKERS: Final = ("heartbeat", "watermark")
_NAMES: Final = {
    "heartbeat": "worker", "watermark": "worker", "train": "training", "produce": "producer", "queue": "input queue",
    "restart": "restarts", "prediction": "predictions",
}  # fmt: skip
_UNITS: Final = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def duration(seconds: float) -> str:
    """A span of time in its two largest units.

    >>> duration(129600.0), duration(5400.0), duration(0.25), duration(-45.0)
    ('36 h', '1 h 30 min', '0 s', '-45 s')
    """
    if seconds < 0:
        return "-" + duration(-seconds)
    whole = float(round(seconds))
    units = _UNITS if whole >= 48 * 3600.0 else _UNITS[1:]
    for i, (size, name) in enumerate(units):
        if whole >= size:
            rest = units[i + 1] if i + 1 < len(units) else None
            minor = int(whole % size // rest[0]) if rest else 0
            return f"{int(whole // size)} {name}" + (f" {minor} {rest[1]}" if rest and minor else "")
    return "0 s"


def listed(names: Sequence[str], most: int) -> str:
    """The first names, and how many more there are.

    >>> listed(["a", "b"], 2), listed(["a", "b", "c"], 2)
    ('a, b', 'a, b and 1 more')
    """
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


@functools.lru_cache(maxsize=4096)
def place(node: str) -> str:
    """A node in words.

    >>> place("feature:tailnum@LGA"), place("labels"), place("watermark@EWR"), place("heartbeat")
    ('feature tailnum at LGA', 'labels of the whole job', 'worker EWR', 'the workers')
    """
    base, worker = base_of(node), worker_of(node)
    if base in _WORKERS:
        return f"worker {worker}" if worker else "the workers"
    return f"{entity(base)} at {worker}" if worker else f"{entity(base)} of the whole job"


def places(base: str, named: str, *, is_whole: bool) -> str:
    """A place at several workers, `named` in words: of the whole job if they are most of its workers.

    >>> places("model", "w0, w1", is_whole=True), places("watermark", "w0, w2", is_whole=False)
    ('model of the whole job (w0, w1)', 'workers w0, w2')
    """
    if base in _WORKERS:
        return f"all workers ({named})" if is_whole else f"workers {named}"
    return f"{entity(base)} of the whole job ({named})" if is_whole else f"{entity(base)} at {named}"


def entity(base: str) -> str:
    """A place in words, without its worker.

    >>> entity("feature:tailnum"), entity("train")
    ('feature tailnum', 'training')
    """
    return _NAMES.get(base, base.replace(":", " ", 1).replace("%40", "@"))


def lag(seconds: float) -> str:
    """How one onset lies to another.

    >>> lag(600.0), lag(0.0), lag(-60.0)
    ('10 min after it', 'at the same time', '1 min before it')
    """
    if abs(seconds) < 0.5:
        return "at the same time"
    return f"{duration(abs(seconds))} {'after' if seconds > 0 else 'before'} it"

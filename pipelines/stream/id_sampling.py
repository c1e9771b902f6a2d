"""How many ids a job's workers keep: one in a power of two that follows their rate, decided as a window closes; pure.

A choice holds from a pane on that is still to come. It is said as a change, which the service puts on `control` for all
workers (`streamgauge.tracer.id_sampling`); where they do not follow it is said again, after ever longer times.
"""

from __future__ import annotations

import math
import re
from typing import Final

import msgspec
import numpy as np

from streamgauge.pipelines.config.schema import JobConfig
from streamgauge.pipelines.metrics import Report
from streamgauge.pipelines.stream.view import JobView
from streamgauge.pipelines.wire.outputs import Change
from streamgauge.tracer.id_sampling import MOST
from streamgauge.tracer.summaries import Ids

NAME: Final = "ids"  # of the change
IDS: Final = 16_384  # of a job and pane: 262 kB, and a share of 1 % is known to 0.08 %
_LEAD: Final = 30.0  # seconds that workers have to read a choice, at least six panes
_FAR: Final = 8  # times too coarse until it gets finer
_SAID: Final = re.compile(r"one id in (\d+) is kept")


class Sampling(msgspec.Struct, array_like=True, frozen=True):
    """What holds for a job."""

    modulus: int = 1
    start: float = -math.inf  # of the first pane
    wait: float = 0.0  # seconds behind that until it is said again


def follow(now: Sampling, report: Report, view: JobView, config: JobConfig) -> Sampling:
    """What holds after a closed window."""
    if config.duplicate_modulus:
        return now
    rate, used = _ids(view, report.end - report.start)
    wanted = needed(rate * config.pane)
    changes = wanted > now.modulus or wanted * _FAR <= now.modulus
    is_unheard = used and used < now.modulus and report.start >= now.start + now.wait
    if not changes and not is_unheard:
        return now
    lead = max(_LEAD, 6.0 * config.pane)
    start = math.ceil((max(report.clock, report.end) + lead) / config.pane) * config.pane
    return Sampling(wanted if changes else now.modulus, start, lead if changes else 2.0 * now.wait)


def needed(ids: float) -> int:
    """The least power of two by which so many ids of a pane are not too many.

    >>> needed(500_000.0), needed(100.0)
    (32, 1)
    """
    modulus = 1
    while ids > IDS * modulus and modulus < MOST:
        modulus *= 2
    return modulus


def said(job: str, sampling: Sampling) -> Change:
    """A choice as it is shown."""
    text = f"one id in {sampling.modulus} is kept to find duplicates and new ids, by their rate"
    return Change(job=job, name=NAME, time=sampling.start, text=text)


def modulus_of(change: Change) -> int | None:
    """What a change says; None for one of something else."""
    found = _SAID.match(change.text) if change.name == NAME else None
    return int(found[1]) if found else None


def _ids(view: JobView, length: float) -> tuple[float, int]:
    """(ids a second of the busiest kind, the modulus that they were kept with; 0 for no ids)."""
    kinds = [*view.sketches(Ids, "train", "sample_id").values(), *view.sketches(Ids, "sample", "profile").values()]
    most = max((float(np.sum(ids.counts)) * ids.modulus for ids in kinds), default=0.0)
    return most / length, max((ids.modulus for ids in kinds), default=0)

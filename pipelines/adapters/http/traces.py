"""What is traced, as the workers report it: plans, status and catalogue from the compacted topics; JSON-ready."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from streamgauge.pipelines.ports import Bus
from streamgauge.tracer.control import PlanError, unpacked
from streamgauge.tracer.transport import Message

REPORTS: Final = ("status", "catalogue")  # topics whose values a tracer writes, JSON under job/worker


def traced_by(bus: Bus, job: str) -> dict[str, Any]:
    """Every plan of a job, and of each worker what it traces and what it could trace.

    `ids` is the share of the ids that the pipeline chose for all of them, None while it chose none.
    """
    asked = bus.latest("control")
    return {
        "ids": _read(asked.get(job, b"")),
        "plans": _of_job(asked, job),
        "status": _of_job(bus.latest("status"), job),
        "catalogue": _of_job(bus.latest("catalogue"), job),
    }


def report_of(message: Message) -> Any:
    """A worker's report as it wrote it, with its key's parts for one that cannot be read."""
    job, _, worker = message.key.partition("/")
    return _read(message.value) or {"job": job, "worker": worker, "fault": "unreadable"}


def _of_job(values: Mapping[str, bytes], job: str) -> list[Any]:
    mine = sorted(key for key in values if key.startswith(f"{job}/"))
    return [_read(values[key]) or {"job": job, "worker": key[len(job) + 1 :], "fault": "unreadable"} for key in mine]


def _read(value: bytes) -> dict[str, Any] | None:
    """JSON that somebody else wrote: any object is passed on, NaN and other non-objects are not."""
    try:
        return msgspec.json.decode(unpacked(value), type=dict[str, Any])
    except (msgspec.DecodeError, PlanError):
        return None

"""How far a job has come since its first window, for people: learning, young, grown, and until when; pure."""

from __future__ import annotations

from typing import Any

from streamgauge.anomaly.young import Phase, least, phase
from streamgauge.pipelines.config.schema import JobConfig


def phase_of(job: JobConfig, first: float, now: float) -> Phase:
    """The phase of a job whose first short window ended at `first`.

    >>> phase_of(JobConfig(name="ctr"), 60.0, 600.0)
    Phase(name='learning', until=1800.0)
    """
    short = next((spec for spec in job.windows if spec.kind == "short"), job.windows[0])
    return phase(first - short.length, now, least(short.length, short.slide), job.detection.warm_up)


def with_phase(row: dict[str, Any], job: JobConfig) -> dict[str, Any]:
    """A row of jobs with its `warm_up`; a sound job that is learning has that for its band, neither healthy nor broken.

    A job that was given a reference knows what is normal: it is young at once.

    Args:
        row: as the `Query` port gives it.
        job: its configuration.
    """
    if "first" not in row or row["first"] is None:
        return row
    name, until = phase_of(job, row["first"], row["end"])
    if row.get("reference") is not None and name == "learning":
        name, until = "young", row["first"] + job.detection.warm_up
    is_hidden = name == "learning" and row["band"] in ("healthy", "watch")
    told = {"phase": name, "until": until if name != "grown" else None}
    return row | {"warm_up": told, "band": "learning" if is_hidden else row["band"]}

"""A job says how far it has come: neither healthy nor broken before anything is known of it."""

from __future__ import annotations

from typing import Any

import pytest

from streamgauge.pipelines.config.schema import JobConfig
from streamgauge.pipelines.detection.phases import with_phase

JOB = JobConfig(name="ctr")


def row(end: float, band: str = "healthy") -> dict[str, Any]:
    return {"job": "ctr", "first": 60.0, "end": end, "band": band}


@pytest.mark.parametrize(
    ("end", "band", "shown", "phase"),
    [
        (60.0, "healthy", "learning", "learning"),
        (1_740.0, "watch", "learning", "learning"),
        (600.0, "broken", "broken", "learning"),
        (1_800.0, "healthy", "healthy", "young"),
        (14 * 86_400.0, "healthy", "healthy", "grown"),
    ],
)
def test_a_sound_job_is_learning_until_thirty_windows_and_a_broken_one_is_broken(
    end: float, band: str, shown: str, phase: str
) -> None:
    found = with_phase(row(end, band), JOB)
    assert (found["band"], found["warm_up"]["phase"]) == (shown, phase)


def test_a_job_without_a_score_has_no_phase() -> None:
    assert with_phase({"job": "ctr"}, JOB) == {"job": "ctr"}

"""The gate before a model push: pass, hold or unknown, with the reasons; pure.

    hold       somebody is or would be paged for what the model learnt from, or a domain of the score is low; that the
               model in service is too old holds nothing, a push ends it
    unknown    nobody can say: no score, an old one, one that covers too little, or a job that still learns
    pass       neither

An override is an event of the job, `gate_override`, with its author and reason; it holds for `OVERRIDE` seconds and is
shown beside what it overrides, never in its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from streamgauge.anomaly.suppression.topology import base_of

LEAST: Final = 60.0  # of a domain's score: below it a model learns from what is broken
COVERAGE: Final = 0.5  # of the score's weight that must be known
STALE: Final = 5  # windows (but at least `FRESH` seconds) after which a score says nothing of now
FRESH: Final = 600.0
OVERRIDE: Final = 3600.0  # seconds
EVENT: Final = "gate_override"
SERVING: Final = "serving"  # the place of a model that is too old
_GRAVE: Final = ("page", "page-now")
_CALIBRATION: Final = ("pcoc", "ece", "relative_bias", "coverage_gap")

Answer = Literal["pass", "hold", "unknown"]


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate says of a job, and why; `overridden` is who lets a push through all the same."""

    job: str
    answer: Answer
    reasons: tuple[str, ...]
    at: float
    overridden: str = ""

    @property
    def is_open(self) -> bool:
        """Whether the model may be pushed."""
        return self.answer == "pass" or bool(self.overridden)


def judge(
    job: str, breakdown: Mapping[str, Any] | None, incidents: Sequence[Mapping[str, Any]], now: float, *,
    since: float | None = None, changes: Sequence[Mapping[str, Any]] = (),
) -> Gate:  # fmt: skip
    """What the gate says at `now`, by the job's clock.

    Args:
        job: its name.
        breakdown: the last scores, as `Query.breakdown` gives them.
        incidents: of the job, as `Query.incidents` gives them.
        now: the job's time.
        since: the last push; an incident over by now that touched the time since then holds too.
        changes: of the last hour, as `Query.changes` gives them.

    >>> judge("ctr", None, [], 0.0).answer
    'unknown'
    """
    holds = [*_incidents(incidents, since), *_low(breakdown)]
    unknown = _unknown(breakdown, now)
    answer: Answer = "hold" if holds else "unknown" if unknown else "pass"
    said = [
        str(one["text"] or "somebody") for one in changes
        if one["name"] == EVENT and now - OVERRIDE < one["time"] <= now
    ]
    reasons = (*holds, *unknown) or ("no page is open, every domain is sound, and the scores are fresh",)
    overridden = said[-1] if said and answer != "pass" else ""
    return Gate(job=job, answer=answer, reasons=reasons, at=now, overridden=overridden)


def _incidents(incidents: Sequence[Mapping[str, Any]], since: float | None) -> list[str]:
    found = []
    for one in incidents:
        is_open = one["status"] != "resolved"
        is_recent = since is not None and one["last"] >= since
        is_old = base_of(one["root"]["node"]) == SERVING  # a push is what ends it
        if one["root"]["severity"] in _GRAVE and not is_old and (is_open or is_recent):
            found.append(f"{'open' if is_open else 'since the last push'}: {one['text'].partition(chr(10))[0]}")
    return found


def _low(breakdown: Mapping[str, Any] | None) -> list[str]:
    if breakdown is None:
        return []
    low = [
        f"the score of {one['domain']} is {one['score']:.0f}, below {LEAST:.0f}"
        for one in breakdown["domains"] if one["domain"] in ("sample", "train") and one["score"] < LEAST
    ]
    off = [
        f"{part['metric']} costs {part['points']:.1f} points: predictions are not calibrated"
        for part in breakdown["parts"] if part["metric"].startswith(_CALIBRATION) and part["points"] >= 5.0
    ]
    return [*low, *off]


def _unknown(breakdown: Mapping[str, Any] | None, now: float) -> list[str]:
    if breakdown is None:
        return ["there is no score yet: wait for the first window"]
    found = []
    patience = max(FRESH, STALE * (breakdown["end"] - breakdown["start"]))
    if now - breakdown["end"] > patience:
        found.append(f"the last score is {now - breakdown['end']:.0f} s old: see whether the job and the pipeline run")
    if (breakdown["coverage"] or 0.0) < COVERAGE:
        found.append(f"only {100 * (breakdown['coverage'] or 0.0):.0f} % of what is scored is known")
    return found

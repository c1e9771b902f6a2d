"""Records for the tests of the dashboards: every metric of two jobs, one with the worst of names, and a story."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
import numpy as np

from streamgauge.anomaly.types import Alert, Anomaly, Decision, Notification, Part, Reason, Score, Suppressed
from streamgauge.pipelines.ports import Stored
from streamgauge.pipelines.registry import METRICS
from streamgauge.pipelines.wire.outputs import Change, Counters, DeadLetter, PointColumns

HOSTILE: Final = "a/b.c|d (e) [f] {g} $h ^i *j +k? \"q\" 'p' \\ n=1,m ünï${x:raw}"
JOBS: Final = ("ctr", HOSTILE)
WORKERS: Final = ("", "w0", HOSTILE)
ENTITIES: Final = ("", "feature:a", f"feature:{HOSTILE}")
STEP: Final = 60.0
WINDOWS: Final = 12
START: Final = 1_767_225_600.0  # 2026-01-01
END: Final = START + WINDOWS * STEP
KEYS: Final = tuple(
    (worker, str(metric.domain), entity, metric.name)
    for worker in WORKERS for metric in METRICS.values() for entity in ENTITIES
)  # fmt: skip


def records() -> list[Stored]:
    """All of them, in the order of time."""
    return [*_windows(), *(one for job in JOBS for one in _story(job)), _dead()]


def _windows() -> Iterator[Stored]:
    for number in range(1, WINDOWS + 1):
        end = START + number * STEP
        for job in JOBS:
            yield from _scores(job, end, number)
            yield _points(job, end, number)
            counts = {"records": 10 * number, "points": 5000 * number, "late": number, "duplicate": 1, "superseded": 0,
                      "clamped": 0, "overflow": 0, "dead": 0, "lost": number // 3}  # fmt: skip
            yield Counters(job=job, number=number, time=end, counts=counts)


def _scores(job: str, end: float, number: int) -> Iterator[Score]:
    lost = 1_000_000 * number
    part = Part("sample", f"feature:{HOSTILE}", HOSTILE, "missing_rate", lost)
    for domain in ("overall", "sample", "train", "system"):
        micropoints = 100_000_000 - 5 * lost if domain == "sample" else 100_000_000 - lost
        yield Score(
            job=job, domain=domain, start=end - STEP, end=end, micropoints=micropoints, coverage=0.9, parts=(part,)
        )  # fmt: skip


def _points(job: str, end: float, number: int) -> PointColumns:
    n = len(KEYS)
    value = 0.2 + 0.01 * np.sin(np.arange(n) + number)
    columns = {"value": value, "rows": np.full(n, 500.0), "error": np.full(n, 0.01), "floor": np.full(n, 0.05),
               "reference": np.full(n, 0.2), "low": np.full(n, 0.15), "high": np.full(n, 0.25)}  # fmt: skip
    return PointColumns(
        job=job, window="1m", start=end - STEP, end=end, revision=0, number=number, keys=msgspec.msgpack.encode(KEYS),
        **{name: column.tobytes() for name, column in columns.items()},
    )  # fmt: skip


def _story(job: str) -> Iterator[Stored]:
    """Two episodes a domain, one over and one open; a root with what it suppresses, and a silenced alert."""
    for number, domain in enumerate(("sample", "train", "system")):
        for is_open in (False, True):
            yield _anomaly(job, domain, START + 60.0 * (number + 1), is_open)
        yield from _incident(job, domain)
    yield Change(job=job, worker=HOSTILE, name="setting", time=START + 30.0, text="a setting\nin two lines")


def _incident(job: str, domain: str) -> Iterator[Stored]:
    root, effect, quiet = (_alert(job, domain, name) for name in ("root", "effect", "quiet"))
    because = Reason(decision="inhibited", text="follows from it", cause=root.episode, root=root.episode, gap=60.0)
    told = f"n-{domain}"
    yield Decision(job=job, time=START + 100.0, alert=root, state="sent", reason=_plain("root"), notification=told)
    yield Decision(job=job, time=START + 110.0, alert=effect, state="suppressed", reason=because)
    yield Decision(job=job, time=START + 120.0, alert=quiet, state="silenced", reason=_plain("silenced"))
    yield Notification(
        id=told, job=job, status="firing", time=START + 100.0, root=root, reason=_plain("root"), text=f"told {HOSTILE}",
        suppressed=(Suppressed(effect, because),),
    )  # fmt: skip


def _anomaly(job: str, domain: str, start: float, is_open: bool) -> Anomaly:
    metric = next(metric.name for metric in METRICS.values() if metric.domain == domain)
    return Anomaly(
        kind="anomaly", job=job, worker=HOSTILE, domain=domain, entity=f"feature:{'open' if is_open else HOSTILE}",
        metric=metric, severity="page", start=start, time=start + 60.0, end=None if is_open else start + 120.0,
        value=0.9, expected=0.2, score=9.0, detector="ewma", text="0.9 (normal 0.2)", number=1,
    )  # type: ignore[arg-type]  # fmt: skip


def _alert(job: str, domain: str, name: str) -> Alert:
    return Alert(
        fingerprint=f"{name}-{job}-{domain}", node=f"feature:{name}@{HOSTILE}", job=job, domain=domain,
        entity=f"feature:{name}", worker=HOSTILE, metric="missing_rate", severity="page", score=9.0, start=START + 60.0,
        arrival=START + 70.0, text=f"alert {name}",
    )  # fmt: skip


def _plain(decision: str) -> Reason:
    return Reason(decision=decision, text=f"because of {decision}")  # type: ignore[arg-type]


def _dead() -> DeadLetter:
    return DeadLetter(identity="d1", reason="truncated", text="cut short", topic="traces", key="ctr", data=b"\x00\xff")

"""Records for the tests of the embedded store, each with only what a test says of it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from streamgauge.anomaly.types import Alert, Anomaly, Decision, Notification, Part, Reason, Score, Suppressed
from streamgauge.pipelines.ports import Stored
from streamgauge.pipelines.wire.outputs import PointColumns

KEYS = (("LGA", "sample", "feature:tailnum", "missing_rate"), ("", "train", "", "auc"))


def columns(
    end: float, values: Sequence[float], *, step: float = 60.0, keys: Sequence[Sequence[str]] = KEYS, revision: int = 0,
    window: str = "short", job: str = "ctr", **others: Sequence[float],
) -> PointColumns:  # fmt: skip
    """The points of the window that ends at `end`."""
    n = len(values)
    known = {name: [0.0] * n for name in ("rows", "error", "floor")}
    unknown = {name: [np.nan] * n for name in ("reference", "low", "high")}
    every = {"value": values, **known, **unknown, **others}
    return PointColumns(
        job=job, window=window, start=end - step, end=end, revision=revision, number=1,
        keys=msgspec.msgpack.encode(keys),
        **{name: np.asarray(column, "<f8").tobytes() for name, column in every.items()},
    )  # fmt: skip


def score(end: float, points: int, *, domain: str = "overall", job: str = "ctr", revision: int = 0) -> Score:
    """A score of whole points, lost to one part."""
    lost = 100_000_000 - points * 1_000_000
    part = Part("sample", "feature:tailnum", "LGA", "missing_rate", lost)
    return Score(
        job=job, domain=domain, start=end - 60, end=end, micropoints=points * 1_000_000, coverage=0.5,
        parts=(part,), revision=revision,
    )  # fmt: skip


def anomaly(start: float, *, number: int, end: float | None = None, text: str = "", kind: str = "anomaly") -> Anomaly:
    """One report of an episode."""
    return Anomaly(
        kind=kind, job="ctr", worker="LGA", domain="sample", entity="feature:tailnum", metric="missing_rate",
        severity="page", start=start, time=start + 60, end=end, number=number, text=text,
    )  # fmt: skip


def alert(node: str, start: float) -> Alert:
    """An alert on a node."""
    return Alert(
        fingerprint=node, node=node, job="ctr", domain="sample", entity=node, worker="", metric="m", severity="page",
        score=9.0, start=start, arrival=start + 60,
    )  # fmt: skip


def notification(
    status: str, time: float, root: Alert, *, folded: Sequence[Alert] = (), id: str = "n1", text: str = "tell"
) -> Notification:
    """What a person is told of a root."""
    why = Reason(decision="inhibited", text="explained", cause=root.episode, root=root.episode)
    return Notification(
        id=id, job=root.job, status=status, time=time, root=root, text=text,  # type: ignore[arg-type]
        reason=Reason(decision="root", text="nothing upstream"),
        suppressed=tuple(Suppressed(item, why) for item in folded),
    )  # fmt: skip


def decision(time: float, item: Alert, root: Alert, state: str = "suppressed", number: int = 0) -> Decision:
    """One entry of the audit trail."""
    why = Reason(decision="inhibited", text="explained", cause=root.episode, root=root.episode)
    return Decision(job="ctr", time=time, alert=item, state=state, reason=why, number=number)  # type: ignore[arg-type]


def revised(number: int) -> list[Stored]:
    """What a window's close brings: its points and score, and the two before it once more, as they are by now."""
    end = 1_360_000_800.0 + 60 * number
    again = [columns(end - 60 * lag, [number, lag], revision=lag) for lag in (1, 2) if number >= lag]
    return [columns(end, [number, 0.0]), *again, score(end, number % 101)]

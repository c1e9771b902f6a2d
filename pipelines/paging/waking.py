"""What wakes a person, and whom: severities by default, the page budget of a shift, owners of places; pure.

Of what is found with the severity `page` these stay so; everything else is a ticket until a team promotes it (`paged`):

    facts         whatever holds without any history (absolute facts, declared limits, a job's missing or stuck workers)
    blind         Streamgauge itself sees nothing: `trace_loss` beyond its limit, a consumer that fails
    gone          volume or labels below a tenth of what is usual
    lasting       what `stream.limits` declares by default: calibration, delays beyond their SLO

The budget is what one team's jobs may page in one shift of 12 hours, from 8 and 20 o'clock by the job's time. Hard
facts page beyond it and spend none of it.
"""

from __future__ import annotations

import datetime
import functools
import zoneinfo
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from streamgauge.anomaly.suppression.topology import base_of
from streamgauge.anomaly.types import Anomaly, Notification
from streamgauge.pipelines.config.schema import JobConfig

ROLLOUT: Final = "rollout"  # the fact that most of a job's workers began a new life
BLIND: Final = frozenset({"trace_loss", "pipeline_failing"})
LASTING: Final = frozenset({"pcoc", "pcoc@H", "train_delay_p95", "queue_delay_p95"})
_BY_DAY: Final = (("join_full", True), ("clock", True))  # facts at one worker that can wait
_COUNTED: Final = ("volume", "label_arrivals")
_GONE: Final = 0.1  # of what is usual
_SHIFT: Final = 12  # hours
_FIRST: Final = 8  # o'clock

Spent = dict[str, tuple[int, int]]  # by team: its shift, and the pages told in it


def judged(anomaly: Anomaly, job: JobConfig) -> Anomaly:
    """The same with the severity at which it is told.

    >>> late = Anomaly(kind="anomaly", job="ctr", worker="", domain="train", entity="", metric="auc", severity="page",
    ...     start=0.0, time=60.0)
    >>> judged(late, JobConfig(name="ctr")).severity, judged(late, JobConfig(name="ctr", paged=("auc",))).severity
    ('ticket', 'page')
    """
    if anomaly.severity != "page" or _wakes(anomaly, job):
        return anomaly
    return msgspec.structs.replace(anomaly, severity="ticket")


def _wakes(anomaly: Anomaly, job: JobConfig) -> bool:
    if any(fits(pattern, anomaly.entity, anomaly.metric) for pattern in job.paged):
        return True
    if anomaly.kind == "fact" and (anomaly.metric, bool(anomaly.worker)) in _BY_DAY:
        return False
    if anomaly.kind == "fact":
        is_ours = anomaly.detector != "limit" or anomaly.metric in BLIND | LASTING
        return is_ours or any(limit.metric == anomaly.metric for limit in job.limits)
    return anomaly.metric in _COUNTED and _is_gone(anomaly)


def _is_gone(anomaly: Anomaly) -> bool:
    value, usual = anomaly.value, anomaly.expected
    return value is not None and usual is not None and value < _GONE * usual


def fits(pattern: str, entity: str, metric: str) -> bool:
    """Whether a pattern of `paged` is about a series: `METRIC`, or `ENTITY/METRIC`.

    >>> fits("psi", "feature:age", "psi"), fits("feature:*/psi", "feature:age", "psi"), fits("feature:id/*", "", "auc")
    (True, True, False)
    """
    of, slash, name = pattern.rpartition("/")
    return fnmatchcase(metric, name) and (not slash or fnmatchcase(entity, of))


class Budget:
    """How many pages each team was told in its present shift; the budget is asked in the order of the log."""

    def __init__(self, pages: int) -> None:
        self._pages = pages
        self.spent: Spent = {}

    def spend(self, team: str, timezone: str, now: float) -> bool:
        """Take one page of the shift at `now`, if one is left."""
        shift = shift_of(now, timezone)
        known, count = self.spent.get(team, (shift, 0))
        if shift > known:
            count = 0
        if count >= self._pages:
            return False
        self.spent[team] = (max(shift, known), count + 1)
        return True


def shift_of(time: float, timezone: str) -> int:
    """The number of a shift of 12 hours, from 8 and 20 o'clock of a time zone.

    >>> [shift_of(3600.0 * hour, "UTC") for hour in (7, 8, 19, 20, 31, 32)]
    [0, 1, 1, 2, 2, 3]
    """
    local = datetime.datetime.fromtimestamp(time, _zone(timezone))
    days = local.date().toordinal() - datetime.date(1970, 1, 1).toordinal()
    return 2 * days + (local.hour - _FIRST) // _SHIFT + 1


def addressed(notification: Notification, job: JobConfig) -> Notification:
    """The same with the owners of its places, where the job has any."""
    if not job.owners:
        return notification
    owner = owner_of(notification.root.node, job)
    others = {name for item in notification.suppressed if (name := owner_of(item.alert.node, job))}
    is_old = notification.status == "update" and notification.time - notification.first >= job.paging.involve
    return msgspec.structs.replace(
        notification, owner=owner, informed=tuple(sorted(others - {owner})),
        is_escalated=is_old and notification.reason.decision == "repeat",
    )  # fmt: skip


def owner_of(node: str, job: JobConfig) -> str:
    """Who owns a place, "" for nobody: the first pattern that fits it, or its worker's place.

    >>> owner_of("feature:age@w1", JobConfig(name="ctr", owners={"feature:*": "features", "*": "ml"}))
    'features'
    """
    return next(_owners(node, job), "")


def _owners(node: str, job: JobConfig) -> Iterator[str]:
    return (name for pattern, name in job.owners.items()
            if fnmatchcase(node, pattern) or fnmatchcase(base_of(node), pattern))  # fmt: skip


@functools.lru_cache(maxsize=64)
def _zone(name: str) -> zoneinfo.ZoneInfo:
    return zoneinfo.ZoneInfo(name)

"""Asks a job's workers for deeper traces of what an incident is about, as a person would: by a plan."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from streamgauge.anomaly.types import Notification
from streamgauge.pipelines.paging import actions, deeper
from streamgauge.pipelines.ports import Bus, NotifyError
from streamgauge.tracer import control
from streamgauge.tracer.control import PlanError

AUTHOR: Final = "streamgauge"
LOG: Final = logging.getLogger(__name__)


class Deeper:
    """A notifier. The plan that is on the topic says when a job was asked last, so a restart forgets nothing.

    Args:
        open_bus: where the control topic is.
        length: seconds for which a plan holds.
    """

    name = "deeper"

    def __init__(self, open_bus: Callable[[], Bus], length: float) -> None:
        self._open_bus = open_bus
        self._length = length
        self._bus: Bus | None = None

    def notify(self, notification: Notification) -> None:
        """Ask, where the incident is one to look into and the job's budget allows it. Raises NotifyError."""
        request = deeper.request_of(notification)
        if request is None:
            return
        try:
            bus = self._bus = self._bus or self._open_bus()
            last = _issued(bus, notification.job)
            if not deeper.is_within_budget(last, notification.time, self._length):
                LOG.info("%s was asked for deeper traces before; %s waits", notification.job, notification.id)
                return
            plan = actions.trace(
                bus, notification.job, request.select, notification.time, name=deeper.NAME, workers=request.workers,
                expires=self._length, budget=deeper.BUDGET, author=AUTHOR, reason=request.reason,
            )  # fmt: skip
            LOG.info("%s: deeper traces asked for, revision %d, %s", plan.job, plan.revision, plan.reason)
        except Exception as error:
            raise NotifyError(f"deeper traces were not asked for: {error}", retryable=True) from error


def _issued(bus: Bus, job: str) -> float | None:
    """When a job was asked last."""
    data = bus.latest("control").get(control.key_of(job, deeper.NAME))
    if not data:
        return None
    try:
        return control.decode_plan(data).issued
    except PlanError:
        return None

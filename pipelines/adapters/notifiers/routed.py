"""Who is told of what, and when: a notifier behind its route."""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Collection
from pathlib import Path
from typing import Final

import msgspec

from streamgauge.anomaly.types import Notification
from streamgauge.pipelines.adapters.notifiers.kept import read, write
from streamgauge.pipelines.config.hours import parse
from streamgauge.pipelines.ports import Notifier

INFORMED: Final = "For your information: "


class Route:
    """What a receiver is told of; an empty part lets everything pass. Who `takes_information` not opens a page for all.

    What was told at one severity is told to be over at whatever severity it ends: a route asks for the root's, which
    never falls. What was told within its hours is told to be over outside of them, too.
    """

    def __init__(
        self, *, severities: Collection[str] = (), jobs: Collection[str] = (), domains: Collection[str] = (),
        owners: Collection[str] = (), hours: Collection[str] = (), timezone: str = "UTC",
        takes_information: bool = True,
    ) -> None:  # fmt: skip
        self._severities, self._jobs, self._domains = severities, jobs, domains
        self._owners, self._takes_information = frozenset(owners), takes_information
        self.has_owners = bool(owners)
        self._hours = tuple(parse(text) for text in hours)
        self._zone = zoneinfo.ZoneInfo(timezone)

    def admits(self, notification: Notification) -> bool:
        """Whether it is for this one by severity, job, domain and time."""
        root = notification.root
        asked = ((root.severity, self._severities), (root.job, self._jobs), (root.domain, self._domains))
        if not all(not wanted or value in wanted for value, wanted in asked):
            return False
        is_over = notification.status == "resolved"
        return self._is_time(notification.time) or (is_over and self._is_time(notification.first))

    def concerns(self, notification: Notification, *, is_told: bool = False) -> Notification | None:
        """What its owner is told: of its own places all, of places beneath another's root that they are touched.

        Args:
            notification: what is told.
            is_told: whether it was told of this incident before.
        """
        if not self._owners or notification.owner in self._owners:
            return notification
        if notification.status == "resolved":
            return notification if is_told else None
        if not self._owners & set(notification.informed):
            return None
        if notification.is_escalated:
            return notification
        return _informing(notification) if self._takes_information and not is_told else None

    def _is_time(self, time: float) -> bool:
        local = datetime.datetime.fromtimestamp(time, self._zone)
        return not self._hours or any(hours.hold(local) for hours in self._hours)


class Routed:
    """Tells a notifier of what its route names and of nothing else.

    `file`, if there is one, keeps over a restart which incidents a route of owners was told of.
    """

    def __init__(self, notifier: Notifier, route: Route, file: Path | None = None) -> None:
        self.name = notifier.name
        self._notifier, self._route, self._file = notifier, route, file
        self._told: dict[str, None] = {} if file is None else read(file, dict[str, None])  # episodes that fire

    def notify(self, notification: Notification) -> None:
        """Deliver it, if it is for this one. Raises NotifyError."""
        if not self._route.admits(notification):
            return
        told = self._route.concerns(notification, is_told=notification.root.episode in self._told)
        if told is not None:
            self._notifier.notify(told)
            self._note(notification)

    def _note(self, notification: Notification) -> None:
        episode, is_over = notification.root.episode, notification.status == "resolved"
        if not self._route.has_owners or is_over != (episode in self._told):
            return
        self._told = {name: None for name in (*self._told, episode) if not (is_over and name == episode)}
        if self._file is not None:
            write(self.name, self._file, self._told)

    def idle(self) -> bool:
        """What the notifier says while nothing is to be told; whether it said something. Raises NotifyError."""
        idle = getattr(self._notifier, "idle", None)
        return idle is not None and bool(idle())

    @property
    def failing(self) -> str:
        """Why what is told goes another way, "" while it does not."""
        return str(getattr(self._notifier, "failing", ""))


def _informing(notification: Notification) -> Notification:
    """The same as information."""
    root = msgspec.structs.replace(notification.root, severity="info")
    return msgspec.structs.replace(notification, root=root, text=INFORMED + notification.text)

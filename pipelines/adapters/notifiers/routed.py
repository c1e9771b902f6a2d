"""Who is told of what: a notifier behind its route."""

from __future__ import annotations

from collections.abc import Collection

from streamgauge.anomaly.types import Notification
from streamgauge.pipelines.ports import Notifier


class Routed:
    """Tells a notifier of what its route names and of nothing else; an empty part of a route lets everything pass.

    What was told at one severity is told to be over at whatever severity it ends: a route asks for the root's, which
    never falls.
    """

    def __init__(
        self, notifier: Notifier, *, severities: Collection[str] = (), jobs: Collection[str] = (),
        domains: Collection[str] = (),
    ) -> None:  # fmt: skip
        self.name = notifier.name
        self._notifier, self._severities, self._jobs, self._domains = notifier, severities, jobs, domains

    def notify(self, notification: Notification) -> None:
        """Deliver it, if it is for this one. Raises NotifyError."""
        root = notification.root
        asked = ((root.severity, self._severities), (root.job, self._jobs), (root.domain, self._domains))
        if all(not wanted or value in wanted for value, wanted in asked):
            self._notifier.notify(notification)

    def idle(self) -> bool:
        """What the notifier says while nothing is to be told; whether it said something. Raises NotifyError."""
        idle = getattr(self._notifier, "idle", None)
        return idle is not None and bool(idle())

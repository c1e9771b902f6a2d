"""A second route: whom to tell when a notifier has taken nothing for two minutes, or refuses what it is told.

Who was told that something fires is told that it is over, too, also when the first route is back by then.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from streamgauge.anomaly.types import Notification
from streamgauge.pipelines.adapters.notifiers.kept import read, write
from streamgauge.pipelines.ports import Notifier, NotifyError

AFTER: Final = 120.0  # seconds


class Backed:
    """Tells the first; once that has failed for `AFTER` seconds, or for good, the second, until the first is back.

    `file` keeps what the second was told, over a restart.
    """

    def __init__(
        self, first: Notifier, second: Notifier, file: Path, *, now: Callable[[], float] = time.monotonic
    ) -> None:  # fmt: skip
        self.name, self.failing = first.name, ""
        self._first, self._second, self._file, self._now = first, second, file, now
        self._since: float | None = None  # of the first one's failures
        self._open: dict[str, None] = read(file, dict[str, None])  # episodes that fire, as the second was told

    def notify(self, notification: Notification) -> None:
        """Deliver it by one of the two. Raises the first one's NotifyError."""
        try:
            self._first.notify(notification)
        except NotifyError as error:
            now = self._now()
            self._since = now if self._since is None else self._since
            if error.retryable and now - self._since < AFTER:
                raise
            self._tell_second(notification, error)
        else:
            self._since, self.failing = None, ""
            if notification.status == "resolved" and notification.root.episode in self._open:
                self._second.notify(notification)
                self._note(notification)

    def idle(self) -> bool:
        """What the first says while nothing is to be told. Raises NotifyError."""
        idle = getattr(self._first, "idle", None)
        return idle is not None and bool(idle())

    def _tell_second(self, notification: Notification, error: NotifyError) -> None:
        said = f"{notification.text}\nThis came by the second route: {self._first.name} could not be told."
        try:
            self._second.notify(msgspec.structs.replace(notification, text=said))
        except NotifyError:
            raise error from None
        self._note(notification)
        self.failing = f"{error}; {self._second.name} was told in its place"

    def _note(self, notification: Notification) -> None:
        """What the second was told."""
        episode = notification.root.episode
        if notification.status == "resolved":
            self._open.pop(episode, None)
        else:
            self._open[episode] = None
        write(self.name, self._file, self._open)

"""Tells Alertmanager, as one of its sources (API v2).

It keeps no alerts on its disk, and what it hears nothing of is over for it after a while: so what fires is sent again
each minute with an end a little ahead, and what is over for five minutes more. A whole state goes in one request, with
both times always. Each episode has a label of its own: Alertmanager tells nothing of a new episode under an old
identity whose last end it told to nobody (a silence); see the surprises in `findings/`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from streamgauge.anomaly.types import Notification
from streamgauge.pipelines.adapters.notifiers.links import link
from streamgauge.pipelines.adapters.notifiers.posting import DEADLINE, post
from streamgauge.pipelines.adapters.notifiers.webhook import labels, rfc3339
from streamgauge.pipelines.config.schema import Receiver
from streamgauge.pipelines.ports import NotifyError

EVERY: Final = 60.0  # seconds between two requests that say the same
AHEAD: Final = 4 * EVERY  # seconds for which an alert fires without being heard of
AFTER: Final = 300.0  # seconds for which an end is repeated


class _Kept(msgspec.Struct):
    """What is said of one episode: its alert, and when it was over by this host's clock (0 while it fires)."""

    alert: dict[str, Any]
    over: float = 0.0


class Alertmanager:
    """Sends what fires to one Alertmanager; `url` is its address. `folder` keeps that over a restart of ours."""

    def __init__(
        self, config: Receiver, folder: Path, *, public_url: str = "", deadline: float = DEADLINE,
        now: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self.name = f"alertmanager {config.name}"
        self._url = config.url.rstrip("/") + "/api/v2/alerts"
        self._public_url, self._deadline, self._now = public_url, deadline, now
        self._file = folder / f"alertmanager-{config.name}.json"
        self._kept = self._read()
        self._last = 0.0

    def notify(self, notification: Notification) -> None:
        """Take it into the state and send the whole state. Raises NotifyError."""
        now, root = self._now(), notification.root
        annotations = {"summary": notification.text.partition("\n")[0], "description": notification.text}
        alert = {
            "labels": labels(root) | {"episode": root.episode}, "annotations": annotations,
            "startsAt": rfc3339(min(root.start, now)), "generatorURL": link(self._public_url, notification),
        }  # fmt: skip
        self._kept[root.episode] = _Kept(alert, now if notification.status == "resolved" else 0.0)
        self._send(now)

    def idle(self) -> bool:
        """Say again what fires and what was over lately, when it is time; whether it was. Raises NotifyError."""
        now = self._now()
        if not self._kept or now - self._last < EVERY:
            return False
        self._send(now)
        return True

    def _send(self, now: float) -> None:
        self._kept = {name: one for name, one in self._kept.items() if not one.over or now - one.over < AFTER}
        self._write()
        alerts = [one.alert | {"endsAt": rfc3339(one.over or now + AHEAD)} for one in self._kept.values()]
        if alerts:
            headers = {"Content-Type": "application/json"}
            post(self.name, self._url, msgspec.json.encode(alerts), headers, deadline=self._deadline)
        self._last = now

    def _read(self) -> dict[str, _Kept]:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=dict[str, _Kept])
        except (OSError, msgspec.DecodeError):
            return {}  # what fires is told again with its next repeat

    def _write(self) -> None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._file.with_suffix(".new")
            fresh.write_bytes(msgspec.json.encode(self._kept))
            fresh.replace(self._file)
        except OSError as error:
            raise NotifyError(f"{self.name}: {self._file}: {error}", retryable=True) from error

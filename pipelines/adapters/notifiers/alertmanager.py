"""Tells Alertmanager, as one of its sources (API v2).

It keeps no alerts on its disk, and what it hears nothing of is over for it after a while: so what fires is sent again
each minute with an end a little ahead, and what is over for five minutes more. A whole state goes in one request, with
both times always. Each episode has a label of its own: Alertmanager tells nothing of a new episode under an old
identity whose last end it told to nobody (a silence); see the surprises in `findings/`.

What it has told it writes down when it is stopped, and each quarter of an hour: one that was killed knows of nothing,
and tells no end of what it does not know to have fired. So one that has started since it was told that an alert fires
is told so again, and of the end only `EVERY` later: rather told twice than open for ever. What is left is an end that
it took and was killed before it told.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from streamgauge.anomaly.types import Notification
from streamgauge.pipelines.adapters.notifiers.kept import read, write
from streamgauge.pipelines.adapters.notifiers.links import link
from streamgauge.pipelines.adapters.notifiers.posting import DEADLINE, get, post
from streamgauge.pipelines.adapters.notifiers.webhook import labels, rfc3339
from streamgauge.pipelines.config.schema import Receiver
from streamgauge.pipelines.ports import NotifyError

EVERY: Final = 60.0  # seconds between two requests that say the same
AHEAD: Final = 4 * EVERY  # seconds for which an alert fires without being heard of
AFTER: Final = 300.0  # seconds for which an end is repeated
_STATUS: Final = 8_388_608  # bytes of its status that are read: its whole configuration is in it


class _Kept(msgspec.Struct):
    """What is said of one episode: its alert, and when it was over by this host's clock (0 while it fires)."""

    alert: dict[str, Any]
    over: float = 0.0
    to: str = ""  # which process of Alertmanager's was told that it fires: when that one started
    again: float = 0.0  # when that one was told so, if another was before it
    is_ended: bool = False  # the end was taken

    def fires(self, process: str, now: float) -> bool:
        """Whether this process is to be told that it fires, also if it is over."""
        if not self.over or self.is_ended:
            return not self.over
        is_new = bool(self.to and process) and self.to != process
        return is_new or now - self.again < EVERY

    def told(self, process: str, now: float, *, fires: bool) -> None:
        """A process took this."""
        if fires and process and process != self.to:
            self.to, self.again = process, now if self.to else 0.0
        self.is_ended = not fires


class _Status(msgspec.Struct):
    uptime: str = ""  # when it started, in spite of its name


class Alertmanager:
    """Sends what fires to one Alertmanager; `url` is its address. `folder` keeps that over a restart of ours."""

    def __init__(
        self, config: Receiver, folder: Path, *, public_url: str = "", deadline: float = DEADLINE,
        now: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self.name = f"alertmanager {config.name}"
        self._url = config.url.rstrip("/") + "/api/v2"
        self._public_url, self._deadline, self._now = public_url, deadline, now
        self._file = folder / f"alertmanager-{config.name}.json"
        self._kept = read(self._file, dict[str, _Kept])
        self._last = 0.0

    def notify(self, notification: Notification) -> None:
        """Take it into the state and send the whole state. Raises NotifyError."""
        now, root = self._now(), notification.root
        annotations = {"summary": notification.text.partition("\n")[0], "description": notification.text}
        alert = {
            "labels": labels(root) | {"episode": root.episode}, "annotations": annotations,
            "startsAt": rfc3339(min(root.start, now)), "generatorURL": link(self._public_url, notification),
        }  # fmt: skip
        kept = self._kept.get(root.episode) or _Kept(alert)
        kept.alert, kept.over = alert, now if notification.status == "resolved" else 0.0
        self._kept[root.episode] = kept
        self._send(now)

    def idle(self) -> bool:
        """Say again what fires and what was over lately, when it is time; whether it was. Raises NotifyError."""
        now = self._now()
        if not self._kept or now - self._last < EVERY:
            return False
        self._send(now)
        return True

    def _send(self, now: float) -> None:
        self._kept = {name: one for name, one in self._kept.items() if not one.is_ended or now - one.over < AFTER}
        write(self.name, self._file, self._kept)
        if self._kept:
            process = self._process()
            fires = {name: one.fires(process, now) for name, one in self._kept.items()}
            alerts = [
                one.alert | {"endsAt": rfc3339(now + AHEAD if fires[name] else one.over)}
                for name, one in self._kept.items()
            ]
            headers = {"Content-Type": "application/json"}
            post(self.name, f"{self._url}/alerts", msgspec.json.encode(alerts), headers, deadline=self._deadline)
            for name, one in self._kept.items():
                one.told(process, now, fires=fires[name])
            write(self.name, self._file, self._kept)
        self._last = now

    def _process(self) -> str:
        """Which process answers; "" where it does not say, as what only speaks its language need not."""
        with suppress(NotifyError, msgspec.DecodeError):
            status = get(self.name, f"{self._url}/status", most=_STATUS, deadline=self._deadline)
            return msgspec.json.decode(status, type=_Status).uptime
        return ""

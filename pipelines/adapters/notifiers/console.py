"""Tells by writing to a stream, by default standard error: what a person at the terminal reads."""

from __future__ import annotations

import sys
from typing import TextIO

from streamgauge.anomaly.types import Notification
from streamgauge.pipelines.ports import NotifyError
from streamgauge.tracer.printable import printable_lines


class Console:
    """Writes each notification with a rule above it.

    >>> from streamgauge.anomaly.types import Alert, Reason
    >>> root = Alert(fingerprint="a", node="labels", job="ctr", domain="sample", entity="", worker="",
    ...     metric="label_silence", severity="page", score=9.0, start=0.0, arrival=0.0)
    >>> Console(sys.stdout).notify(Notification(id="1", job="ctr", status="firing", time=0.0, root=root,
    ...     reason=Reason(decision="root", text=""), text="[ctr] labels: silent"))
    ---- FIRING 1 ----
    [ctr] labels: silent
    """

    name = "console"

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr

    def notify(self, notification: Notification) -> None:
        """Write it. Raises NotifyError, not to be retried, when the stream is gone."""
        try:
            text = printable_lines(notification.text)
            self._stream.write(f"---- {notification.status.upper()} {notification.id} ----\n{text}\n")
            self._stream.flush()
        except (OSError, ValueError) as error:  # a closed stream is a ValueError
            raise NotifyError(f"console: {error}", retryable=False) from error

"""Where a notification's incident is shown."""

from __future__ import annotations

import urllib.parse
from typing import Final

from streamgauge.anomaly.types import Notification

ANSWER: Final = "Acknowledge, silence, not useful, why, what changed"


def link(public_url: str, notification: Notification) -> str:
    """The address of its incident on the page; "" while `public_url` is not configured."""
    if not public_url:
        return ""
    job, name = (urllib.parse.quote(text, safe="") for text in (notification.job, notification.id))
    return f"{public_url.rstrip('/')}/#/{job}/incidents/{name}"

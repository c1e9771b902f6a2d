"""Tells PagerDuty, or what speaks its Events API v2: one incident a root, resolved under the same key."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from streamgauge.anomaly.types import Notification
from streamgauge.pipelines.adapters.notifiers.links import link
from streamgauge.pipelines.adapters.notifiers.posting import DEADLINE, post
from streamgauge.pipelines.adapters.notifiers.secrets import secret_of
from streamgauge.pipelines.adapters.notifiers.webhook import rfc3339
from streamgauge.pipelines.config.schema import Receiver

URL: Final = "https://events.pagerduty.com/v2/enqueue"
SEVERITY: Final = {"info": "info", "ticket": "warning", "page": "error", "page-now": "critical"}
_LONGEST: Final = 1024  # characters of a summary


class PagerDuty:
    """Sends events; `secret_file` holds the routing key. What is sent again has the same key and opens nothing."""

    def __init__(self, config: Receiver, *, public_url: str = "", deadline: float = DEADLINE) -> None:
        self.name = f"pagerduty {config.name}"
        self._config, self._public_url, self._deadline = config, public_url, deadline

    def notify(self, notification: Notification) -> None:
        """Send it. Raises NotifyError."""
        body = event(notification, secret_of(self._config, self.name), self._public_url)
        headers = {"Content-Type": "application/json"}
        post(self.name, self._config.url or URL, msgspec.json.encode(body), headers, deadline=self._deadline)


def event(notification: Notification, key: str, public_url: str = "") -> dict[str, Any]:
    """The body of an event."""
    root, url = notification.root, link(public_url, notification)
    is_over = notification.status == "resolved"
    body: dict[str, Any] = {
        "routing_key": key, "event_action": "resolve" if is_over else "trigger", "dedup_key": root.episode,
        "client": "Streamgauge",
    }  # fmt: skip
    if url:
        body |= {"client_url": url, "links": [{"href": url, "text": "Open the incident"}]}
    if not is_over:
        body["payload"] = {
            "summary": notification.text.partition("\n")[0][:_LONGEST], "source": root.job,
            "severity": SEVERITY[root.severity], "timestamp": rfc3339(root.start), "component": root.node,
            "group": root.job, "class": root.metric,
            "custom_details": {"text": notification.text, "folded": len(notification.suppressed)},
        }  # fmt: skip
    return body

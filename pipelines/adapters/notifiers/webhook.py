"""Tells by HTTP POST: JSON in the shape of Alertmanager's webhook, version 4, with our fields beside it.

A receiver of Alertmanager's understands `status`, `groupKey`, `groupLabels`, `commonLabels` and `alerts`;
`streamgauge` holds the whole notification: its id (the same when it is sent again), reason, text and what is folded
beneath the root. With a secret the body is signed: `X-Streamgauge-Signature: sha256=HMAC-SHA256(secret, body)`, in
hex.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import urllib.parse
from pathlib import Path
from typing import Any, Final

import msgspec

from streamgauge.anomaly.types import Alert, Notification
from streamgauge.pipelines.adapters.notifiers.links import link
from streamgauge.pipelines.adapters.notifiers.posting import DEADLINE, post
from streamgauge.pipelines.config.schema import Webhook as WebhookConfig
from streamgauge.pipelines.ports import NotifyError

_OPEN_END: Final = "0001-01-01T00:00:00Z"  # what Alertmanager writes while an alert fires


class Webhook:
    """Posts notifications to one address.

    What is tried again is in `posting`; a signed body follows no redirect.
    """

    def __init__(self, config: WebhookConfig, *, timeout: float = DEADLINE, public_url: str = "") -> None:
        parts = urllib.parse.urlsplit(config.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"a webhook's url must be an http or https address, got {config.url!r}")
        self.name = f"webhook {parts.hostname}" + (f":{parts.port}" if parts.port else "") + parts.path
        self._config, self._timeout, self._public_url = config, timeout, public_url

    def notify(self, notification: Notification) -> None:
        """Post it. Raises NotifyError."""
        body = msgspec.json.encode(payload(notification, self._public_url))
        headers = {"Content-Type": "application/json", "Idempotency-Key": notification.id}
        if self._config.secret_file:
            headers["X-Streamgauge-Signature"] = signature(self._secret(), body)
        post(self.name, self._config.url, body, headers, deadline=self._timeout)

    def _secret(self) -> bytes:
        """The secret, read each time so that it can be changed under a running process."""
        try:
            return Path(self._config.secret_file).read_bytes().strip()
        except OSError as error:
            raise NotifyError(f"{self.name}: secret_file: {error}", retryable=True) from error  # it may come back


def signature(secret: bytes, body: bytes) -> str:
    """The value of the signature's header.

    >>> signature(b"key", b"{}")[:20]
    'sha256=a777724d943eb'
    """
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


def payload(notification: Notification, public_url: str = "") -> dict[str, Any]:
    """What is posted."""
    root = notification.root
    is_over = notification.status == "resolved"
    status = "resolved" if is_over else "firing"
    named = labels(root)
    annotations = {"summary": notification.text.partition("\n")[0], "description": notification.text}
    alert = {
        "status": status, "labels": named, "annotations": annotations, "startsAt": rfc3339(root.start),
        "endsAt": rfc3339(root.end if root.end is not None else notification.time) if is_over else _OPEN_END,
        "generatorURL": link(public_url, notification), "fingerprint": root.fingerprint,
    }  # fmt: skip
    return {
        "version": "4", "groupKey": root.episode, "truncatedAlerts": 0, "status": status, "receiver": "streamgauge",
        "groupLabels": {"job": root.job}, "commonLabels": named, "commonAnnotations": annotations,
        "externalURL": public_url,
        "notification_reason": notification.reason.decision, "alerts": [alert],
        "streamgauge": msgspec.to_builtins(_Wire.of(notification)),
    }  # fmt: skip


class _Wire(msgspec.Struct, frozen=True, kw_only=True):
    """Our fields, by name: the records of `streamgauge.anomaly.types` are arrays on the wire."""

    id: str
    status: str
    time: float
    text: str
    root: dict[str, Any]
    reason: dict[str, Any]
    suppressed: list[dict[str, Any]]
    explains: list[dict[str, Any]]

    @classmethod
    def of(cls, notification: Notification) -> _Wire:
        return cls(
            id=notification.id, status=notification.status, time=notification.time, text=notification.text,
            root=msgspec.structs.asdict(notification.root), reason=msgspec.structs.asdict(notification.reason),
            suppressed=[
                {"alert": msgspec.structs.asdict(item.alert), "reason": msgspec.structs.asdict(item.reason)}
                for item in notification.suppressed
            ],
            explains=[msgspec.structs.asdict(alert) for alert in notification.grouped],
        )  # fmt: skip


def labels(alert: Alert) -> dict[str, str]:
    """An alert's labels; to Alertmanager a missing one is an empty one."""
    found = {
        "alertname": alert.metric, "job": alert.job, "worker": alert.worker, "domain": alert.domain,
        "entity": alert.entity, "metric": alert.metric, "node": alert.node, "severity": alert.severity,
    }  # fmt: skip
    return {name: value for name, value in found.items() if value}


def rfc3339(time: float) -> str:
    """A time as Alertmanager and PagerDuty write it."""
    text = datetime.datetime.fromtimestamp(time, datetime.UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")

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
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Final

import msgspec

from streamgauge.anomaly.types import Alert, Notification
from streamgauge.pipelines.config.schema import Webhook as WebhookConfig
from streamgauge.pipelines.ports import NotifyError

TIMEOUT: Final = 10.0
_OPEN_END: Final = "0001-01-01T00:00:00Z"  # what Alertmanager writes while an alert fires


class Webhook:
    """Posts notifications to one address.

    Retryable are time-outs, refused or broken connections, 429 and 5xx; every other answer but 2xx is final, redirects
    included: a signed body goes nowhere else.
    """

    def __init__(self, config: WebhookConfig, *, timeout: float = TIMEOUT) -> None:
        parts = urllib.parse.urlsplit(config.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"a webhook's url must be an http or https address, got {config.url!r}")
        self.name = f"webhook {parts.hostname}" + (f":{parts.port}" if parts.port else "") + parts.path
        self._config, self._timeout = config, timeout
        self._opener = urllib.request.build_opener(_NoRedirect)

    def notify(self, notification: Notification) -> None:
        """Post it. Raises NotifyError."""
        body = msgspec.json.encode(payload(notification))
        headers = {"Content-Type": "application/json", "User-Agent": "streamgauge", "Idempotency-Key": notification.id}
        if self._config.secret_file:
            headers["X-Streamgauge-Signature"] = signature(self._secret(), body)
        request = urllib.request.Request(self._config.url, data=body, headers=headers, method="POST")
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                answer.read(1)
        except urllib.error.HTTPError as error:
            error.close()
            is_retryable = error.code == 429 or error.code >= 500
            raise NotifyError(f"{self.name} answered {error.code}", retryable=is_retryable) from error
        except OSError as error:  # URLError and time-outs are OSErrors
            raise NotifyError(f"{self.name}: {error}", retryable=True) from error
        except Exception as error:  # http.client: what answered does not speak HTTP
            raise NotifyError(f"{self.name}: {type(error).__name__}: {error}", retryable=False) from error

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


def payload(notification: Notification) -> dict[str, Any]:
    """What is posted."""
    root = notification.root
    is_over = notification.status == "resolved"
    status = "resolved" if is_over else "firing"
    labels = _labels(root)
    annotations = {"summary": notification.text.partition("\n")[0], "description": notification.text}
    alert = {
        "status": status, "labels": labels, "annotations": annotations, "startsAt": _rfc3339(root.start),
        "endsAt": _rfc3339(root.end if root.end is not None else notification.time) if is_over else _OPEN_END,
        "generatorURL": "", "fingerprint": root.fingerprint,
    }  # fmt: skip
    return {
        "version": "4", "groupKey": root.episode, "truncatedAlerts": 0, "status": status, "receiver": "streamgauge",
        "groupLabels": {"job": root.job}, "commonLabels": labels, "commonAnnotations": annotations, "externalURL": "",
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


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Follow nothing: the redirect is the answer."""


def _labels(alert: Alert) -> dict[str, str]:
    labels = {
        "alertname": alert.metric, "job": alert.job, "worker": alert.worker, "domain": alert.domain,
        "entity": alert.entity, "metric": alert.metric, "node": alert.node, "severity": alert.severity,
    }  # fmt: skip
    return {name: value for name, value in labels.items() if value}  # to Alertmanager a missing label is an empty one


def _rfc3339(time: float) -> str:
    text = datetime.datetime.fromtimestamp(time, datetime.UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")

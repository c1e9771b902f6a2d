"""Tells chats through their incoming webhooks: Slack (and what speaks its format), Teams, Feishu, DingTalk.

Feishu and DingTalk answer 200 to everything and say in the body what went wrong; with a secret their requests are
signed as each demands.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
import urllib.parse
from collections.abc import Callable
from typing import Any, Final

import msgspec

from streamgauge.anomaly.types import Notification
from streamgauge.pipelines.adapters.notifiers.links import ANSWER, link
from streamgauge.pipelines.adapters.notifiers.posting import DEADLINE, post
from streamgauge.pipelines.adapters.notifiers.secrets import secret_of
from streamgauge.pipelines.config.schema import Receiver
from streamgauge.pipelines.ports import NotifyError

_LONGEST: Final = 3000  # characters of a message: the least that one of them takes
_BUSY: Final = frozenset((9499, 11232, 130101, 410100, -1))  # their codes for: too often, or busy, come again
_MARK: Final = {
    "firing": "\N{LARGE RED CIRCLE}", "update": "\N{LARGE YELLOW CIRCLE}", "resolved": "\N{LARGE GREEN CIRCLE}",
}  # fmt: skip


class Chat:
    """Posts to one incoming webhook; `kind` says in which format."""

    def __init__(
        self, config: Receiver, *, public_url: str = "", deadline: float = DEADLINE,
        now: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self.name = f"{config.kind} {config.name}"
        self._config, self._public_url, self._deadline, self._now = config, public_url, deadline, now

    def notify(self, notification: Notification) -> None:
        """Post it. Raises NotifyError."""
        secret = secret_of(self._config, self.name)
        body = BODIES[self._config.kind](notification, link(self._public_url, notification))
        url = self._config.url
        if secret and self._config.kind == "dingtalk":
            url = _signed_url(url, secret, round(self._now() * 1000))
        if secret and self._config.kind == "feishu":
            at = str(round(self._now()))
            body |= {"timestamp": at, "sign": _base64(f"{at}\n{secret}".encode(), b"")}
        headers = {"Content-Type": "application/json; charset=utf-8"}
        answer = post(self.name, url, msgspec.json.encode(body), headers, deadline=self._deadline)
        if self._config.kind in ("feishu", "dingtalk"):
            self._check(answer)

    def _check(self, answer: bytes) -> None:
        try:
            said = msgspec.json.decode(answer)
            code = said.get("errcode", said.get("code", said.get("StatusCode", 0)))
        except (msgspec.DecodeError, AttributeError):
            raise NotifyError(f"{self.name}: its answer is no JSON object", retryable=True, patience=3600.0) from None
        if code != 0:
            text = str(said.get("errmsg") or said.get("msg") or "")[:200]
            raise NotifyError(f"{self.name} answered code {code}: {text}", retryable=code in _BUSY)


def _slack(notification: Notification, url: str) -> dict[str, Any]:
    text = _escaped(_text(notification))
    return {"text": text + (f"\n<{url}|{ANSWER}>" if url else "")}


def _teams(notification: Notification, url: str) -> dict[str, Any]:
    first, _, rest = _text(notification).partition("\n")
    card: dict[str, Any] = {
        "type": "AdaptiveCard", "version": "1.4", "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "body": [
            {"type": "TextBlock", "text": first, "weight": "Bolder", "wrap": True},
            {"type": "TextBlock", "text": rest.replace("\n", "\n\n"), "wrap": True},
        ],
    }  # fmt: skip
    if url:
        card["actions"] = [{"type": "Action.OpenUrl", "title": ANSWER, "url": url}]
    content = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [content]}


def _feishu(notification: Notification, url: str) -> dict[str, Any]:
    return {"msg_type": "text", "content": {"text": _text(notification) + (f"\n{ANSWER}: {url}" if url else "")}}


def _dingtalk(notification: Notification, url: str) -> dict[str, Any]:
    text = _text(notification)
    linked = text.replace("\n", "  \n") + (f"  \n[{ANSWER}]({url})" if url else "")
    return {"msgtype": "markdown", "markdown": {"title": text.partition("\n")[0], "text": linked}}


BODIES: Final[dict[str, Callable[[Notification, str], dict[str, Any]]]] = {
    "slack": _slack, "teams": _teams, "feishu": _feishu, "dingtalk": _dingtalk,
}  # fmt: skip


def _text(notification: Notification) -> str:
    return f"{_MARK[notification.status]} {notification.text[:_LONGEST]}"


def _escaped(text: str) -> str:
    """Slack's three: nothing in a name becomes a link or calls a channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _signed_url(url: str, secret: str, at: int) -> str:
    sign = urllib.parse.quote_plus(_base64(secret.encode(), f"{at}\n{secret}".encode()))
    return f"{url}{'&' if '?' in url else '?'}timestamp={at}&sign={sign}"


def _base64(key: bytes, message: bytes) -> str:
    return base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()

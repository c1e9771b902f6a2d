"""The webhook against a real server on loopback: what is posted, how it is signed, and which failures are retryable."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import socket
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from streamgauge.anomaly.types import Alert, Notification, Reason, Suppressed
from streamgauge.pipelines.adapters.notifiers.webhook import Webhook
from streamgauge.pipelines.config.schema import Webhook as WebhookConfig
from streamgauge.pipelines.ports import NotifyError

ROOT = Alert(
    fingerprint="f00d", node="labels@LGA", job="flights", domain="sample", entity="", worker="LGA",
    metric="label_silence",
    severity="page", score=12.0, start=1358863200.0, arrival=1358863260.0, text="silent",
)  # fmt: skip
FOLDED = Suppressed(ROOT, Reason(decision="inhibited", text="follows", path=("a", "b")))


def notification(status: Any = "firing", end: float | None = None) -> Notification:
    root = ROOT if end is None else msgspec.structs.replace(ROOT, end=end)
    return Notification(
        id="5eed", job="flights", status=status, time=1358863320.0, root=root, suppressed=(FOLDED,),
        reason=Reason(decision="root", text="nothing upstream is broken"), text="[flights] labels: silent\nsecond line",
    )  # fmt: skip


class Server:
    """A receiver that answers what it is told to and keeps what it gets."""

    def __init__(self) -> None:
        self.status, self.wait = 200, 0.0
        self.got: list[tuple[dict[str, str], bytes]] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.got.append((dict(request.headers), await request.read()))
        await asyncio.sleep(self.wait)
        headers = {"Location": "/elsewhere"} if self.status == 302 else {}
        return web.Response(status=self.status, headers=headers)


@pytest.fixture
async def server(aiohttp_server: Any) -> tuple[Server, str]:
    kept = Server()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", kept.answer)
    started = await aiohttp_server(app)
    return kept, f"http://127.0.0.1:{started.port}/hook"


async def post(webhook: Webhook, told: Notification) -> NotifyError | None:
    try:
        await asyncio.to_thread(webhook.notify, told)
    except NotifyError as error:
        return error
    return None


async def test_what_is_posted_has_alertmanagers_shape_and_our_fields(server: tuple[Server, str]) -> None:
    kept, url = server
    assert await post(Webhook(WebhookConfig(url=url)), notification()) is None
    headers, data = kept.got[0]
    body = json.loads(data)
    assert headers["Content-Type"] == "application/json"
    assert headers["Idempotency-Key"] == "5eed"
    assert "X-Streamgauge-Signature" not in headers
    assert {name: body[name] for name in ("version", "status", "receiver", "groupKey", "truncatedAlerts")} == {
        "version": "4", "status": "firing", "receiver": "streamgauge", "groupKey": ROOT.episode, "truncatedAlerts": 0,
    }  # fmt: skip
    alert = body["alerts"][0]
    assert alert["labels"] == {
        "alertname": "label_silence", "job": "flights", "worker": "LGA", "domain": "sample", "metric": "label_silence",
        "node": "labels@LGA", "severity": "page",
    }  # fmt: skip
    assert alert["annotations"]["summary"] == "[flights] labels: silent"
    assert (alert["startsAt"], alert["endsAt"]) == ("2013-01-22T14:00:00.000Z", "0001-01-01T00:00:00Z")
    assert alert["fingerprint"] == "f00d"
    assert body["streamgauge"]["id"] == "5eed"
    assert body["streamgauge"]["reason"]["decision"] == body["notification_reason"] == "root"
    assert body["streamgauge"]["suppressed"][0]["reason"]["path"] == ["a", "b"]


async def test_a_resolved_notification_has_an_end_and_an_update_still_fires(server: tuple[Server, str]) -> None:
    kept, url = server
    webhook = Webhook(WebhookConfig(url=url))
    await post(webhook, notification("resolved", end=1358870400.0))
    await post(webhook, notification("update"))
    over, still = (json.loads(data) for _, data in kept.got)
    assert (over["status"], over["alerts"][0]["endsAt"]) == ("resolved", "2013-01-22T16:00:00.000Z")
    assert (still["status"], still["streamgauge"]["status"]) == ("firing", "update")


async def test_the_same_notification_is_the_same_bytes(server: tuple[Server, str]) -> None:
    kept, url = server
    for _ in range(2):
        await post(Webhook(WebhookConfig(url=url)), notification())
    assert kept.got[0][1] == kept.got[1][1]


async def test_the_body_is_signed_with_the_secret_as_it_is_now(server: tuple[Server, str], tmp_path: Path) -> None:
    kept, url = server
    secret = tmp_path / "secret"
    webhook = Webhook(WebhookConfig(url=url, secret_file=str(secret)))
    for key in (b"one", b"two"):
        secret.write_bytes(key + b"\n")
        assert await post(webhook, notification()) is None
        headers, data = kept.got[-1]
        assert headers["X-Streamgauge-Signature"] == "sha256=" + hmac.new(key, data, hashlib.sha256).hexdigest()
    secret.unlink()
    error = await post(webhook, notification())
    assert error is not None
    assert error.retryable, "the notification waits for the secret"
    assert len(kept.got) == 2, "nothing is sent unsigned"


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(429, True), (500, True), (503, True), (302, True), (400, False), (401, True), (404, True), (413, False)],
)
async def test_what_may_be_mended_is_retryable_and_what_is_refused_is_not(
    server: tuple[Server, str], status: int, retryable: bool
) -> None:
    kept, url = server
    kept.status = status
    error = await post(Webhook(WebhookConfig(url=url)), notification())
    assert error is not None
    assert error.retryable is retryable
    assert str(status) in str(error)
    assert len(kept.got) == 1, "a redirect is not followed"


async def test_a_slow_receiver_is_a_retryable_time_out(server: tuple[Server, str]) -> None:
    kept, url = server
    kept.wait = 1.0
    error = await post(Webhook(WebhookConfig(url=url), timeout=0.1), notification())
    assert error is not None
    assert error.retryable


async def test_a_receiver_that_is_down_is_retryable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    error = await post(Webhook(WebhookConfig(url=f"http://127.0.0.1:{port}/")), notification())
    assert error is not None
    assert error.retryable


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/", "nonsense", "http://"])
def test_only_http_addresses_are_taken(url: str) -> None:
    with pytest.raises(ValueError, match="must be an http or https address"):
        Webhook(WebhookConfig(url=url))

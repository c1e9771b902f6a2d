"""What each receiver is sent, by its published format; to real servers on loopback."""

from __future__ import annotations

import base64
import hashlib
import hmac
import socketserver
import threading
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from streamgauge.pipelines.adapters.notifiers.chat import Chat
from streamgauge.pipelines.adapters.notifiers.links import ANSWER
from streamgauge.pipelines.adapters.notifiers.mail import Mail
from streamgauge.pipelines.adapters.notifiers.pagerduty import PagerDuty
from streamgauge.pipelines.adapters.notifiers.routed import Route, Routed
from streamgauge.pipelines.config.schema import Receiver
from streamgauge.pipelines.ports import NotifyError
from tests.pipelines.adapters.notifiers.test_webhook import ROOT, notification
from tests.servers.http import Http, serving

PAGE = "https://gauge.example/"
LINK = "https://gauge.example/#/flights/incidents/5eed"


@pytest.fixture
def http() -> Iterator[Http]:
    with serving() as server:
        yield server


def chat(kind: Any, server: Http, secret: str = "") -> Chat:
    config = Receiver(name="on-call", kind=kind, url=server.url, secret_file=secret)
    return Chat(config, public_url=PAGE, now=lambda: 1600000000.0)


def test_slack_gets_text_in_which_no_name_calls_a_channel(http: Http) -> None:
    note = msgspec.structs.replace(notification(), text="[j] <!channel> & more")
    chat("slack", http).notify(note)
    text = http.got[0][1]["text"]
    assert "&lt;!channel&gt; &amp; more" in text
    assert text.endswith(f"<{LINK}|{ANSWER}>")


def test_teams_gets_an_adaptive_card(http: Http) -> None:
    chat("teams", http).notify(notification())
    card = http.got[0][1]["attachments"][0]
    assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert card["content"]["body"][0]["text"].endswith("[flights] labels: silent")
    assert card["content"]["actions"][0]["url"] == LINK


def test_feishu_is_signed_and_its_refusal_in_the_body_is_heard(http: Http, tmp_path: Path) -> None:
    (tmp_path / "s").write_text("geheim\n")
    http.reply = b'{"code":0,"msg":"success"}'
    chat("feishu", http, str(tmp_path / "s")).notify(notification())
    body = http.got[0][1]
    key = b"1600000000\ngeheim"
    assert body["sign"] == base64.b64encode(hmac.new(key, b"", hashlib.sha256).digest()).decode()
    assert LINK in body["content"]["text"]
    http.reply = b'{"code":19021,"msg":"sign match fail"}'
    with pytest.raises(NotifyError, match="code 19021: sign match fail") as caught:
        chat("feishu", http).notify(notification())
    assert not caught.value.retryable


def test_dingtalk_is_signed_in_its_address_and_is_asked_again_when_it_is_busy(http: Http, tmp_path: Path) -> None:
    (tmp_path / "s").write_text("geheim")
    http.reply = b'{"errcode":0,"errmsg":"ok"}'
    chat("dingtalk", http, str(tmp_path / "s")).notify(notification())
    query = parse_qs(urlsplit(http.got[0][0]).query)
    sign = base64.b64encode(hmac.new(b"geheim", b"1600000000000\ngeheim", hashlib.sha256).digest()).decode()
    assert query == {"key": ["1"], "timestamp": ["1600000000000"], "sign": [sign]}
    http.reply = b'{"errcode":130101,"errmsg":"send too fast"}'
    with pytest.raises(NotifyError) as caught:
        chat("dingtalk", http).notify(notification())
    assert caught.value.retryable


def test_pagerduty_opens_and_closes_one_incident_under_one_key(http: Http, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("R0UT1NG")
    one = Receiver(name="pd", kind="pagerduty", url=http.url, secret_file=str(tmp_path / "key"))
    PagerDuty(one, public_url=PAGE).notify(notification())
    PagerDuty(one, public_url=PAGE).notify(notification("resolved", end=ROOT.start + 60))
    opened, closed = (body for _, body in http.got)
    assert (opened["event_action"], closed["event_action"]) == ("trigger", "resolve")
    assert opened["dedup_key"] == closed["dedup_key"] == ROOT.episode
    assert opened["routing_key"] == "R0UT1NG"
    assert opened["payload"]["severity"] == "error"
    assert opened["links"][0]["href"] == LINK
    assert "payload" not in closed


class _Smtp(socketserver.StreamRequestHandler):
    """Enough of RFC 5321 for one mail."""

    def handle(self) -> None:
        self._say("220 test")
        while line := self.rfile.readline().strip():
            word = line[:4].upper()
            if word == b"DATA":
                self._say("354 go on")
                mail = b"".join(iter(lambda: self.rfile.readline(), b".\r\n"))
                self.server.got.append(mail)  # type: ignore[attr-defined]
            elif word == b"RCPT" and b"nobody" in line:
                self._say("550 no such user")
                continue
            elif word == b"QUIT":
                self._say("221 bye")
                return
            self._say("250 ok")

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")


@pytest.fixture
def smtp() -> Iterator[Any]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Smtp) as server:
        server.got = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def mail(server: Any, *to: str) -> Mail:
    url = f"smtp://127.0.0.1:{server.server_address[1]}"
    return Mail(Receiver(name="m", kind="email", url=url, sender="gauge@x.example", to=to), public_url=PAGE)


def test_a_mail_has_the_first_line_as_subject_and_is_of_its_incidents_thread(smtp: Any) -> None:
    mail(smtp, "a@x.example", "b@x.example").notify(notification())
    got = message_from_bytes(smtp.got[0], policy=default)
    assert got["Subject"] == "[flights] labels: silent"
    assert got["To"] == "a@x.example, b@x.example"
    assert got["In-Reply-To"] == f"<{ROOT.episode}@x.example>"
    assert LINK in got.get_content()


def test_a_mail_that_nobody_takes_is_not_tried_again(smtp: Any) -> None:
    with pytest.raises(NotifyError, match="550") as caught:
        mail(smtp, "nobody@x.example").notify(notification())
    assert not caught.value.retryable


def test_a_route_keeps_tickets_from_who_is_paged(http: Http) -> None:
    routed = Routed(chat("slack", http), Route(severities=("page", "page-now"), jobs=("flights",)))
    ticket = msgspec.structs.replace(notification(), root=msgspec.structs.replace(ROOT, severity="ticket"))
    other = msgspec.structs.replace(notification(), root=msgspec.structs.replace(ROOT, job="other"))
    for note in (ticket, other, notification()):
        routed.notify(note)
    assert len(http.got) == 1

"""Tells by e-mail over SMTP, with TLS where the server offers it; what belongs to one incident is one thread."""

from __future__ import annotations

import smtplib
import socket
import threading
import urllib.parse
from contextlib import suppress
from email.message import EmailMessage
from typing import Final

from streamgauge.anomaly.types import Notification
from streamgauge.pipelines.adapters.notifiers.links import ANSWER, link
from streamgauge.pipelines.adapters.notifiers.posting import PATIENCE
from streamgauge.pipelines.adapters.notifiers.secrets import secret_of
from streamgauge.pipelines.config.schema import Receiver
from streamgauge.pipelines.ports import NotifyError

DEADLINE: Final = 30.0  # seconds for the whole dialogue


class Mail:
    """Sends to all of `to`; `url` is smtp://[USER@]HOST[:PORT] or smtps://, `secret_file` the password."""

    def __init__(self, config: Receiver, *, public_url: str = "", deadline: float = DEADLINE) -> None:
        self.name = f"email {config.name}"
        self._config, self._public_url, self._deadline = config, public_url, deadline

    def notify(self, notification: Notification) -> None:
        """Send it. Raises NotifyError: a 4yz answer is tried again, a 5yz one is not."""
        try:
            self._send(message(notification, self._config, self._public_url))
        except smtplib.SMTPRecipientsRefused as error:
            code = max(code for code, _ in error.recipients.values())
            text = f"{self.name}: nobody of {len(self._config.to)} is taken: {code}"
            raise NotifyError(text, retryable=code < 500) from error
        except smtplib.SMTPAuthenticationError as error:
            text = f"{self.name}: {error.smtp_code}, its password"
            raise NotifyError(text, retryable=True, patience=PATIENCE) from error
        except smtplib.SMTPResponseException as error:
            raise NotifyError(f"{self.name}: {error.smtp_code}", retryable=error.smtp_code < 500) from error
        except (OSError, smtplib.SMTPException) as error:
            raise NotifyError(f"{self.name}: {type(error).__name__}: {error}", retryable=True) from error

    def _send(self, mail: EmailMessage) -> None:
        parts = urllib.parse.urlsplit(self._config.url)
        kind = smtplib.SMTP_SSL if parts.scheme == "smtps" else smtplib.SMTP
        with kind(parts.hostname or "", parts.port or 0, timeout=self._deadline) as server:
            timer = threading.Timer(self._deadline, _end, (server,))
            timer.daemon = True
            timer.start()
            try:
                server.ehlo()
                if parts.scheme == "smtp" and server.has_extn("starttls"):
                    server.starttls()
                    server.ehlo()
                if parts.username:
                    server.login(urllib.parse.unquote(parts.username), secret_of(self._config, self.name))
                server.send_message(mail)
            finally:
                timer.cancel()


def message(notification: Notification, config: Receiver, public_url: str = "") -> EmailMessage:
    """The mail: the first line is its subject, and an answer to the incident's first one."""
    mail = EmailMessage()
    domain = config.sender.partition("@")[2] or "streamgauge"
    first = f"<{notification.root.episode}@{domain}>"
    mail["From"], mail["To"] = config.sender, ", ".join(config.to)
    printable = "".join(sign if sign.isprintable() else " " for sign in notification.text.partition("\n")[0])
    mail["Subject"] = printable[:200]
    mail["Message-ID"] = f"<{notification.id}@{domain}>"
    mail["References"] = mail["In-Reply-To"] = first
    mail["Auto-Submitted"] = "auto-generated"
    url = link(public_url, notification)
    mail.set_content(notification.text + (f"\n\n{ANSWER}: {url}\n" if url else "\n"))
    return mail


def _end(server: smtplib.SMTP) -> None:
    if server.sock is not None:
        with suppress(OSError):
            server.sock.shutdown(socket.SHUT_RDWR)

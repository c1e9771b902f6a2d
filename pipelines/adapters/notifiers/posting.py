"""One HTTP request with a deadline for all of it, and what its answer means for the next attempt.

Sockets time out one read at a time, so a receiver that drips a byte a second would hold a notifier for ever: here a
timer ends the connection when the whole request has had its time. What is worth another attempt:

    always        no connection, no answer in time, 408, 425, 429, 5xx: the receiver may come back
    for an hour   redirects, 401, 403, 404, 405, 410: an address or a key that somebody is just changing
    never         every other answer: the receiver has read it and refuses what it says
"""

from __future__ import annotations

import http.client
import socket
import threading
import urllib.parse
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from streamgauge.pipelines.ports import NotifyError

DEADLINE: Final = 10.0  # seconds for resolving, connecting, sending and the answer together
PATIENCE: Final = 3600.0  # seconds that an address or a key may be wrong
_MOST: Final = 65_536  # bytes of an answer that are read
_PASSING: Final = frozenset((408, 425, 429))
_CHANGING: Final = frozenset((301, 302, 303, 307, 308, 401, 403, 404, 405, 410))


def post(name: str, url: str, body: bytes, headers: Mapping[str, str], *, deadline: float = DEADLINE) -> bytes:
    """Post it and give the answer's body. Follows no redirect: a signed body goes nowhere else. Raises NotifyError."""
    return _request(name, "POST", url, body, headers, deadline, _MOST)


def get(name: str, url: str, *, most: int, deadline: float = DEADLINE) -> bytes:
    """What a receiver says, its first `most` bytes. Raises NotifyError."""
    return _request(name, "GET", url, None, {}, deadline, most)


def _request(
    name: str, method: str, url: str, body: bytes | None, headers: Mapping[str, str], deadline: float, most: int
) -> bytes:
    parts = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=deadline)
    is_late = threading.Event()
    timer = threading.Timer(deadline, _end, (connection, is_late))
    timer.daemon = True
    timer.start()
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, body, {**headers, "User-Agent": "streamgauge"})
        answer = connection.getresponse()
        read = answer.read(most)
    except Exception as error:
        if is_late.is_set() or isinstance(error, TimeoutError):
            raise NotifyError(f"{name}: no whole answer within {deadline:g} s", retryable=True) from error
        is_network = isinstance(error, OSError | http.client.RemoteDisconnected)
        raise NotifyError(f"{name}: {type(error).__name__}: {error}", retryable=is_network) from error
    finally:
        timer.cancel()
        connection.close()
    if is_late.is_set():
        raise NotifyError(f"{name}: no whole answer within {deadline:g} s", retryable=True)
    _check(name, answer.status)
    return read


def _check(name: str, status: int) -> None:
    if 200 <= status < 300:
        return
    if status in _CHANGING:
        raise NotifyError(f"{name} answered {status}; mend its address or key", retryable=True, patience=PATIENCE)
    raise NotifyError(f"{name} answered {status}", retryable=status in _PASSING or status >= 500)


def _end(connection: http.client.HTTPConnection, is_late: threading.Event) -> None:
    is_late.set()
    if connection.sock is not None:
        with suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)

"""Connections to the HTTP surface within bounds: how many, how long a request may take to come, and who has to go.

A request's header comes within `HEADER_TIMEOUT`, its body within `json.BODY_TIMEOUT`, and who reads nothing of an
answer for `STUCK` is cut off. There are never more connections than a share of the process's descriptors, so that
paging, the log and the store keep theirs; beyond it the one that has been idle longest goes, or the new one is told so.
What the system refuses to accept is logged once a minute.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import time
from collections.abc import Callable
from typing import Any, Final

from aiohttp import http_exceptions, web

from streamgauge.pipelines.adapters.http.json import Refusal, refused
from streamgauge.pipelines.adapters.http.security import seal

HEADER_TIMEOUT: Final = 15.0  # seconds from a connection, or its last answer, to the next whole header
STUCK: Final = 60.0  # seconds in which some bytes of an answer must be taken
BACKLOG: Final = 64  # connections accepted in one turn of the loop
KEPT: Final = 128  # descriptors for the log, the store, paging, and what is accepted but not yet counted
MOST: Final = 2_000
_LEAST: Final = 16
_LOOK: Final = 15.0
_QUIET: Final = 60.0
_MOST_FILES: Final = 65_536
_log = logging.getLogger(__name__)


def most_connections(files: int) -> int:
    """How many connections a process with so many descriptors may have.

    >>> most_connections(256), most_connections(1024), most_connections(65536)
    (64, 448, 2000)
    """
    return max(_LEAST, min(MOST, (files - KEPT) // 2))


def raise_file_limit() -> int:
    """Let this process open as many files as it is allowed to, within reason; how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return _MOST_FILES if soft == resource.RLIM_INFINITY else soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


class Door:
    """Makes the protocol of each connection, and knows all that are open.

    Args:
        server: of the application.
        most: connections at a time.
        log: for what aiohttp says of requests.
    """

    def __init__(self, server: web.Server, most: int, log: logging.Logger) -> None:
        self.refused = self.evicted = 0
        self._server, self._most, self._log = server, most, log
        self._open: dict[Connection, float] = {}  # idle since, longest first; infinity while a request is served
        self._stuck: dict[Connection, tuple[int, float]] = {}  # bytes that wait to be taken, and since when

    @property
    def open(self) -> int:
        """Connections that are open."""
        return len(self._open)

    def __call__(self) -> asyncio.Protocol:
        """A protocol for a connection that was accepted."""
        return Connection(self, self._server, self._log)

    def came(self, connection: Connection) -> bool:
        """Whether a new connection may stay."""
        if len(self._open) >= self._most and not self._evict():
            self.refused += 1
            return False
        self._open[connection] = time.monotonic()
        return True

    def left(self, connection: Connection) -> None:
        """A connection is gone."""
        self._open.pop(connection, None)
        self._stuck.pop(connection, None)

    def serves(self, protocol: Any, is_busy: bool) -> None:
        """A request of this connection begins to be served, or was."""
        if protocol in self._open:
            del self._open[protocol]
            self._open[protocol] = float("inf") if is_busy else time.monotonic()

    async def watch(self) -> None:
        """Cut off who takes nothing of what was sent, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK)
            self.look(time.monotonic())

    def look(self, now: float) -> None:
        """One look at who takes nothing."""
        for connection in list(self._open):
            waiting = connection.waiting
            before, since = self._stuck.get(connection, (0, now))
            if not waiting:
                self._stuck.pop(connection, None)
            elif not before or waiting < before:
                self._stuck[connection] = waiting, now
            elif now - since >= STUCK:
                connection.cut()

    def _evict(self) -> bool:
        """Cut the connection that has been idle longest; False where all are served."""
        idle = min(self._open, key=self._open.__getitem__)
        if self._open[idle] == float("inf") or idle.waiting:
            return False
        self.evicted += 1
        self.left(idle)
        idle.cut()
        return True


class Connection(web.RequestHandler):
    """One connection; what is no HTTP is answered as every error is."""

    __slots__ = ("_door", "_is_in", "_socket")

    def __init__(self, door: Door, server: web.Server, log: logging.Logger) -> None:
        super().__init__(
            server, loop=asyncio.get_running_loop(), access_log=None, logger=log, keepalive_timeout=HEADER_TIMEOUT,  # type: ignore[arg-type]
        )  # fmt: skip
        self._door, self._is_in = door, False
        self._socket: asyncio.Transport | None = None

    @property
    def waiting(self) -> int:
        """Bytes of answers that were not taken yet."""
        return 0 if self._socket is None else self._socket.get_write_buffer_size()

    def cut(self) -> None:
        """End it at once."""
        if self._socket is not None:
            self._socket.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It was accepted; one too many is told so and closed."""
        assert isinstance(transport, asyncio.Transport)
        self._socket, self._is_in = transport, self._door.came(self)
        if self._is_in:
            super().connection_made(transport)
        else:
            transport.write(_FULL)
            transport.close()

    def data_received(self, data: bytes) -> None:
        """Bytes of it; none of one that is not let in."""
        if self._is_in:
            super().data_received(data)

    def eof_received(self) -> None:
        """Nothing more comes."""
        if self._is_in:
            super().eof_received()

    def connection_lost(self, exc: BaseException | None) -> None:
        """It is gone."""
        self._door.left(self)
        if self._is_in:
            super().connection_lost(exc)
        self._socket = None

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """What is no request, or failed inside, as `{error, remedy}`."""
        if isinstance(exc, http_exceptions.HttpProcessingError):
            refusal = Refusal(status, f"no HTTP request: {exc.message[:200]}", "send HTTP/1.1, lines below 8 kB")
        else:
            self.log_exception("a request failed: %s %s", request.method, request.path[:200], exc_info=exc)
            refusal = Refusal(status, "the request failed inside", "see the log of streamgauge; this is our fault")
        response = refused(refusal)
        seal(response)
        response.force_close()
        return response


def quiet(log: logging.Logger, clock: Callable[[], float] = time.monotonic) -> Any:
    """A handler of what goes wrong in the event loop: said once a minute, counted, with a trace if unknown."""
    until, left_out = float("-inf"), 0

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal until, left_out
        if clock() < until:
            left_out += 1
            return
        error, text = context.get("exception"), context.get("message", "")
        more = f"; {left_out} times since it was last said" if left_out else ""
        until, left_out = clock() + _QUIET, 0
        if isinstance(error, OSError):
            log.warning("%s: %s; raise the limit of open files (ulimit -n)%s", text, error, more)
        else:
            log.error("%s%s", text, more, exc_info=error)

    return handle


def _full() -> bytes:
    body = refused(Refusal(503, "too many connections are open", "close some, or try again in a minute")).body
    assert isinstance(body, bytes)
    head = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\n"
    return head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


_FULL: Final = _full()

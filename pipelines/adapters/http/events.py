"""One multiplexed stream of server-sent events: what the topics say, as it comes, to every open page.

An event's id is the position in all logs after it, so a page that reconnects with `Last-Event-ID` gets what it
missed, and nothing twice, from the bus itself. A client that cannot keep up is dropped: its browser reconnects and
replays. One that missed more than `_REPLAY` messages of a log gets `reset`: it should ask the JSON routes again.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import AsyncIterator, Mapping
from typing import Final

from aiohttp import web

from streamgauge.pipelines.adapters.http import keys
from streamgauge.pipelines.adapters.http.frames import TOPICS, event, frame_of, position_of
from streamgauge.pipelines.adapters.http.json import Refusal
from streamgauge.pipelines.adapters.http.security import seal
from streamgauge.pipelines.ports import Bus
from streamgauge.tracer.transport import LogError, Message

KEEP_ALIVE: Final = 15.0  # seconds; proxies close what is silent for longer, and a page takes it for cut
MAX_CLIENTS: Final = 500
_QUEUE: Final = 1000  # events that wait for one client
_QUEUE_BYTES: Final = 8_000_000  # bytes of theirs
_REPLAY: Final = 5000
_POLL: Final = 0.1
_QUIET: Final = 60.0  # seconds between two tellings that the log does not answer
_BATCH: Final = 500
_PAGE: Final = 25  # messages of a replay that one page of it holds
_PAGE_BYTES: Final = 262_144  # after which a page of it ends
_REPLAYS: Final = 4  # pages of replays that are read at a time, however many clients ask
_log = logging.getLogger(__name__)


class Client:
    """One open page: a bounded queue between the feed and its socket."""

    def __init__(self, transport: asyncio.Transport | None) -> None:
        self.waiting = 0  # bytes
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue(_QUEUE + 1)
        self._transport, self._is_open = transport, True

    def offer(self, frame: bytes) -> None:
        """Queue an event; a client with too many waiting is cut off, so that it reconnects and replays."""
        if self._is_open and (self.queue.qsize() >= _QUEUE or self.waiting + len(frame) > _QUEUE_BYTES):
            self.end()
            if self._transport is not None:
                self._transport.abort()
        elif self._is_open:
            self.waiting += len(frame)
            self.queue.put_nowait(frame)

    async def next(self) -> bytes | None:
        """The next event, None behind the last; one that says nothing where none comes for long."""
        try:
            frame = await asyncio.wait_for(self.queue.get(), KEEP_ALIVE)
        except TimeoutError:
            return b"event: alive\ndata: {}\n\n"
        self.waiting -= len(frame or b"")
        return frame

    def end(self) -> None:
        """Nothing more comes after what is queued."""
        if self._is_open:
            self._is_open = False
            self.queue.put_nowait(None)


class Feed:
    """Follows the topics and hands every event to every client."""

    def __init__(self, bus: Bus, readers: keys.Readers) -> None:
        self._bus, self._readers = bus, readers
        self.position = {log: bus.end(log) for topic in TOPICS for log in bus.logs(topic)}
        self.clients: set[Client] = set()
        self.most = MAX_CLIENTS
        self.replaying = 0  # bytes of pages that clients have not taken yet
        self._quiet_until = 0.0
        self._replays = asyncio.Semaphore(_REPLAYS)

    async def follow(self) -> None:
        """Read and hand out until cancelled."""
        while True:
            try:
                came = await self._readers.run(self._read)
            except LogError as error:
                self._warn(error)
                came = []
            for log, message in came:
                self.position[log] = message.offset + 1
                self._hand_out(message)
            if not came:
                await asyncio.sleep(_POLL)

    def _warn(self, error: LogError) -> None:
        if time.monotonic() >= self._quiet_until:
            self._quiet_until = time.monotonic() + _QUIET
            _log.warning("the event stream waits: %s", error)

    def _read(self) -> list[tuple[str, Message]]:
        logs = [log for topic in TOPICS for log in self._bus.logs(topic)]
        if logs != [*self.position]:  # a topic grew, or was made anew
            self.position = {log: self.position.get(log, 0) for log in logs}
        return [(log, message) for log in logs for message in self._bus.read(log, self.position[log], _BATCH)]

    async def missed(self, log: str, start: int, until: int, position: dict[str, int]) -> AsyncIterator[bytes]:
        """The events of a log in [start, until), a page of them at a time; `position` advances with them."""
        while start < until:
            async with self._replays:
                read = functools.partial(self._bus.read, log, start, min(_PAGE, until - start))
                batch = [message for message in await self._readers.run(read) if message.offset < until]
                page, start = b"", start if batch else until
                for message in batch:
                    position[log] = start = message.offset + 1
                    page += frame_of(message, position)
                    if len(page) >= _PAGE_BYTES:
                        break
            self.replaying += len(page)
            try:
                yield page
            finally:
                self.replaying -= len(page)

    def close(self) -> None:
        """Let every client go."""
        for client in self.clients:
            client.end()

    def _hand_out(self, message: Message) -> None:
        frame = frame_of(message, self.position) if self.clients else b""
        if frame:
            for client in self.clients:
                client.offer(frame)


FEED: Final = web.AppKey("feed", Feed)


def add(app: web.Application) -> None:
    """Add the stream and the task that feeds it."""
    app.router.add_get("/api/events", events)
    app.cleanup_ctx.append(_feeding)
    app.on_shutdown.append(_shutdown)


def clients(app: web.Application) -> int:
    """How many pages follow the stream. Any thread may ask."""
    return len(app[FEED].clients) if FEED in app else 0


def held_bytes(app: web.Application) -> int:
    """Bytes that wait for pages, in replays too. Any thread may ask."""
    return app[FEED].replaying + sum(one.waiting for one in tuple(app[FEED].clients)) if FEED in app else 0


def bound(app: web.Application, connections: int) -> None:
    """Of so many connections a quarter is never a page's, so that probes and requests are answered however many are."""
    app[FEED].most = min(MAX_CLIENTS, connections - connections // 4)


async def events(request: web.Request) -> web.StreamResponse:
    """The stream of one page."""
    feed = request.app[FEED]
    if len(feed.clients) >= feed.most:
        raise Refusal(503, f"{feed.most} pages are open already", "close one, or try again later")
    asked = request.headers.get("Last-Event-ID") or request.query.get("since", "")
    since = position_of(asked, feed.position)
    client, until = Client(request.transport), dict(feed.position)
    feed.clients.add(client)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
    seal(response)
    with contextlib.suppress(ConnectionResetError, asyncio.CancelledError):  # the page was closed, or the server stops
        try:
            await response.prepare(request)
            await response.write(b"retry: 1000\n" + event("hello", {}, since or until))
            if since is not None:
                await _replay(feed, response, since, until)
            elif asked:  # of other logs than there are now
                await response.write(event("reset", {}, until))
            await _pump(response, client)
        finally:
            feed.clients.discard(client)
    return response


async def _pump(response: web.StreamResponse, client: Client) -> None:
    while True:
        frame = await client.next()
        if frame is None:
            return
        await response.write(frame)


async def _replay(
    feed: Feed, response: web.StreamResponse, since: Mapping[str, int], until: Mapping[str, int]
) -> None:
    """Send what lies between two positions, log by log; the ids advance with it."""
    if any(not 0 <= end - since[log] <= _REPLAY for log, end in until.items()):
        await response.write(event("reset", {}, until))
        return
    position = dict(since)
    for log, end in until.items():
        async for page in feed.missed(log, since[log], end, position):
            await response.write(page)
        position[log] = end
    await response.write(event("replayed", {}, until))


async def _feeding(app: web.Application) -> AsyncIterator[None]:
    app[FEED] = feed = Feed(app[keys.SOURCES].bus, app[keys.READERS])
    task = asyncio.create_task(feed.follow())
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _shutdown(app: web.Application) -> None:
    app[FEED].close()

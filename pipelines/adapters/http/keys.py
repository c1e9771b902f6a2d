"""What every route finds in the application: its sources, and the threads that read for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple, TypeVar

from aiohttp import web

from streamgauge.pipelines.config.schema import Config
from streamgauge.pipelines.ports import Bus, Query
from streamgauge.pipelines.process_metrics import ProcessMetrics

_READERS: Final = 4  # threads that read the store, each with its own connection
T = TypeVar("T")


class Sources(NamedTuple):
    """What the surface reads and writes; `open_query` is called once a reading thread."""

    config: Config
    bus: Bus
    open_query: Callable[[], Query]
    health: Callable[[], dict[str, Any]]
    process_metrics: Callable[[], ProcessMetrics]
    unready: Callable[[], tuple[str, ...]]
    topology: Callable[[str], Any]
    now: Callable[[], float]
    silent: Callable[[str], tuple[str, ...]] = lambda job: ()  # workers not heard of for three of their intervals


class Readers:
    """Threads that read the store and the bus, so that no query holds up the event loop."""

    def __init__(self, open_query: Callable[[], Query]) -> None:
        self._pool = ThreadPoolExecutor(_READERS, thread_name_prefix="http-reader")
        self._open, self._local = open_query, threading.local()

    async def query(self, ask: Callable[[Query], T]) -> T:
        """Ask the store."""
        return await self.run(lambda: ask(self._own()))

    async def run(self, work: Callable[[], T]) -> T:
        """Do blocking work."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Stop; a query under way ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _own(self) -> Query:
        if not hasattr(self._local, "query"):
            self._local.query = self._open()
        query: Query = self._local.query
        return query


SOURCES: Final = web.AppKey("sources", Sources)
READERS: Final = web.AppKey("readers", Readers)

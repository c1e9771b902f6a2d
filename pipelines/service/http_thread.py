"""The HTTP surface in a thread of its own, with its own event loop."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, Final

from streamgauge.pipelines.adapters.http import server

_LEAST_WAIT: Final = 10.0  # seconds in which it must end


class HttpThread(threading.Thread):
    """The HTTP surface with an event loop of its own."""

    def __init__(self, app: Any, host: str, port: int) -> None:
        super().__init__(name="http", daemon=True)
        self._app, self._host, self._port = app, host, port
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._begun = threading.Event()
        self._address = ""
        self._error: Exception | None = None

    def begin(self) -> str:
        """Listen; the address. Raises OSError if the port is taken."""
        self.start()
        self._begun.wait()
        if self._error is not None:
            self.join()  # it ends by itself
            raise self._error
        return self._address

    def end(self) -> None:
        """Stop listening and let every client go."""
        if self.is_alive():
            self._loop.call_soon_threadsafe(self._ended.set)
            self.join(_LEAST_WAIT)

    def run(self) -> None:
        """The thread's life."""
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        try:
            listening = await server.serve(self._app, self._host, self._port)
            self._address = listening.address
        except Exception as error:
            self._error = error
            return
        finally:
            self._begun.set()
        await self._ended.wait()
        await listening.cleanup()

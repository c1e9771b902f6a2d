"""Servers started by hand: until Ctrl-C or SIGTERM, in a folder that goes with them."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol


class Server(Protocol):
    """What can be stopped."""

    def stop(self) -> None:
        """Stop it."""
        ...


def serve(name: str, start: Callable[[Path], tuple[Server, str]]) -> None:
    """Run what `start` starts in an empty folder; it also gives the line to print."""
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))  # both raise KeyboardInterrupt
    folder = Path(tempfile.mkdtemp(prefix=f"streamgauge-{name}-"))
    server: Server | None = None
    try:
        server, told = start(folder)
        print(told, flush=True)
        signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)

"""Ports for the servers that the tests run."""

from __future__ import annotations

import os
import random
import socket
from typing import Final

WORKERS: Final = 8  # of pytest-xdist: each has ports of its own, as a port is not taken until its server is up
_given: Final[set[int]] = set()


def free_port() -> int:
    """A port below the range of outgoing connections, so that nobody takes it while its server is down; never twice."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
    while True:
        port = random.SystemRandom().randrange(20_000 + worker, 32_000, WORKERS)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            return False
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True

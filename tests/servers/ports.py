"""Ports for the servers that the tests run."""

from __future__ import annotations

import random
import socket


def free_port() -> int:
    """A port below the range of outgoing connections, so that nobody takes it while its server is down."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port

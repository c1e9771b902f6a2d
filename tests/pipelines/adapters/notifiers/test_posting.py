"""The one way of posting: a deadline for all of a request, and what each answer is worth."""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from streamgauge.pipelines.adapters.notifiers.posting import PATIENCE, post
from streamgauge.pipelines.ports import NotifyError


@contextmanager
def receiver(*parts: bytes, pause: float = 0.0) -> Iterator[str]:
    """Answers one connection with `parts`, `pause` seconds before each."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                for part in parts:
                    time.sleep(pause)
                    try:
                        connection.sendall(part)
                    except OSError:
                        return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/hook"


def failure(url: str, deadline: float = 5.0) -> NotifyError:
    with pytest.raises(NotifyError) as caught:
        post("phone", url, b"{}", {}, deadline=deadline)
    return caught.value


def test_an_answer_of_2xx_is_delivered() -> None:
    with receiver(b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok") as url:
        assert post("phone", url, b"{}", {}) == b"ok"


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"])
def test_a_receiver_that_drips_a_byte_at_a_time_is_left_at_the_deadline(head: bytes) -> None:
    drip = [head, *(b"x" for _ in range(200))] if head else [b"H"] + [b"T"] * 200
    with receiver(*drip, pause=0.1) as url:
        error = failure(url, deadline=0.5)
    assert error.retryable
    assert str(error) == "phone: no whole answer within 0.5 s"


@pytest.mark.parametrize(
    ("status", "retryable", "patience"),
    [
        (302, True, PATIENCE), (307, True, PATIENCE), (401, True, PATIENCE), (404, True, PATIENCE),
        (408, True, math.inf), (429, True, math.inf), (500, True, math.inf), (503, True, math.inf),
        (400, False, math.inf), (413, False, math.inf), (422, False, math.inf),
    ],
)  # fmt: skip
def test_what_an_answer_says_of_the_next_attempt(status: int, retryable: bool, patience: float) -> None:
    head = b"HTTP/1.1 %d X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n" % status
    with receiver(head) as url:
        error = failure(url)
    assert (error.retryable, error.patience) == (retryable, patience)


def test_nobody_at_the_address_and_what_is_no_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert failure(f"http://127.0.0.1:{port}/").retryable
    with receiver(b"220 mail.example ESMTP\r\n") as url:
        assert not failure(url).retryable

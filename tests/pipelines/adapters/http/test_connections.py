"""Connections within bounds: half a header, too many of them, bytes that are no HTTP; wrong tokens; hosts; paths."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamgauge.pipelines.adapters.http import connections, events
from streamgauge.pipelines.adapters.http.connections import quiet
from streamgauge.pipelines.adapters.http.guesses import FREE, LONGEST, Guesses
from streamgauge.pipelines.adapters.http.security import Guard, host_of
from tests.pipelines.adapters.http.test_server import TOKEN, Running, until


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADER_TIMEOUT", 0.5)
    monkeypatch.setattr(connections, "most_connections", lambda files: 8)
    monkeypatch.setattr("streamgauge.pipelines.adapters.http.server.most_connections", lambda files: 8)


@pytest.fixture
def running(few: None, tmp_path: Path) -> Iterator[Running]:
    one = Running(tmp_path)
    yield one
    one.stop()


def connected(running: Running, sent: bytes) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", running.port), timeout=10)
    made.sendall(sent)
    return made


def test_half_a_header_is_cut_off_however_slowly_it_goes_on(running: Running) -> None:
    half = connected(running, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
    with contextlib.suppress(OSError), half:  # reset or broken pipe, as it comes
        for _ in range(200):
            half.sendall(b"X-Slow: 1\r\n")
            time.sleep(0.05)
        pytest.fail("it was still listened to after 10 s")


def test_beyond_the_most_connections_the_longest_idle_one_makes_room(running: Running) -> None:
    idle = [connected(running, b"GET /he") for _ in range(40)]
    assert running.ask("/healthz")[0] == 200
    for one in idle:
        one.close()


def streams_of(running: Running, count: int) -> list[socket.socket]:
    asked = f"GET /api/events HTTP/1.1\r\nHost: localhost:{running.port}\r\n\r\n".encode()
    streams = [connected(running, asked) for _ in range(count)]
    for stream in streams:
        assert stream.recv(12) == b"HTTP/1.1 200"
    return streams


def test_pages_leave_a_quarter_of_the_connections_to_probes_and_requests(running: Running) -> None:
    streams = streams_of(running, 6)
    status, answer, _ = running.ask("/api/events")
    assert (status, answer["error"]) == (503, "6 pages are open already")
    assert running.ask("/healthz")[0] == 200
    for one in streams:
        one.close()


def test_when_all_are_served_the_next_one_is_told(few: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "bound", lambda app, connections: None)
    running = Running(tmp_path)
    streams = streams_of(running, 8)
    status, answer, _ = running.ask("/healthz")
    assert (status, answer["error"]) == (503, "too many connections are open")
    for stream in streams:
        stream.close()
    until(lambda: running.ask("/healthz")[0] == 200)
    running.stop()


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nbad header\r\n\r\n"]
)
def test_what_is_no_http_is_an_error_with_a_remedy(running: Running, sent: bytes) -> None:
    with connected(running, sent) as one:
        head, _, body = b"".join(iter(lambda: one.recv(4096), b"")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.")
    assert b"application/json" in head
    assert set(json.loads(body)) == {"error", "remedy"}


@pytest.mark.parametrize(
    "path", ["/" + "a" * 300, "/js/" + "b" * 900, "/" + "c" * 2000, "/%00", "/js/%00x", "/api/jobs/%0a/scores"]
)
def test_a_path_that_nothing_can_have_is_not_found(tmp_path: Path, path: str) -> None:
    (tmp_path / "index.html").write_text("page")
    running = Running(tmp_path, static=tmp_path)
    status, answer, _ = running.ask(path)
    running.stop()
    assert (status, set(answer)) == (404, {"error", "remedy"})


@pytest.mark.parametrize(
    "header", ["evil@localhost", "localhost/x", "localhost:1:2", "localhost:", "", "[::1", "evil.example"]
)
def test_a_host_is_checked_exactly(running: Running, header: str) -> None:
    assert running.ask("/api/jobs", headers={"Host": header})[0] == 421


def test_off_loopback_a_name_must_be_known_and_an_address_may_be_any() -> None:
    guard = Guard("0.0.0.0", TOKEN, frozenset({"gauge.example"}), frozenset({"box"}))
    known = [host for host in ("gauge.example:80", "BOX", "10.1.2.3:8470", "[fe80::1]", "evil.example", "box.evil") if
             guard._answers_for(host_of(host) or "")]
    assert known == ["gauge.example:80", "BOX", "10.1.2.3:8470", "[fe80::1]"]


def test_wrong_tokens_make_an_address_wait_longer_each_time_and_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    now = 1000.0
    guesses = Guesses(lambda: now)
    for _ in range(FREE):
        guesses.failed("10.0.0.7")
    assert guesses.wait("10.0.0.7") == 0.0
    waits = []
    for _ in range(12):
        guesses.failed("10.0.0.7")
        waits.append(guesses.wait("10.0.0.7"))
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (1.0, LONGEST)
    assert guesses.wait("10.0.0.8") == 0.0
    assert len(caplog.records) == 1
    now += LONGEST
    assert guesses.wait("10.0.0.7") == 0.0
    guesses.failed("10.0.0.7")
    assert guesses.wait("10.0.0.7") == LONGEST
    now += 900.0
    guesses.failed("10.0.0.7")
    assert guesses.wait("10.0.0.7") == 0.0


def test_a_right_token_is_let_in_while_the_address_of_wrong_ones_waits_and_forgives_none(tmp_path: Path) -> None:
    running = Running(tmp_path, TOKEN)
    silence = {"matchers": [{"label": "worker", "value": "u"}], "end": 100.0}

    def said(token: str) -> tuple[int, str]:
        status, _, headers = running.ask("/api/jobs/a/silence", silence, {"Authorization": f"Bearer {token}"})
        return status, headers.get("Connection", "")

    def until_refused() -> int:
        for looked_at in range(60):
            if (answer := said("a-wrong-token")) != (401, ""):
                assert answer == (429, "close")
                return looked_at
        raise AssertionError("60 wrong tokens and no wait")

    assert until_refused() > FREE
    assert said(TOKEN)[0] == 202
    assert until_refused() <= FREE
    running.stop()


def test_what_the_system_refuses_is_said_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now, loop = 0.0, asyncio.new_event_loop()
    handle = quiet(logging.getLogger("test"), lambda: now)
    for second in range(100):
        now = float(second)
        handle(loop, {"message": "accept() out of system resource", "exception": OSError(24, "Too many open files")})
    loop.close()
    assert [record.exc_info for record in caplog.records] == [None, None]
    assert "59 times" in caplog.text

"""The dead-man's switch says once a minute that notifications are read, also after it could not, and tells nothing."""

from __future__ import annotations

import socket

from streamgauge.anomaly.types import Notification
from streamgauge.pipelines.adapters.notifiers.heartbeat import Heartbeat
from streamgauge.pipelines.config.schema import Receiver
from streamgauge.pipelines.paging.outbox import Outbox
from streamgauge.tracer.transport import MemoryLog
from tests.pipelines.adapters.notifiers.test_posting import receiver
from tests.pipelines.adapters.notifiers.test_webhook import notification


def test_it_beats_once_a_minute_while_its_outbox_has_nothing_to_tell() -> None:
    clock = [100.0]
    with receiver(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as url:
        beat = Heartbeat(Receiver(name="dead-man", kind="heartbeat", url=url), now=lambda: clock[0])
        outbox = Outbox(MemoryLog(), beat)
        outbox.step()
        clock[0] = 159.0
        outbox.step()  # the receiver takes one connection: a second would be refused
        assert outbox.error == ""
    told: Notification = notification()
    beat.notify(told)


def test_who_hears_no_beat_is_the_outboxs_error_and_the_next_minute_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    clock = [100.0]
    one = Receiver(name="dead-man", kind="heartbeat", url=f"http://127.0.0.1:{port}/")
    beat = Heartbeat(one, now=lambda: clock[0])
    outbox = Outbox(MemoryLog(), beat)
    outbox.step()
    assert "heartbeat dead-man" in outbox.error
    with receiver(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as url:
        beat._url = url
        clock[0] = 130.0
        outbox.step()
        assert outbox.error, "it is not time yet"
        clock[0] = 161.0
        outbox.step()
        assert outbox.error == ""

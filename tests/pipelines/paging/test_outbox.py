"""The outbox: each notification is told, once unless a crash comes between telling and marking, and in order."""

from __future__ import annotations

import pytest

from streamgauge.anomaly.types import Alert, Decision, Notification, Reason
from streamgauge.pipelines.paging.outbox import Outbox
from streamgauge.pipelines.ports import NotifyError
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.outputs import DeadLetter
from streamgauge.tracer.transport import MemoryLog

ALERT = Alert(
    fingerprint="f", node="n", job="a", domain="sample", entity="", worker="", metric="m", severity="page", score=9.0,
    start=0.0, arrival=0.0,
)  # fmt: skip
REASON = Reason(decision="root", text="nothing upstream")


def notification(number: int) -> bytes:
    return outputs.encode(
        Notification(id=f"n{number}", job="a", status="firing", time=0.0, root=ALERT, reason=REASON, text="t")
    )


class Phone:
    """Somebody who is told; `failures` says what goes wrong next."""

    name = "phone"

    def __init__(self) -> None:
        self.told: list[str] = []
        self.failures: list[bool] = []  # is it retryable?

    def notify(self, notification: Notification) -> None:
        if self.failures:
            raise NotifyError("no line", retryable=self.failures.pop(0))
        self.told.append(notification.id)


def exhaust(outbox: Outbox) -> None:
    while outbox.step():
        pass


def test_notifications_are_told_in_order_and_decisions_are_not() -> None:
    log, phone = MemoryLog(), Phone()
    outbox = Outbox(log, phone)
    decision = Decision(job="a", time=0.0, alert=ALERT, state="sent", reason=REASON)
    log.send([("alerts", "a", notification(1)), ("alerts", "a", outputs.encode(decision)), ("alerts", "a", b"\xc1")])
    log.send([("alerts", "a", notification(2))])
    exhaust(outbox)
    exhaust(Outbox(log, phone))
    assert phone.told == ["n1", "n2"]
    assert (outbox.sent, outbox.failed, outbox.lag(log)) == (2, 0, 0)


def test_what_the_pager_repeats_after_its_crash_is_told_once() -> None:
    log, phone = MemoryLog(), Phone()
    exhaust(Outbox(log, phone))
    log.send([("alerts", "a", notification(n)) for n in (1, 2, 1, 2, 3)])
    outbox = Outbox(log, phone, batch=2)
    outbox.step()
    exhaust(Outbox(log, phone))
    assert phone.told == ["n1", "n2", "n3"]


def test_a_retryable_failure_is_tried_again_with_growing_pauses() -> None:
    log, phone, pauses = MemoryLog(), Phone(), list[float]()
    outbox = Outbox(log, phone, pause=lambda seconds: bool(pauses.append(seconds)))
    log.send([("alerts", "a", notification(1)), ("alerts", "a", notification(2))])
    phone.failures = [True] * 7
    exhaust(outbox)
    assert phone.told == ["n1", "n2"]
    assert pauses == [1.0, 2.0, 5.0, 10.0, 30.0, 30.0, 45.0]


def test_a_stop_while_it_waits_leaves_the_notification_unmarked() -> None:
    log, phone = MemoryLog(), Phone()
    outbox = Outbox(log, phone, pause=lambda seconds: True)
    log.send([("alerts", "a", notification(1))])
    phone.failures = [True]
    assert outbox.step() == 0
    assert phone.told == []
    exhaust(Outbox(log, phone))
    assert phone.told == ["n1"]


def test_a_final_failure_is_a_dead_letter_and_the_next_is_told() -> None:
    log, phone = MemoryLog(), Phone()
    outbox = Outbox(log, phone)
    log.send([("alerts", "a", notification(1)), ("alerts", "a", notification(2))])
    phone.failures = [False]
    exhaust(outbox)
    assert phone.told == ["n2"]
    letter = outputs.decode(log.read("dead-letters", 0, 1)[0].value)
    assert isinstance(letter, DeadLetter)
    assert (letter.reason, letter.text) == ("not delivered", "phone: no line")


def test_a_crash_between_telling_and_marking_tells_again_under_the_same_id() -> None:
    class Crashing(Phone):
        def notify(self, notification: Notification) -> None:
            super().notify(notification)
            raise KeyboardInterrupt

    log, phone, crashing = MemoryLog(), Phone(), Crashing()
    outbox = Outbox(log, crashing)
    log.send([("alerts", "a", notification(1))])
    with pytest.raises(KeyboardInterrupt):
        outbox.step()
    exhaust(Outbox(log, phone))
    assert crashing.told == phone.told == ["n1"]


def test_a_notifier_that_is_new_to_an_old_log_is_not_told_the_past() -> None:
    log, phone = MemoryLog(), Phone()
    log.send([("alerts", "a", notification(1))])
    outbox = Outbox(log, phone)
    log.send([("alerts", "a", notification(2))])
    exhaust(outbox)
    assert phone.told == ["n2"]


def test_what_somebody_may_mend_is_tried_for_its_patience_and_then_a_dead_letter() -> None:
    class Moved(Phone):
        def notify(self, notification: Notification) -> None:
            raise NotifyError("answered 404", retryable=True, patience=100.0)

    log, pauses = MemoryLog(), list[float]()
    outbox = Outbox(log, Moved(), pause=lambda seconds: bool(pauses.append(seconds)))
    log.send([("alerts", "a", notification(1))])
    exhaust(outbox)
    assert sum(pauses) == 123.0
    assert (outbox.failed, outbox.error, outbox.waited) == (1, "answered 404", 0.0)

"""The outbox: a notification is on `alerts` before anybody is told; each notifier follows with an offset of its own.

The committed offset is the mark "sent". A crash between sending and marking sends the same notification, under the
same id, again; what the pager repeats after a crash of its own is recognised by its bytes and not sent. A notifier that
is down delays only itself: a retryable failure is tried again with growing pauses, for as long as it has patience;
another one is a dead letter.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

from streamgauge.anomaly.types import Notification
from streamgauge.pipelines.paging.stored import stored_of
from streamgauge.pipelines.ports import Bus, Notifier, NotifyError
from streamgauge.pipelines.wire import states
from streamgauge.pipelines.wire.dead_letters import dead_letter
from streamgauge.pipelines.wire.offsets import Offsets
from streamgauge.tracer import codec
from streamgauge.tracer.transport import Message

_TOPIC: Final = "alerts"
_IDENTITY_BYTES: Final = 90
_REMEMBERED: Final = 500  # identities of sent notifications: more than a pager re-sends after a crash
_PAUSES: Final = (1.0, 2.0, 5.0, 10.0, 30.0, 30.0, 45.0, 60.0)  # seconds before the next attempt, the last for all
_log = logging.getLogger(__name__)


class _Sent(msgspec.Struct, array_like=True):
    version: int
    identities: list[str]


class Outbox:
    """Tells one notifier what `alerts` says. `step` is called again and again, by one thread.

    Args:
        bus: the log.
        notifier: whom to tell.
        pause: waits so many seconds, or less when the process stops; True if it stops.
        name: whose offsets these are, by default the notifier's.
    """

    def __init__(
        self, bus: Bus, notifier: Notifier, *, pause: Callable[[float], bool] | None = None, name: str = "",
        batch: int = 100,
    ) -> None:  # fmt: skip
        self._bus, self._notifier, self._batch = bus, notifier, batch
        self._pause = pause or threading.Event().wait
        self.name = name or f"notifier/{notifier.name}"
        self.sent = self.failed = self.attempts = 0
        self.waited = 0.0  # seconds of pauses before the next attempt at what waits
        self.error = ""  # of the last attempt, "" after one that went well
        offsets, state = bus.committed(self.name)
        sent = states.read("outbox", state, _Sent).identities if state else []
        self._identities = deque(sent, maxlen=_REMEMBERED)
        # A notifier that is new to an old log is told what comes from now on, not the past.
        start = offsets or {log: bus.end(log) for log in bus.logs(_TOPIC)}
        self._reading = Offsets(bus, (_TOPIC,), start)
        self._mark()

    def step(self) -> int:
        """Tell what is new; how many messages were read."""
        read = 0
        for log, messages in self._reading.next(self._batch).items():
            for message in messages:
                if not self._tell(log, message):
                    return 0
                self._reading.advance({log: [message]})
            read += len(messages)
        if read:
            self._bus.commit(self.name, self._reading.offsets)
        else:
            self._idle()
        return read

    @property
    def held_bytes(self) -> int:
        """Of what was told already, about. Any thread may ask."""
        return _IDENTITY_BYTES * len(self._identities)

    def lag(self, bus: Bus) -> int:
        """Messages not yet looked at, asked of a bus of the caller's."""
        return self._reading.lag(bus)

    def _tell(self, log: str, message: Message) -> bool:
        """Deliver one message if it is a notification that was not sent; False if the process stops before it is."""
        notification = _notification_of(message)
        identity = codec.identity_of(message.value)
        if notification is None or identity in self._identities:
            return True
        while not self._deliver(message, notification):
            pause = _PAUSES[min(self.attempts, len(_PAUSES)) - 1]
            self.waited += pause
            if self._pause(pause):
                return False
        self.attempts, self.waited = 0, 0.0
        self._identities.append(identity)
        self._reading.advance({log: [message]})
        self._mark()
        return True

    def _idle(self) -> None:
        """Some receivers want to hear again and again of what fires."""
        idle = getattr(self._notifier, "idle", None)
        if idle is None:
            return
        try:
            if idle():
                self.error = ""
        except NotifyError as error:
            self.error = str(error)
            _log.warning("%s: what fires was not said again: %s", self.name, error)

    def _deliver(self, message: Message, notification: Notification) -> bool:
        try:
            self._notifier.notify(notification)
        except NotifyError as error:
            self.error = str(error)
            if error.retryable and self.waited < error.patience:
                self.attempts += 1
                _log.warning("%s: %s was not delivered and is tried again: %s", self.name, notification.id, error)
                return False
            self.failed += 1
            _log.error("%s: %s cannot be delivered: %s", self.name, notification.id, error)
            self._bus.send([dead_letter(message, "not delivered", f"{self._notifier.name}: {error}")])
            return True
        self.sent += 1
        self.error = str(getattr(self._notifier, "failing", ""))
        return True

    def _mark(self) -> None:
        state = msgspec.msgpack.encode(_Sent(states.written("outbox"), list(self._identities)))
        self._bus.commit(self.name, self._reading.offsets, state)


def _notification_of(message: Message) -> Notification | None:
    try:
        record = stored_of(message)
    except ValueError:
        return None
    return record if isinstance(record, Notification) else None

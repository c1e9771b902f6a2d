"""What leaves the process: the outbox, and the sending that may be slow, fail and try again unnoticed."""

from __future__ import annotations

from typing import Final

from streamgauge.tracer.buffer import Buffer, Priority
from streamgauge.tracer.faults import Faults
from streamgauge.tracer.transport import LogError, Transport

Message = tuple[str, str, bytes]
BATCH_BYTES: Final = 1_000_000
FAILURES: Final = (Exception, SystemExit)  # a transport that wants the process to end may not end a training job


class Sender:
    """Sends what waits, in order. What the bus refuses for good is dropped and counted, everything else is kept."""

    def __init__(self, transport: Transport, faults: Faults, limit: int) -> None:
        self.outbox: Buffer[Message] = Buffer(limit)
        self.sent = 0  # messages
        self.trouble = ""  # why the last sending failed, "" if it did not
        self._transport = transport
        self._faults = faults
        self._unsent: list[Message] = []

    @property
    def is_empty(self) -> bool:
        """Whether everything has been sent."""
        return not self._unsent and not len(self.outbox)

    def put(self, topic: str, key: str, value: bytes, priority: Priority, points: int = 0) -> bool:
        """Queue a message, or count it as dropped."""
        return self.outbox.put((topic, key, value), len(value) + len(key) + 64, priority, points)

    def pump(self) -> bool:
        """Send until nothing waits; False when the bus fails, everything unsent is kept."""
        while not self.is_empty:
            if not self._unsent:
                self._unsent = self.outbox.drain(BATCH_BYTES)
            if not self._send():
                return False
        return True

    def _send(self) -> bool:
        batch = self._unsent
        try:
            self._transport.send(batch)
        except FAILURES as error:
            self._failed(error)
            if isinstance(error, LogError) and not error.retryable:
                return self._send_singly()
            return False
        self._unsent, self.trouble = [], ""
        self.sent += len(batch)
        return True

    def _send_singly(self) -> bool:
        """One message spoils the batch: send them one by one and leave it out."""
        while self._unsent:
            try:
                self._transport.send(self._unsent[:1])
                self.sent += 1
            except FAILURES as error:
                if not isinstance(error, LogError) or error.retryable:
                    self._failed(error)
                    return False
                self._faults.count("refused", error, trips=False)
            self._unsent = self._unsent[1:]
        return True

    def _failed(self, error: BaseException) -> None:
        self._faults.count("send", error, trips=False)
        self.trouble = f"sending fails: {type(error).__name__}: {error}"[:500]

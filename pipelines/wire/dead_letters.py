"""What stands in the place of a record that cannot be used or sent: why, and its bytes."""

from __future__ import annotations

import logging
from typing import Final

from streamgauge.pipelines.ports import Bus
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.outputs import DeadLetter, Output
from streamgauge.tracer import codec
from streamgauge.tracer.transport import LogError, Message, oversize

_SHOWN: Final = 16_384  # bytes of what a log refuses that its dead letter keeps
_log = logging.getLogger(__name__)


def dead_letter(message: Message, reason: str, text: str) -> Output:
    """What is sent in place of a message that cannot be used."""
    identity = codec.identity_of(message.value)
    letter = DeadLetter(
        identity=identity, reason=reason, text=text, topic=message.topic, key=message.key, data=message.value
    )
    return Output("dead-letters", message.key, outputs.encode(letter))


def deliver(bus: Bus, unsent: list[Output]) -> None:
    """Send all and empty the list; in the place of one that the log will never take goes a dead letter.

    Raises LogError: what is left in the list is unsent.
    """
    try:
        bus.send(unsent)
    except LogError as error:
        if error.retryable:
            raise
        _deliver_singly(bus, unsent)
    unsent.clear()


def fitting(message: tuple[str, str, bytes], most: int) -> tuple[str, str, bytes]:
    """A message, or its dead letter for a log that takes at most `most` bytes: a host would try it again for ever."""
    text = oversize(*message, most)
    return _refused(message, text) if text else message


def _deliver_singly(bus: Bus, unsent: list[Output]) -> None:
    while unsent:
        try:
            bus.send(unsent[:1])
        except LogError as error:
            if error.retryable:
                raise
            _log.error("the log takes no such record: %s", error)
            bus.send([_refused(unsent[0], str(error))])
        del unsent[0]


def _refused(message: tuple[str, str, bytes], text: str) -> Output:
    """What is sent in place of a message that the log will never take; of its bytes only the first ones."""
    topic, key, value = message
    letter = DeadLetter(
        identity=codec.identity_of(value), reason="refused by the log", text=text, topic=topic, key=key,
        data=value[:_SHOWN],
    )  # fmt: skip
    return Output("dead-letters", key, outputs.encode(letter))

"""What a transport does on brokers that may be away: False where it says that waiting can help."""

from __future__ import annotations

from collections.abc import Mapping

from streamgauge.tracer.kafka.transport import KafkaTransport
from streamgauge.tracer.transport import LogError


def sends(transport: KafkaTransport, messages: list[tuple[str, str, bytes]]) -> bool:
    """Whether the brokers took the messages."""
    try:
        transport.send(messages)
    except LogError as error:
        if not error.retryable:
            raise
        return False
    return True


def sees(transport: KafkaTransport, values: Mapping[str, bytes]) -> bool:
    """Whether these are the values on the control topic."""
    try:
        return dict(transport.latest("control")) == values
    except LogError as error:
        if not error.retryable:
            raise
        return False

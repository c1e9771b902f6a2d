"""Which records on the bus a store keeps, and as what; pure."""

from __future__ import annotations

from streamgauge.anomaly.types import Ack, Decision, Notification, Silence, Unsuppress
from streamgauge.pipelines.paging.annotations import change_of
from streamgauge.pipelines.ports import Stored
from streamgauge.pipelines.wire import outputs
from streamgauge.tracer.transport import Message

STORED = outputs.KINDS | outputs.kinds_of(Decision, Notification, Ack, Silence, Unsuppress)


def stored_of(message: Message) -> Stored | None:
    """The record in a message, None if it is of a kind that the store does not keep. Raises ValueError for neither."""
    kind, _ = outputs.opened(message.value)
    if kind not in STORED:
        return None
    record = outputs.decode(message.value, STORED)
    stored: Stored = change_of(record) if isinstance(record, Ack | Silence | Unsuppress) else record
    return stored

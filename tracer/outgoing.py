"""What a life puts on the bus, as messages (topic, key, value): its records, the arrays that plans ask for, events."""

from __future__ import annotations

from collections.abc import Iterator

from streamgauge.tracer import arrays, codec, control, records
from streamgauge.tracer.events import Happened, Raw
from streamgauge.tracer.inputs import Array
from streamgauge.tracer.records import TraceBatch
from streamgauge.tracer.sender import Message
from streamgauge.tracer.settings import Settings


def batch(record: TraceBatch) -> Message:
    """A record of the worker's, under its shard's key."""
    return "traces", records.key_of(record.job, record.shard, record.shards), codec.encode(record)


def happened(settings: Settings, event: Happened) -> Message:
    """An event of the job, under the key of the shard that tells of the job as a whole."""
    record = records.Event(
        job=settings.job, worker=settings.worker, name=event.name, time=event.time, text=event.text
    )
    return "traces", records.key_of(settings.job, 0, settings.shards), codec.encode(record)


def raw(settings: Settings, incarnation: str, array: Array, event: Raw) -> Iterator[Message]:
    """An array in the forms that plans ask for, in chunks."""
    about = arrays.Chunk(
        job=settings.job, worker=settings.worker, incarnation=incarnation, step=event.step, time=event.time,
        collection=event.collection, name=event.name, data=b"",
    )  # fmt: skip
    key = control.key_of(settings.job, settings.worker)
    for message in arrays.in_forms(array, about, event.emits):
        yield "tensors", key, message

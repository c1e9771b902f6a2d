"""What a pipeline said, in a form in which two runs can be compared: repeats once, the per-job numbers left out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from streamgauge.pipelines.engines.combining import combining
from streamgauge.pipelines.engines.embedded import Engine
from streamgauge.pipelines.service import assembly
from streamgauge.pipelines.stream import shards
from streamgauge.pipelines.wire import outputs
from streamgauge.tracer.records import Tick
from streamgauge.tracer.transport import MemoryLog, Message
from tests.engines import logs

TOPICS: Final = ("scores", "anomalies", "partials", "dead-letters")
_KINDS: Final[dict[str, Any]] = outputs.KINDS | shards.KINDS | {"tick": Tick}


class Answer(NamedTuple):
    """One message; `said` is its record as canonical JSON."""

    topic: str
    key: str
    said: bytes


class Run(NamedTuple):
    """A log on which an engine ran, and what came of it."""

    log: MemoryLog
    answers: frozenset[Answer]


def embedded(batch: int) -> Run:
    """All recorded logs through the embedded engine, that many messages at once."""
    config, log = logs.config(), MemoryLog()
    log.send([("traces", key, value) for key, value in logs.together()])
    engine = Engine(config, log, assembly.operator_of, batch=batch)
    combiner = combining(config, log, assembly.combiner_of)
    while engine.step() or combiner.step():
        pass
    return Run(log, of(message for topic in TOPICS for message in log.read(topic, 0, 10**9)))


def of(messages: Iterable[Message]) -> frozenset[Answer]:
    """The messages as answers."""
    return frozenset(Answer(one.topic, one.key, _said(one)) for one in messages)


def of_job(answers: frozenset[Answer], job: str) -> frozenset[Answer]:
    """What was said of one job, its name left out; not what its shards said among themselves."""
    name = msgspec.json.encode(job)
    return frozenset(
        Answer(one.topic, "", one.said.replace(b'"job":' + name, b'"job":""'))
        for one in answers
        if one.key == job and one.topic != "partials"
    )


def _said(message: Message) -> bytes:
    record = outputs.decode(message.value, _KINDS)
    keeps_number = message.topic == "partials"
    return msgspec.json.encode([
        type(record).__name__,
        {name: _exact(getattr(record, name)) for name in record.__struct_fields__ if name != "number" or keeps_number},
    ])  # fmt: skip


def _exact(value: Any) -> Any:
    """Floats by their bits, NaN among them; bytes as they are."""
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, msgspec.Struct):
        return {name: _exact(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {str(key): _exact(value[key]) for key in sorted(value)}
    return [_exact(item) for item in value] if isinstance(value, list | tuple) else value

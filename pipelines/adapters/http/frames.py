"""Messages of the bus as server-sent events, and positions in all logs of their topics as event ids; pure.

The names of the events, by the topic that they come from:

    score points profiles anomaly change counters     from `scores` and `anomalies`
    silence ack unsuppress topology                   from `anomalies`
    decision notification                             from `alerts`
    status catalogue                                  what a worker's tracer reports
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from streamgauge.anomaly.types import Ack, Decision, Notification, Score, Silence, Topology, Unsuppress
from streamgauge.pipelines.adapters.http.json import as_object
from streamgauge.pipelines.adapters.http.traces import REPORTS, report_of
from streamgauge.pipelines.adapters.stores.answers import band
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.outputs import PointColumns, Profiles
from streamgauge.tracer.transport import Message

TOPICS: Final = ("scores", "anomalies", "alerts", *REPORTS)
_SHOWN: Final = outputs.KINDS | outputs.kinds_of(Silence, Ack, Unsuppress, Topology, Decision, Notification)
_NAMES: Final = {"pointcolumns": "points"}
_encoder = msgspec.json.Encoder()


def frame_of(message: Message, position: Mapping[str, int]) -> bytes:
    """One message as an event whose id is `position`; nothing for a message that no page shows."""
    if message.topic in REPORTS:
        name, data = message.topic, report_of(message)
    else:
        name, data = _output(message)
    return event(name, data, position) if name else b""


def event(name: str, data: Any, position: Mapping[str, int]) -> bytes:
    r"""An event in the format of the HTML standard; JSON has no line breaks, so one data line holds it.

    >>> event("hello", {}, dict.fromkeys(TOPICS, 0))
    b'id: 0.0.0.0.0\nevent: hello\ndata: {}\n\n'
    """
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (id_of(position).encode(), name.encode(), _encoder.encode(data))


def id_of(position: Mapping[str, int]) -> str:
    """A position in all logs, in their order, as an event id."""
    return ".".join(str(offset) for offset in position.values())


def position_of(text: str, logs: Collection[str]) -> dict[str, int] | None:
    """The position in these logs that an event id stands for, None for what is none.

    >>> position_of("1.2.3.4.5", TOPICS)["alerts"], position_of("x", TOPICS)
    (3, None)
    """
    parts = text.split(".")
    if len(parts) != len(logs) or not all(part.isascii() and part.isdigit() and len(part) < 16 for part in parts):
        return None
    return {log: int(part) for log, part in zip(logs, parts, strict=True)}


def _output(message: Message) -> tuple[str, Any]:
    try:
        kind, _ = outputs.opened(message.value)
        if kind not in _SHOWN:
            return "", None
        record = outputs.decode(message.value, _SHOWN)
    except ValueError:
        return "", None
    return _NAMES.get(kind, kind), _brief(record)


def _brief(record: Any) -> Any:
    """Columns stay in the store: a page is told that there are new ones and asks for those it shows."""
    if isinstance(record, PointColumns):
        n = len(record.value) // 8
        return {"job": record.job, "window": record.window, "start": record.start, "end": record.end,
                "revision": record.revision, "series": n}  # fmt: skip
    if isinstance(record, Profiles):
        return {"job": record.job, "worker": record.worker, "window": record.window, "start": record.start,
                "end": record.end}  # fmt: skip
    if isinstance(record, Score):
        return as_object(record) | {"score": record.value, "band": band(record.micropoints)}
    return as_object(record)

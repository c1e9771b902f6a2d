"""What the service does for an engine wherever that runs: the configuration into the jobs' logs, and the jobs' time.

At start each job's configuration is appended as a `Setting` where it differs from the log's last one. With
`clock = "log"` the time is that of the ticks which the engine sends on to the pager.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import msgspec

from streamgauge.pipelines.config.loading import to_json
from streamgauge.pipelines.config.schema import Config
from streamgauge.pipelines.engines.routing import Routing
from streamgauge.pipelines.ports import Bus
from streamgauge.pipelines.stream.operators import CONFIG
from streamgauge.pipelines.wire import outputs
from streamgauge.tracer import codec
from streamgauge.tracer.records import Setting, Tick

_BACK: Final = 1_000  # messages of `anomalies` in which the last tick is looked for at start
_BATCH: Final = 1_000


def configure(config: Config, bus: Bus, clock: Callable[[str], float]) -> int:
    """Append each job's configuration where it differs from the log's; how many were appended.

    Args:
        config: the jobs.
        bus: the log.
        clock: the time of a key's job, seconds; 0 while it has none.
    """
    revisions = _last_settings(bus)
    messages = []
    for key, (job, shard) in Routing(config).keys.items():
        revision, body = revisions.get(key, (0, b""))
        wanted = to_json(job)
        if body != wanted:
            setting = Setting(
                job=job.name, shard=shard, name=CONFIG, revision=revision + 1, effective=clock(key), body=wanted,
            )  # fmt: skip
            messages.append(("traces", key, codec.encode(setting)))
            revisions[key] = (revision + 1, wanted)
    bus.send(messages)
    if messages:
        bus.commit("settings", {}, msgspec.msgpack.encode(revisions, order="sorted"))
    return len(messages)


class ToldTime:
    """The time of the furthest job as the pager is told it; for a service whose engine runs elsewhere."""

    def __init__(self, bus: Bus) -> None:
        self._bus, self._lock = bus, threading.Lock()
        self._offset: int | None = None
        self._time = 0.0

    def now(self) -> float:
        """Seconds; 0 before the first tick. Any thread may ask."""
        with self._lock:
            ((log, (first, end)),) = self._bus.bounds("anomalies").items()
            if self._offset is None:
                self._offset = max(first, end - _BACK)
            while messages := self._bus.read(log, self._offset, _BATCH):
                self._offset = messages[-1].offset + 1
                self._time = max(self._time, *(_time_of(message.value) for message in messages))
            return self._time


def _time_of(value: bytes) -> float:
    """The time of a tick, 0 of anything else."""
    try:
        record = outputs.decode(value, {"tick": Tick})
    except ValueError:
        return 0.0
    assert isinstance(record, Tick)
    return record.time


def _last_settings(bus: Bus) -> dict[str, tuple[int, bytes]]:
    """Revision and body of the configuration that was last appended to each key's log."""
    state = bus.committed("settings")[1]
    return {} if state is None else msgspec.msgpack.decode(state, type=dict[str, tuple[int, bytes]])

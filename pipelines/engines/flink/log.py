"""Which making of `traces` a Flink engine's state belongs to, kept in a file beside its checkpoints.

Offsets in a checkpoint mean something only in the topic that they were taken in. A topic that was deleted and made
again is read from its beginning, with what the operators have learnt; one whose keys have moved to other partitions
stops the engine.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Final

import msgspec

from streamgauge.pipelines.adapters.kafka.logs import KEYED, KafkaLogs, Making
from streamgauge.pipelines.config.schema import Kafka
from streamgauge.tracer.kafka.client import Cluster
from streamgauge.tracer.transport import LogError

_PATIENCE: Final = 10.0  # seconds for one answer of the brokers
_AGAIN: Final = 2.0
_log = logging.getLogger(__name__)


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What the state belongs to."""

    identity: str  # of the topic
    partitions: int
    times: int = 0  # how often it was made again since the state was begun


class TracesLog:
    """The topic that the engine reads, as it was and as it is.

    Args:
        kafka: the brokers.
        file: keeps what the state belongs to.
    """

    def __init__(self, kafka: Kafka, file: Path) -> None:
        self._file, self._known = file, _read(file)
        made = None if self._known is None else Making(self._known.identity, self._known.partitions)
        self._logs = KafkaLogs(Cluster(kafka.client, _PATIENCE), made)

    def settle(self, stopping: threading.Event) -> Known | None:
        """Wait for the brokers; what the topic is now, None if told to stop.

        Raises LogError when waiting cannot help.
        """
        told = ""
        while not stopping.is_set():
            try:
                self._logs.refresh()
                return self._now(self._logs.making(KEYED))
            except LogError as error:
                if not error.retryable:
                    raise
                if str(error) != told:
                    _log.warning("waiting for %s: %s", KEYED, error)
                    told = str(error)
            stopping.wait(_AGAIN)
        return None

    def keep(self, known: Known) -> None:
        """From now on the state belongs to this."""
        self._known = known
        partial = self._file.with_suffix(".partial")
        partial.write_bytes(msgspec.json.encode(known))
        partial.replace(self._file)

    def is_same(self) -> bool:
        """Whether it is still that topic; also while it is not there. Raises LogError if its keys have moved."""
        try:
            return self._now(self._logs.making(KEYED)) == self._known
        except LogError as error:
            if error.retryable or KEYED in self._logs.refresh():
                return True
            raise

    def _now(self, making: Making) -> Known:
        if self._known is None:
            return Known(identity=making.identity, partitions=making.partitions)
        is_new = self._known.identity != making.identity
        return Known(identity=making.identity, partitions=making.partitions, times=self._known.times + is_new)


def _read(file: Path) -> Known | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Known)
    except FileNotFoundError:
        return None

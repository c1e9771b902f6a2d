"""Which logs our topics have on the brokers and how far they reach: known once a process, asked again now and then.

A log is a partition of one making of a topic: `traces/0@Vx6NEi` ends with the topic's id on the brokers, so a topic
that was deleted and made again has new logs, which everybody reads from their beginning.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from typing import Any, Final, NamedTuple, get_args

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from streamgauge.pipelines.wire.outputs import Topic
from streamgauge.tracer.kafka.client import MISSING, QUIET, Cluster
from streamgauge.tracer.kafka.settings import client_settings
from streamgauge.tracer.transport import LogError

TOPICS: Final[tuple[str, ...]] = get_args(Topic)
KEYED: Final = "traces"  # the topic whose keys have state, so that none may move to another partition
_ID: Final = 6  # characters of a topic's id that tell one making of it from another
_REFRESH: Final = 10.0  # seconds
_SOON: Final = 1.0  # the same while a topic is missing
_AGAIN: Final = 0.05
_MOVED: Final = frozenset(  # a partition has just been made, or has another leader
    {
        KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH, KafkaError.OFFSET_NOT_AVAILABLE, KafkaError.REQUEST_TIMED_OUT,
    }
)  # fmt: skip
_FIRST: Final[OffsetSpec] = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_END: Final[OffsetSpec] = OffsetSpec.latest()  # type: ignore[no-untyped-call]
_log = logging.getLogger(__name__)


class Place(NamedTuple):
    """A partition of one of our topics."""

    topic: str
    partition: int


class Making(NamedTuple):
    """A topic as it was made: its id on the brokers and how many partitions it has."""

    identity: str
    partitions: int


class KafkaLogs:
    """What a process knows of the logs; any thread may ask.

    Args:
        cluster: the brokers.
        made: how `traces` was made when the state was begun, None for a new state.
    """

    def __init__(self, cluster: Cluster, made: Making | None = None) -> None:
        self._cluster = cluster
        settings: dict[str, Any] = {**QUIET, **client_settings(cluster.given), "error_cb": cluster.complain}
        self.admin = AdminClient(settings)
        self._lock = threading.Lock()
        self._due = 0.0
        self._made = made
        self._makings: dict[str, Making] = {}
        self._places: dict[str, Place] = {}
        self._faults: dict[str, LogError] = {}
        self._ends: dict[str, int] = {}

    def logs(self, topic: str) -> tuple[str, ...]:
        """The names of a topic's logs. Raises LogError while there is no such topic, or its keys have moved."""
        making = self.making(topic)
        return tuple(_name(topic, number, making) for number in range(making.partitions))

    def making(self, topic: str) -> Making:
        """How a topic was made. Raises LogError as `logs` does."""
        self._refresh_if_due()
        fault, making = self._faults.get(topic), self._makings.get(topic)
        if fault is not None:
            raise fault
        if making is None:
            raise LogError(f"{self._cluster.name} does not answer{self._cluster.why}", retryable=True)
        return making

    def place(self, log: str) -> Place | None:
        """The partition that a log is, None for one whose topic is no more."""
        return self._places.get(log)

    def refresh(self) -> list[str]:
        """Ask the brokers which topics there are; those that are missing. Raises LogError if nobody answers."""
        with self._lock:
            self._due = time.monotonic() + _REFRESH
            asked = {self._cluster.topic(topic): topic for topic in TOPICS}
            with self._cluster.faults_of(KEYED):
                answers = self.admin.describe_topics(
                    TopicCollection(list(asked)), request_timeout=self._cluster.patience
                )
            for name, answer in answers.items():
                self._learn(asked[name], answer)
            if self._faults:
                self._due = time.monotonic() + _SOON
            return [topic for topic in TOPICS if topic not in self._makings]

    def bounds(self, topic: str) -> dict[str, tuple[int, int]]:
        """(oldest offset, end) of every log of a topic, asked of the brokers now. Raises LogError."""
        name = self._cluster.topic(topic)
        places = {TopicPartition(name, number): log for number, log in enumerate(self.logs(topic))}
        first = self._offsets(topic, places, _FIRST)
        end = self._offsets(topic, places, _END)
        self._ends |= end
        return {log: (first[log], end[log]) for log in end}

    def end(self, log: str) -> int:
        """The offset that the next message of a log will have, asked of the brokers now. Raises LogError."""
        place = self.place(log)
        if place is None:
            return 0
        name = TopicPartition(self._cluster.topic(place.topic), place.partition)
        self._ends |= self._offsets(place.topic, {name: log}, _END)
        return self._ends[log]

    def reached(self, log: str) -> int:
        """How far a log is known to reach: what `end` or `bounds` told last."""
        return self._ends.get(log, 0)

    def _offsets(self, topic: str, places: Mapping[TopicPartition, str], spec: OffsetSpec) -> dict[str, int]:
        asked = dict.fromkeys(places, spec)
        deadline = time.monotonic() + self._cluster.patience
        with self._cluster.faults_of(topic):
            while True:
                answers = self.admin.list_offsets(asked, request_timeout=self._cluster.patience)
                try:
                    return {places[place]: answer.result().offset for place, answer in answers.items()}
                except KafkaException as error:
                    if error.args[0].code() not in _MOVED or time.monotonic() > deadline:
                        raise
                time.sleep(_AGAIN)

    def _refresh_if_due(self) -> None:
        if time.monotonic() < self._due or self._lock.locked():
            return
        try:
            self.refresh()
        except LogError:
            if not self._makings:
                raise  # else what is known holds until the brokers are back

    def _learn(self, topic: str, answer: Future[Any]) -> None:
        try:
            with self._cluster.faults_of(topic):
                found = answer.result()
        except LogError as error:
            cause = error.__cause__
            if isinstance(cause, KafkaException) and cause.args[0].code() in MISSING:
                self._forget(topic)
                self._faults[topic] = error
                return
            raise
        making = Making(str(found.topic_id)[:_ID], len(found.partitions))
        if topic == KEYED:
            self._check_keys(making)
        else:
            self._faults.pop(topic, None)
        if self._makings.get(topic) != making:
            self._forget(topic)
            self._makings[topic] = making
            self._places |= {_name(topic, i, making): Place(topic, i) for i in range(making.partitions)}

    def _check_keys(self, making: Making) -> None:
        """Partitions that a topic got later hold keys whose records before lie elsewhere: nobody knows their order."""
        made, self._made = self._made, self._made or making
        self._faults.pop(KEYED, None)
        if made is None or made.identity != making.identity:
            self._made = making
        elif made.partitions != making.partitions:
            name = self._cluster.topic(KEYED)
            text = (
                f"topic {name!r} has {making.partitions} partitions, {made.partitions} when its jobs began: their keys"
                f" have moved. Stop the jobs' workers, delete the topic and make it again with"
                f" {made.partitions} partitions (`streamgauge topics --create`); what was learnt is kept"
            )
            self._faults[KEYED] = LogError(text, retryable=False)

    def _forget(self, topic: str) -> None:
        self._makings.pop(topic, None)
        for log in [log for log, place in self._places.items() if place.topic == topic]:
            del self._places[log]


def _name(topic: str, partition: int, making: Making) -> str:
    return f"{topic}/{partition}@{making.identity}"


def missing(topics: Iterable[str], cluster: Cluster) -> LogError:
    """What is said of topics that are not there."""
    names = ", ".join(repr(cluster.topic(topic)) for topic in topics)
    text = f"{cluster.name} has no topics {names}; make them with `streamgauge topics --create`"
    return LogError(text, retryable=False)

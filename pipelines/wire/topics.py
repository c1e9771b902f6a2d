"""Which topics there are, how each has to be made on Kafka, and how that differs from what brokers have; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from streamgauge.pipelines.config.schema import Kafka
from streamgauge.tracer.bounds import MAX_BYTES
from streamgauge.tracer.transport import COMPACTED

SPREAD: Final = ("traces", "tensors", "partials", "scores", "state")  # over the configured partitions, by key
SINGLE: Final = ("control", "status", "catalogue", "anomalies", "alerts", "dead-letters")
GROUPS: Final = {"faust": "streamgauge-faust", "flink": "engine"}  # behind the prefix: how far an engine elsewhere is
_OF_PIPELINE: Final = frozenset({"partials", "scores", "state", "anomalies", "alerts", "dead-letters"})
LARGEST: Final = MAX_BYTES + 65_536  # bytes of a record as a dead letter
_SEGMENT: Final = 67_108_864  # bytes after which a compacted log's values can go; the brokers' default is 1 GiB


@dataclass(frozen=True)
class Topic:
    """A topic as it is wanted, or as brokers have it."""

    name: str  # ours, without the prefix
    partitions: int
    copies: int
    settings: Mapping[str, str] = field(default_factory=dict)  # the brokers' own names and words


@dataclass(frozen=True)
class Difference:
    """One thing that is not as wanted."""

    topic: str
    text: str  # what, and the remedy
    is_missing: bool = False  # `streamgauge topics --create` makes it
    settings: Mapping[str, str] = field(default_factory=dict)  # `streamgauge topics --alter` sets these


def wanted(kafka: Kafka, retention: float, found: Mapping[str, Topic]) -> list[Topic]:
    """All topics but a job's own samples; `retention` in seconds.

    `state` has the partitions that `traces` really has: a snapshot lies under the number of its partition.
    """
    traces = found["traces"].partitions if "traces" in found else kafka.partitions
    counts = {**dict.fromkeys(SPREAD, kafka.partitions), **dict.fromkeys(SINGLE, 1), "state": traces}
    return [
        Topic(name, count, kafka.replication, _settings(name, kafka.replication, retention))
        for name, count in counts.items()
    ]


def differences(wanted: Sequence[Topic], found: Mapping[str, Topic]) -> list[Difference]:
    """What is not as wanted, topic by topic.

    More or fewer partitions are told where an answer depends on them: of `traces`, `state` and `anomalies`.
    """
    told: list[Difference] = []
    for topic in wanted:
        real = found.get(topic.name)
        if real is None:
            told.append(Difference(topic.name, "missing; make it with --create", is_missing=True))
            continue
        if real.partitions != topic.partitions and topic.name in _PARTITION_REMEDIES:
            text = f"has {real.partitions} partitions, {topic.partitions} are wanted: {_PARTITION_REMEDIES[topic.name]}"
            told.append(Difference(topic.name, text.format(real=real.partitions)))
        if real.copies < topic.copies:
            text = f"has {real.copies} copies, {topic.copies} are wanted: reassign its replicas with Kafka's own tool"
            told.append(Difference(topic.name, f"{text}, or write replication = {real.copies}"))
        told.extend(
            Difference(topic.name, f"{name} is {real.settings.get(name)}, wanted is {value}; --alter sets it",
                       settings={name: value})
            for name, value in topic.settings.items()
            if real.settings.get(name) != value
        )  # fmt: skip
    return told


def _settings(name: str, copies: int, retention: float) -> dict[str, str]:
    kept = {"min.insync.replicas": "2" if copies >= 3 else "1"}
    if name in _OF_PIPELINE:
        kept["max.message.bytes"] = str(LARGEST)
    if name in COMPACTED:
        return {"cleanup.policy": "compact", "segment.bytes": str(_SEGMENT), **kept}
    return {"cleanup.policy": "delete", "retention.ms": str(int(retention * 1000)), **kept}


_PARTITION_REMEDIES: Final = {
    "traces": "they are not changed, as jobs would go on in another partition than the one with their past. Write"
    " partitions = {real}; or stop all jobs and the pipeline, give a new prefix, --create, and start them again",
    "state": "it must have as many as traces. Stop the pipeline, delete it and --create; traces is then read again",
    "anomalies": "the pager needs one order. Stop the pipeline, delete it and --create",
}

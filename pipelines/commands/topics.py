"""The command `topics`: what the topics on Kafka are and should be, and the making of those that are missing."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.config.loading import load
from streamgauge.pipelines.config.schema import Config, Kafka
from streamgauge.pipelines.wire.topics import Difference, Topic, differences, wanted

if TYPE_CHECKING:
    from streamgauge.pipelines.adapters.kafka.topics import KafkaTopics

_SPREAD: Final = 15.0  # seconds until every broker knows of a change
_POLL: Final = 0.05


def topics(args: argparse.Namespace) -> int:
    """Show all topics and what differs; 1 if something does and --check, --create or --alter was given."""
    config = load(args.config)
    if config.kafka is None:
        raise UseError(f'{args.config} has no [kafka] section; add one with bootstrap = "HOST:9092"')
    client = _client(config.kafka)
    asked, found, told = _look(client, config, config.kafka)
    if _is_changing(args, told):
        done = _change(client, asked, told, create=args.create)
        print("\n".join(done), file=sys.stderr if args.json else sys.stdout)
        deadline = time.monotonic() + _SPREAD
        while _is_changing(args, told) and time.monotonic() < deadline:
            time.sleep(_POLL)
            asked, found, told = _look(client, config, config.kafka)
    if args.json:
        print(json.dumps(_told(asked, found, told)))
    else:
        print("\n".join([*_table(asked, found), *(f"{one.topic}: {one.text}" for one in told)]))
    return int(bool(told) and (args.check or args.create or args.alter))


def _client(kafka: Kafka) -> KafkaTopics:
    try:
        from streamgauge.pipelines.adapters.kafka.topics import KafkaTopics
    except ImportError as error:
        raise UseError(str(error)) from None
    return KafkaTopics(kafka)


def _is_changing(args: argparse.Namespace, told: Iterable[Difference]) -> bool:
    """Whether there is, or still is, something that this command is to change."""
    return any((args.create and one.is_missing) or (args.alter and one.settings) for one in told)


def _look(client: KafkaTopics, config: Config, kafka: Kafka) -> tuple[list[Topic], dict[str, Topic], list[Difference]]:
    asked = wanted(kafka, config.retention.log, {})
    found = client.found([topic.name for topic in asked], {name for topic in asked for name in topic.settings})
    asked = wanted(kafka, config.retention.log, found)
    return asked, found, differences(asked, found)


def _change(client: KafkaTopics, asked: Sequence[Topic], told: Iterable[Difference], *, create: bool) -> list[str]:
    """Make or alter them; what was done."""
    if create:
        missing = {one.topic for one in told if one.is_missing}
        client.create([topic for topic in asked if topic.name in missing])
        return [f"made {', '.join(sorted(missing))}"]
    altered = [one for one in told if one.settings]
    for one in altered:
        client.alter(one.topic, one.settings)
    pairs = [(one.topic, [f"{name}={value}" for name, value in one.settings.items()]) for one in altered]
    return [f"{topic}: set {', '.join(told)}" for topic, told in pairs]


def _told(asked: Iterable[Topic], found: Mapping[str, Topic], told: Iterable[Difference]) -> dict[str, Any]:
    return {
        "topics": [
            {"topic": topic.name, "is_missing": True} if (there := found.get(topic.name)) is None else
            {"topic": topic.name, "partitions": there.partitions, "copies": there.copies,
             "settings": dict(there.settings)}
            for topic in asked
        ],
        "differences": [{"topic": one.topic, "text": one.text, "settings": dict(one.settings)} for one in told],
    }  # fmt: skip


def _table(asked: Iterable[Topic], found: Mapping[str, Topic]) -> list[str]:
    rows = [("TOPIC", "PARTITIONS", "COPIES", "CLEANUP", "RETENTION", "LARGEST")]
    rows += [_row(topic.name, found.get(topic.name)) for topic in asked]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _row(name: str, found: Topic | None) -> tuple[str, str, str, str, str, str]:
    if found is None:
        return name, "missing", "", "", "", ""
    cleanup, largest = found.settings["cleanup.policy"], found.settings.get("max.message.bytes", "")
    kept = "last of each key" if cleanup == "compact" else _days(found.settings["retention.ms"])
    return name, str(found.partitions), str(found.copies), cleanup, kept, largest


def _days(milliseconds: str) -> str:
    return "for ever" if int(milliseconds) < 0 else f"{int(milliseconds) / 86_400_000:g} d"

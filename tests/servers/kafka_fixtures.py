"""Fixtures: `kafka`, one broker for the whole session, and `kafka3`, three that a test may kill."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.servers.jars import ServerMissing, fetch

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaServers


@pytest.fixture(scope="session")
def kafka_jars() -> None:
    """Skips without Java, Maven or the jars: the real part is missing."""
    try:
        fetch("kafka-pom.xml")
    except ServerMissing as missing:
        pytest.skip(f"no Kafka here: {missing}")


@pytest.fixture(scope="session")
def kafka(kafka_jars: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServers]:
    """One broker that all tests share: take a topic prefix and group ids of your own, and leave it running."""
    yield from _servers(tmp_path_factory, 1)


@pytest.fixture(scope="module")
def kafka3(kafka_jars: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServers]:
    """Three brokers for one module: topics with three copies survive any one of them."""
    yield from _servers(tmp_path_factory, 3)


def _servers(folders: pytest.TempPathFactory, brokers: int) -> Iterator[KafkaServers]:
    from tests.servers.kafka import KafkaServers  # needs confluent-kafka, which only tests of Kafka have to have

    servers = KafkaServers(folders.mktemp(f"kafka{brokers}"), brokers)
    try:
        yield servers
    finally:
        servers.stop()

"""Fixtures: `influx`, a real InfluxDB for the whole session, and `bucket`, an empty one of its own for a test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.servers.influx import InfluxServer, influxd
from tests.servers.jars import ServerMissing

_numbers = itertools.count()


@pytest.fixture(scope="session")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxServer]:
    """The server that all tests share: write into a bucket of your own, heal and resume what you break."""
    try:
        influxd()
    except ServerMissing as missing:
        pytest.skip(f"no InfluxDB here: {missing}")
    server = InfluxServer(tmp_path_factory.mktemp("influx"))
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def bucket(influx: InfluxServer) -> Iterator[str]:
    """An empty bucket; the server is whole again afterwards."""
    name = influx.create(f"test{next(_numbers)}")
    influx.accepted.clear()
    influx.asked = 0
    yield name
    influx.token = ""
    influx.heal()
    influx.resume()
    influx.drop(name)

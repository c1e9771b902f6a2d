"""Fixtures: `flink_connector_jar`, Flink's Kafka connector, and `flink_operator_jar`, which holds the CRD's schema."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

from streamgauge.pipelines.engines.flink.connector import VARIABLE
from tests.servers.jars import ServerMissing, fetch


@pytest.fixture(scope="session")
def flink_connector_jar() -> Path:
    """Skips without pyflink, Java, Maven or the jar: the real part is missing. Engines started by tests find it."""
    if importlib.util.find_spec("pyflink") is None:
        pytest.skip("no Flink here: pip install 'streamgauge[flink]'")
    jar = _jar("flink-sql-connector-kafka")
    os.environ.setdefault(VARIABLE, str(jar))
    return jar


@pytest.fixture(scope="session")
def flink_operator_jar() -> Path:
    """The API of Flink's Kubernetes operator."""
    return _jar("flink-kubernetes-operator-api")


def _jar(name: str) -> Path:
    try:
        (jar,) = fetch("flink-pom.xml").glob(f"{name}-*.jar")
    except ServerMissing as missing:
        pytest.skip(f"no Flink here: {missing}")
    return jar

"""Shared by all tests: Hypothesis profiles, and the rule that in CI a skipped test is a failed one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.servers.flink_fixtures import flink_connector_jar, flink_operator_jar  # noqa: F401
from tests.servers.influx_fixtures import bucket, influx  # noqa: F401
from tests.servers.kafka_fixtures import kafka, kafka3, kafka_jars  # noqa: F401
from tests.servers.kafka_secured import certificates, secured  # noqa: F401

settings.register_profile(
    "default",
    max_examples=int(os.environ.get("LAWS", "200")),
    deadline=None,
    derandomize=True,  # the same examples everywhere: a red CI run is reproduced by running it again
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("default")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests come last: Playwright keeps an event loop in the main thread, which asyncio tests cannot bear."""
    items.sort(key=lambda item: "tests/dashboards/" in item.nodeid)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Locally a test whose real part is missing is skipped with its reason; in CI such a skip fails the run."""
    outcome: Any = yield
    report = outcome.get_result()
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where every real part must run: {report.longrepr}"

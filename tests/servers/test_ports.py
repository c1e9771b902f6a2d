"""Ports that are given out."""

from __future__ import annotations

import pytest

from tests.servers.ports import WORKERS, free_port


def test_no_port_is_given_twice_nor_by_two_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {}
    for worker in ("gw0", "gw1"):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)
        given[worker] = [free_port() for _ in range(500)]
    assert len({*given["gw0"], *given["gw1"]}) == 1000
    assert {port % WORKERS for port in given["gw0"]} == {0}
    assert {port % WORKERS for port in given["gw1"]} == {1}

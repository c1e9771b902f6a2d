"""Claims about whole lives of series, a few of each kind of `benchmarks.lives`: what comes back pages nobody."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from benchmarks.lives import Outcome, lives

KINDS = ("weekend", "batch", "edge", "clock", "new_batch", "moved", "decaying")
MISSED = 1  # of what changes for a few hours, the smallest changes are at the edge of what can be told


@pytest.fixture(scope="module")
def outcomes() -> Mapping[str, Outcome]:
    return lives(seed=3, series=3, kinds=KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_what_comes_back_pages_nobody_and_what_changes_is_found(outcomes: Mapping[str, Outcome], name: str) -> None:
    outcome = outcomes[name]
    assert outcome.false == 0
    assert outcome.found >= outcome.changes - MISSED

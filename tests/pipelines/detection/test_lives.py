"""Claims about whole lives of series, a few of each kind of `benchmarks.lives`: what comes back pages nobody."""

from __future__ import annotations

import pytest

from benchmarks.lives import lives

KINDS = ("weekend", "batch", "edge", "clock", "heavy", "sluggish", "moved", "weekly_batch")


@pytest.fixture(scope="module")
def outcomes() -> dict[str, object]:
    return dict(lives(seed=3, series=2, kinds=KINDS))


@pytest.mark.parametrize("name", KINDS)
def test_what_comes_back_pages_nobody_and_what_changes_is_found(outcomes: dict[str, object], name: str) -> None:
    outcome = outcomes[name]
    assert (outcome.false, outcome.found) == (0, outcome.changes)  # type: ignore[attr-defined]

"""Every view at both widths: its main elements lie inside the viewport, and axe-core finds nothing wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.dashboards import world
from tests.dashboards.conftest import Tab
from tests.waiting import until

pytestmark = pytest.mark.real
AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
FITS = """([one]) => {
  const box = one?.getBoundingClientRect();
  return Boolean(box) && box.width > 20 && box.left >= 0 && box.right <= innerWidth + 0.5;
}"""
VIEWS = {  # its fragment, and what must be seen
    "overview": ("#/overview", [".tile", ".score", ".fall-end", ".u-over"]),
    "job": (f"#/job?job={world.SICK}&range=24h", [".score", ".fall-end", ".u-over", ".changed-row", ".incident-row"]),
    "changed": (f"#/changed?job={world.SICK}&range=24h", [".u-over", ".changed-row"]),
    "series": (f"#/series?job={world.SICK}&entity=feature:late&domain=sample", [".small-panel", ".picture", "select"]),
    "metric": (f"#/series?job={world.SICK}&domain=train&metric=auc", [".u-over", ".square", "select"]),
    "topology": (f"#/topology?job={world.SICK}&range=7d", [".node.is-root", ".zoom", ".place-row"]),
    "place": (f"#/topology?job={world.SICK}&range=7d&node=feature:late", [".node.is-chosen", ".place-about"]),
    "incidents": (
        f"#/incidents?job={world.SICK}&range=7d&incident=n0001&why=root",
        [".incident-head", ".why", ".golden"],
    ),
    "traces": (f"#/traces?job={world.SICK}", [".plan-form", ".catalogue"]),
    "features": (f"#/features?job={world.SICK}&range=7d", [".scrolled"]),
    "runs": (f"#/runs?job={world.SICK}", [".runs", ".beside-runs", ".u-over", ".changed-row"]),
    "health": (f"#/health?job={world.SICK}", [".counts-of", ".queues", ".sizes"]),
}


@pytest.mark.parametrize(("width", "theme"), [(1440, "dark"), (390, "light")])
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_fits_and_is_accessible(tabs: Callable[..., Tab], view: str, width: int, theme: str) -> None:
    fragment, wanted = VIEWS[view]
    page = tabs(width, theme).open(fragment)
    for selector in wanted:
        page.wait_for_selector(selector)
    page.wait_for_selector("[aria-busy]", state="detached")
    for selector in ("nav a[aria-current]", *wanted):
        until(lambda selector=selector: page.locator(selector).evaluate_all(FITS))  # type: ignore[misc]
    until(lambda: page.evaluate("document.documentElement.scrollWidth <= innerWidth"))
    page.evaluate(AXE)
    found = page.evaluate("axe.run({resultTypes: ['violations']})")
    told = [
        (fault["id"], fault["nodes"][0]["html"][:200], fault["nodes"][0]["failureSummary"][:300])
        for fault in found["violations"]
    ]
    assert told == []

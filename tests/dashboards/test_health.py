"""Pipeline health on the page: what became of the records, the queues, and dead letters with their reasons."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.dashboards import world
from tests.dashboards.conftest import Host, Tab, texts
from tests.waiting import until

Tabs = Callable[..., Tab]
pytestmark = pytest.mark.real
VIEWS = {  # its fragment, and what must be there
    "topology": (f"#/topology?job={world.SICK}&range=7d", ".node"),
    "incidents": (f"#/incidents?job={world.SICK}&incident=n0001&why=root", ".why"),
    "traces": (f"#/traces?job={world.SICK}", ".plan-form"),
    "health": (f"#/health?job={world.SICK}", ".queues"),
}


def test_counts_queues_and_sizes_are_told(tabs: Tabs) -> None:
    page = tabs().open(f"#/health?job={world.SICK}")
    page.wait_for_selector(".queues")
    until(lambda: "late\n3" in "".join(texts(page, ".counts-of")))
    words = ("engine", "pager", "writer", "running", "store on disk", "ready")
    until(lambda: all(word in texts(page, "main")[0] for word in words))


def test_a_dead_letter_shows_its_reason_and_its_bytes(tabs: Tabs, host: Host) -> None:
    page = tabs().open(f"#/health?job={world.LIVE}")
    page.wait_for_selector(".queues")
    host.log.send([("traces", world.LIVE, b"<script>alert(1)</script>")])
    row = page.locator(".dead-row").first
    row.wait_for()
    row.focus()
    page.keyboard.press("Enter")
    until(lambda: "3c 73 63 72 69 70 74" in "".join(texts(page, ".dead-about")))
    until(lambda: "type" in "".join(texts(page, ".dead-row")))


@pytest.mark.parametrize("view", VIEWS)
def test_hostile_names_are_text_in_these_views_too(tabs: Tabs, view: str) -> None:
    page = tabs().open(VIEWS[view][0])
    page.wait_for_selector(VIEWS[view][1])
    page.wait_for_selector("[aria-busy]", state="detached")
    assert page.locator("main img, main script").count() == 0

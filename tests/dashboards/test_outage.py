"""Old data on the page: a stream that is cut for minutes is said aloud, by the page's own clock, until it is mended."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.dashboards import world
from tests.dashboards.conftest import Host, Tab, texts
from tests.waiting import until

Tabs = Callable[..., Tab]
pytestmark = pytest.mark.real
TEN_MINUTES = 600_000
SILENT = """async ([job, end]) => {
  const { judged } = await import('/js/jobs.js');
  const rows = [{ job, score: 97, band: 'healthy', coverage: 1, last_data: end, end, first: 0 }];
  return [0, 3, 3.1].map((hours) => judged(rows, { jobs: [{ name: job, slide: 3600 }] }, end + hours * 3600)[0].state);
}"""
LIVE = f'.tile[data-job="{world.LIVE}"]'


def opened(tabs: Tabs, host: Host, points: int) -> Any:
    """A page with a clock that can be put forward, live, with this score."""
    tab = tabs()
    tab.allowed = ("Failed to load resource", "net::ERR")
    tab.page.clock.install()
    page = tab.open(f"#/overview?job={world.LIVE}&tz=utc")
    until(lambda: "live" in texts(page, ".badge")[0])
    host.next_score(points)
    until(lambda: texts(page, f"{LIVE} .tile-score") == [f"{points}.0"])
    return page


def is_old(page: Any) -> bool:
    """The banner is there with the length, and every job with a score is marked."""
    banner = "".join(texts(page, ".banner:visible"))
    chips = [chip for chip in texts(page, ".tile .chip") if chip != "warming up"]
    is_told = re.search(r"No data since \d\d:\d\d:\d\d \(1\d min\)", banner) is not None
    return is_told and {chip.split(",")[0] for chip in chips} == {"stale"}


def test_a_stream_cut_for_ten_minutes_is_called_old_until_it_is_replayed(tabs: Tabs, host: Host) -> None:
    page = opened(tabs, host, 92)
    host.wire.cut()
    until(lambda: "reconnecting" in texts(page, ".badge")[0])
    assert texts(page, ".banner:visible") == []
    page.clock.fast_forward(TEN_MINUTES)
    until(lambda: is_old(page))
    assert "stale, was healthy" in texts(page, f"{LIVE} .chip")
    page.get_by_role("button", name="Try now").click()
    with host.streaming("score", 4):
        host.next_score(66)
    assert is_old(page)
    host.wire.mend()
    until(lambda: texts(page, ".banner:visible") == [])
    until(lambda: texts(page, f"{LIVE} .tile-score") == ["66.0"])
    until(lambda: texts(page, f"{LIVE} .chip") == ["degraded"])


def test_a_connection_that_died_in_silence_is_found_and_opened_anew(tabs: Tabs, host: Host) -> None:
    page = opened(tabs, host, 93)
    host.wire.hold()
    page.clock.fast_forward(TEN_MINUTES)
    until(lambda: is_old(page))
    host.wire.mend()
    until(lambda: texts(page, ".banner:visible") == [])
    host.next_score(94)
    until(lambda: texts(page, f"{LIVE} .tile-score") == ["94.0"])


def test_a_paused_page_is_not_called_old(tabs: Tabs, host: Host) -> None:
    page = opened(tabs, host, 95)
    page.keyboard.press("p")
    until(lambda: "paused" in texts(page, ".badge")[0])
    page.clock.fast_forward(TEN_MINUTES)
    page.wait_for_timeout(100)
    assert texts(page, ".banner:visible") == []


def test_a_job_that_is_silent_becomes_stale_by_the_clock_of_the_page(tabs: Tabs, host: Host) -> None:
    page = tabs().open("#/overview")
    states = page.evaluate(SILENT, [world.LIVE, world.NOW])
    assert states == ["healthy", "healthy", "stale"]

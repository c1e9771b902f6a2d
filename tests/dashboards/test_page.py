"""The page as a person uses it: scores that change, parts that add up, a range that leads, a cut that heals."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from streamgauge.pipelines.wire import outputs
from tests.dashboards import world
from tests.dashboards.conftest import Host, Tab, texts
from tests.waiting import until

Tabs = Callable[..., Tab]
pytestmark = pytest.mark.real
STATES = "tiles => tiles.map(tile => [tile.dataset.job, tile.querySelector('.chip').innerText])"
FALL = """([fall]) => ({
  score: Number(fall.dataset.score), end: fall.querySelector('.fall-end .num').innerText,
  lost: [...fall.querySelectorAll('.fall-row[data-micropoints]')].map((row) => Number(row.dataset.micropoints)),
  shown: [...fall.querySelectorAll('.fall-row[data-micropoints] .num')].map((cell) => cell.innerText),
})"""


def test_jobs_stand_worst_first_with_stale_and_warming_up_as_states_of_their_own(tabs: Tabs) -> None:
    page = tabs().open("#/overview")
    page.wait_for_selector(".fall")
    states = dict(page.locator(".tile").evaluate_all(STATES))
    assert next(iter(states)) == world.SICK
    assert states[world.SICK] == "broken"
    assert states[world.STALE] == "stale"
    assert states[world.EMPTY] == "warming up"
    assert states[world.HOSTILE] == "healthy"
    until(lambda: texts(page, ".detail-name") == [world.SICK])
    until(lambda: "1 root cause" in page.locator(".counts").inner_text())


def test_scores_arrive_and_change_by_themselves(tabs: Tabs, host: Host) -> None:
    page = tabs().open(f"#/overview?job={world.LIVE}")
    score = page.locator(f'.tile[data-job="{world.LIVE}"] .tile-score')
    for points in (77, 64):
        host.next_score(points)
        until(lambda points=points: score.inner_text() == f"{points}.0")  # type: ignore[misc]
    until(lambda: page.locator(".detail .score b").inner_text() == "64.0")


@pytest.mark.parametrize("query", ["", "&by=entity", "&by=domain", "&domain=train"])
def test_the_bars_of_the_waterfall_add_up_to_the_score_shown(tabs: Tabs, query: str) -> None:
    page = tabs().open(f"#/job?job={world.SICK}{query}")
    page.wait_for_selector(".fall-end")
    fall = page.locator(".fall").evaluate_all(FALL)
    assert fall["score"] + sum(fall["lost"]) == 100_000_000
    shown = [float(text.replace("\u2212", "-")) for text in fall["shown"]]
    assert round(100 + sum(shown), 6) == float(fall["end"])
    if not query:
        until(lambda: texts(page, ".score b") == [fall["end"]])
        assert sorted(fall["lost"][:3], reverse=True) == fall["lost"][:3]


def test_a_part_leads_down_to_its_series_with_band_and_detector(tabs: Tabs) -> None:
    page = tabs().open(f"#/job?job={world.SICK}")
    page.locator(".fall-row", has_text="late").first.click()
    until(lambda: "metric=missing_rate" in page.url)
    assert "entity=feature%3Alate" in page.url
    page.wait_for_selector("canvas")
    page.get_by_text("seasonal_robust").wait_for()
    page.get_by_text("reference band").first.wait_for()
    page.get_by_text("Distribution of the values").wait_for()


def test_the_last_of_ten_thousand_series_is_shown_by_its_name(tabs: Tabs, host: Host) -> None:
    host.log.send([("scores", world.STALE, outputs.encode(world.many(world.STALE, world.NOW - 30 * 3600, 10_000)))])
    until(lambda: host.series(world.STALE, "feature:f09999") == 1)
    page = tabs().open(f"#/series?job={world.STALE}&entity=feature:f09999&domain=sample&range=7d")
    until(lambda: any("psi" in text and "0.25" in text for text in texts(page, ".small-head")))


def test_the_curves_of_labels_are_drawn_from_the_buckets_of_the_range(tabs: Tabs) -> None:
    page = tabs().open(f"#/series?job={world.SICK}&domain=train&metric=auc")
    page.get_by_text(re.compile(r"ROC, AUC 0\.\d{4}")).wait_for()
    until(lambda: page.locator(".square").count() == 3)
    assert not texts(page, ".squares p")[0].startswith("1\u2009600 labelled rows")
    assert page.locator(".square .bound").count() >= 15  # of at most 20 buckets of near-equal weight
    assert page.locator(".square .was").count() == 3  # the range before
    page.evaluate(f"location.hash += '&from={world.START}&to={world.START + 24 * 3600 + 1}'")
    until(lambda: "".join(texts(page, ".squares p")).startswith("1\u2009600 labelled rows"))
    page.evaluate(f"location.hash += '&against={world.START + 78 * 3600}'")  # a release, say
    until(lambda: "dashed: 1\u2009600 before, AUC 0." in "".join(texts(page, ".squares p")))
    assert page.locator(".square .was").count() == 3


def test_another_job_on_the_stream_is_compared_metric_by_metric(tabs: Tabs) -> None:
    page = tabs().open(f"#/features?job={world.SICK}&range=7d")
    page.get_by_label("Other job", exact=True).select_option(world.LIVE)
    page.get_by_role("region", name="Comparison with another job").wait_for()
    assert page.locator("tr[data-metric=auc] td").last.inner_text() == "worse"
    assert page.locator("tr[data-metric] td:nth-child(5) svg").count() == 7
    assert f"other={world.LIVE}" in page.url


def test_found_slices_are_a_table_with_the_worst_first(tabs: Tabs) -> None:
    page = tabs().open(f"#/features?job={quote(world.HOSTILE)}&range=7d")
    table = page.get_by_role("region", name="Table of found slices")
    table.wait_for()
    assert table.locator("tbody th").first.inner_text() == f"{world.HOSTILE} = 1 to 1.5"
    assert table.locator("tbody td").first.inner_text().startswith("+")
    assert table.locator("svg").count() >= 1
    assert "4 values of 1 features are off beyond chance" in page.locator("main").inner_text()
    page = tabs().open(f"#/features?job={world.SICK}&range=7d")
    page.get_by_text("No features are looked at.").wait_for()


def test_dragging_a_range_changes_the_ranked_list_and_the_whole_page(tabs: Tabs) -> None:
    page = tabs().open(f"#/changed?job={world.SICK}&from={world.LATE[0]:.0f}&to={world.LATE[1]:.0f}")
    until(lambda: "".join(texts(page, ".changed-row .clip")[:1]).startswith("late"))
    page = tabs().open(f"#/changed?job={world.SICK}")
    page.wait_for_selector(".changed-row")  # the job is younger than two weeks: its newer half is compared
    page.wait_for_selector(".u-over")
    drag(page, *_at(world.EARLY))
    until(lambda: "from=" in page.url)
    until(lambda: "".join(texts(page, ".changed-row .clip")[:1]).startswith("early"))
    page.locator("nav a", has_text="Job").click()
    page.get_by_text("window until").first.wait_for()
    assert "from=" in page.url


def test_a_range_of_the_past_shows_the_score_that_it_ended_with(tabs: Tabs) -> None:
    page = tabs().open(f"#/job?job={world.SICK}&from={world.EARLY[0]:.0f}&to={world.EARLY[1]:.0f}")
    page.wait_for_selector(".fall-end")
    past = texts(page, ".fall-end .num")
    until(lambda: texts(page, ".score b") == past)
    page.locator(".pill", has_text="24h").click()
    until(lambda: texts(page, ".score b") != past)
    until(lambda: texts(page, ".score b") == texts(page, ".fall-end .num") != past)


def test_a_stream_that_is_cut_replays_what_it_missed(tabs: Tabs, host: Host) -> None:
    tab = tabs()
    tab.allowed = ("Failed to load resource", "net::ERR")
    page = tab.open(f"#/overview?job={world.LIVE}")
    badge = page.locator(".badge")
    until(lambda: "live" in badge.inner_text())
    host.next_score(70)
    score = page.locator(f'.tile[data-job="{world.LIVE}"] .tile-score')
    until(lambda: score.inner_text() == "70.0")
    host.wire.cut()
    until(lambda: "reconnecting" in badge.inner_text())
    with host.streaming("score", 8):
        host.next_score(55)
        host.next_score(51)
    assert score.inner_text() == "70.0"
    host.wire.mend()
    until(lambda: "replayed 8" in badge.inner_text())  # two windows, four scores each
    until(lambda: score.inner_text() == "51.0")


def test_a_paused_page_holds_still_and_catches_up(tabs: Tabs, host: Host) -> None:
    page = tabs().open(f"#/overview?job={world.LIVE}")
    until(lambda: "live" in page.locator(".badge").inner_text())
    host.next_score(81)
    score = page.locator(f'.tile[data-job="{world.LIVE}"] .tile-score')
    until(lambda: score.inner_text() == "81.0")
    page.keyboard.press("p")
    until(lambda: "paused" in page.locator(".badge").inner_text())
    with host.streaming("score", 4):
        host.next_score(82)
    page.wait_for_timeout(700)  # nothing is to happen in it
    assert score.inner_text() == "81.0"
    page.keyboard.press("p")
    until(lambda: score.inner_text() == "82.0")


def test_two_tabs_see_the_same(tabs: Tabs, host: Host) -> None:
    pages = [tabs().open("#/overview") for _ in range(2)]
    host.next_score(93)
    for page in pages:
        score = page.locator(f'.tile[data-job="{world.LIVE}"] .tile-score')
        until(lambda score=score: score.inner_text() == "93.0")  # type: ignore[misc]


def test_everything_is_reached_by_keyboard(tabs: Tabs) -> None:
    page = tabs().open("#/overview")
    page.wait_for_selector(".fall")
    page.keyboard.press("/")
    page.keyboard.type("stale")
    until(lambda: page.locator(".tile").count() == 1)
    page.keyboard.press("Enter")
    until(lambda: page.evaluate("document.activeElement.dataset.job") == world.STALE)
    page.keyboard.press("Enter")
    until(lambda: texts(page, ".detail-name") == [world.STALE])
    page.keyboard.press("Escape")
    until(lambda: page.locator(".tile").count() > 1)
    page.keyboard.press("2")
    until(lambda: texts(page, "nav a[aria-current]") == ["Job"])
    page.wait_for_selector(".fall-row[data-row]")
    page.wait_for_selector("[aria-busy]", state="detached")
    page.keyboard.press("j")
    page.keyboard.press("k")
    until(lambda: page.evaluate("document.activeElement.classList.contains('fall-row')"))
    page.keyboard.press("Enter")
    until(lambda: "#/series" in page.url)
    page.keyboard.press("t")
    until(lambda: "theme=light" in page.url)
    page.keyboard.press("u")
    until(lambda: "tz=utc" in page.url)
    page.keyboard.press("?")
    page.locator("dialog").get_by_text("next / previous row").wait_for()
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    until(lambda: page.keyboard.press("Escape") or "#/overview" in page.url)


def test_a_bookmarked_address_shows_the_same_to_somebody_else(tabs: Tabs) -> None:
    fragment = f"#/job?job={world.SICK}&from={world.EARLY[0]:.0f}&to={world.EARLY[1]:.0f}&by=domain&theme=light&tz=utc"
    pages = []
    for theme in ("dark", "light"):
        page = tabs(theme=theme).open(fragment)
        page.wait_for_selector(".fall-end")
        for selector in (".changed-row", ".legend", ".panel:has-text('Incidents') .panel-body > *"):
            page.wait_for_selector(selector)
        until(lambda page=page: page.evaluate("document.documentElement.dataset.theme") == "light")  # type: ignore[misc]
        pages.append(page)
    mine, other = pages
    until(lambda: texts(mine, "main") == texts(other, "main"))
    until(lambda: "window until 04 Jan 00:00" in texts(mine, "main")[0])


def test_what_is_shown_is_exported_as_csv_and_json(tabs: Tabs) -> None:
    page = tabs().open(f"#/job?job={world.SICK}")
    page.wait_for_selector(".fall-end")
    found = {}
    for form in ("CSV", "JSON"):
        page.locator("summary", has_text="Share").click()
        with page.expect_download() as download:
            page.locator("button", has_text=f"Export {form}").click()
        found[form] = download.value.path().read_text()
    parts = json.loads(found["JSON"])
    score = page.locator(".fall").evaluate_all(FALL)["score"]
    assert score + sum(part["micropoints"] for part in parts) == 100_000_000
    assert len(found["CSV"].splitlines()) == len(parts) + 1
    assert found["CSV"].startswith("domain,entity,worker,metric")


@pytest.mark.parametrize(
    "view", ["overview?", "job?", "changed?range=24h&", f"series?metric=psi&entity=feature:{quote(world.HOSTILE)}&"]
)
def test_hostile_names_are_shown_as_text(tabs: Tabs, view: str) -> None:
    page = tabs().open(f"#/{view}job={world.SICK}")
    page.locator("main").get_by_text("<img src=x").locator("visible=true").first.wait_for()
    page.wait_for_selector("[aria-busy]", state="detached")
    assert page.locator("main img, main script, main a[href^=javascript]").count() == 0
    assert "\u202e" not in page.locator("body").inner_text()


def test_a_hostile_address_is_only_an_unknown_job(tabs: Tabs) -> None:
    tab = tabs()
    tab.allowed = ("status of 404",)
    page = tab.open(f"#/job?job={world.HOSTILE}2&entity={'y' * 5000}&range=forever&from=9&to=1")
    page.get_by_text("No such job.").wait_for()


def test_a_view_that_is_none_is_the_overview(tabs: Tabs) -> None:
    tab = tabs()
    for view in ("__proto__", "constructor", "toString"):
        page = tab.open(f"#/{view}?job={world.SICK}")
        page.wait_for_selector("main.view-overview .tile")
        assert page.title().startswith("Overview")


def test_a_server_that_is_gone_is_told_and_comes_back(tabs: Tabs, host: Host) -> None:
    tab = tabs()
    tab.allowed = ("Failed to load resource", "net::ERR")
    page = tab.open(f"#/job?job={world.SICK}&range=24h")
    page.wait_for_selector(".fall-end")
    host.wire.cut()
    page.locator("nav a", has_text="What changed").click()
    page.get_by_text("the server cannot be reached").first.wait_for()
    host.wire.mend()
    page.get_by_text("Try again").last.click()
    page.wait_for_selector(".changed-row")


def drag(page: Any, start: float, end: float) -> None:
    """Drag over the plot between two shares of its width."""
    page.wait_for_selector("[aria-busy]", state="detached")  # a chart that is drawn anew forgets a drag
    box = page.locator(".u-over").first.bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * start, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * (start + end) / 2, y, steps=4)
    page.mouse.move(box["x"] + box["width"] * end, y, steps=4)
    page.mouse.up()


def _at(span: tuple[float, float]) -> tuple[float, float]:
    """A span of time as shares of the last 7 days."""
    return tuple((time - (world.NOW - 7 * 86400)) / (7 * 86400) for time in span)  # type: ignore[return-value]

"""Incidents on the page: the root unfolds and says why; what a person does comes back through the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from streamgauge.pipelines.adapters.notifiers.links import link
from tests.dashboards import world
from tests.dashboards.conftest import Tab, focused, texts
from tests.pipelines.adapters.notifiers.test_webhook import notification
from tests.waiting import until

Tabs = Callable[..., Tab]
pytestmark = pytest.mark.real
LIST = f"#/incidents?job={world.SICK}&range=7d"
OPEN = f"{LIST}&incident=n0001"


def test_an_incident_unfolds_and_says_why(tabs: Tabs) -> None:
    page = tabs().open(LIST)
    head = page.locator(".incident-head")
    until(lambda: "1 folded" in "".join(texts(page, ".incident-head")))
    until(lambda: texts(page, ".incident-head .chip") == ["open"])
    head.click()
    page.get_by_role("link", name="prediction missing_rate").click()
    until(lambda: texts(page, ".why .link") == ["feature late", "prediction"])
    for told in ("follows from feature late", "2 h after the root", "revision 1"):
        until(lambda told=told: told in "".join(texts(page, ".why")))  # type: ignore[misc]
    until(lambda: "".join(texts(page, ".golden")).startswith("[ctr] feature late: missing_rate 80 %"))


def test_the_link_of_a_message_opens_its_incident_with_its_root_now_beside_the_onset(tabs: Tabs) -> None:
    told = msgspec.structs.replace(notification(), id="n0001", job=world.SICK)
    page = tabs().open(link("https://gauge.example", told).removeprefix("https://gauge.example/"))
    page.wait_for_selector(".incident-picture canvas")
    until(lambda: "At the onset" in "".join(texts(page, ".stands")))
    told = "".join(texts(page, ".stands"))
    assert "Now" in told
    assert "Usual20 %" in told.replace("\n", "")
    assert texts(page, ".stands .chip") == ["as at the onset"]


def test_an_incident_says_where_it_may_have_begun(tabs: Tabs) -> None:
    page = tabs().open(OPEN)
    told = "feature late what was paged: nothing anomalous lies upstream of it"
    until(lambda: texts(page, ".causes li") == [told])


def test_the_link_shows_the_same_to_a_colleague(tabs: Tabs) -> None:
    tab = tabs()
    page = tab.open(f"{OPEN}&why=pred-{world.LATE[0] + 2 * world.HOUR:.3f}")
    page.wait_for_selector(".why .chain")
    page.evaluate("navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }")
    page.get_by_role("button", name="Copy link").first.click()
    until(lambda: page.evaluate("Boolean(window.copied)"))
    address = page.evaluate("window.copied")
    assert "from=" in address
    assert "range=" not in address
    other = tabs(theme="light").open(address.removeprefix(tab.url))
    other.wait_for_selector(".why .chain")
    until(lambda: texts(other, ".why") == texts(page, ".why") != [])


def test_what_is_done_comes_back_and_stays(tabs: Tabs) -> None:
    page = tabs().open(OPEN)
    page.get_by_label("Your name").fill("Ada")
    page.get_by_role("button", name="Acknowledge").click()
    page.wait_for_selector(".standing >> text=acknowledged")
    page.get_by_label("Comment").fill(world.HOSTILE)
    page.get_by_role("button", name="true alarm").click()
    page.wait_for_selector(".standing >> text=labelled true alarm")
    page.locator(".silence summary").click()
    until(
        lambda: "Holds back 1 of the 2 alerts" in "".join(texts(page, ".silence-form")),
        "the form of the silence did not unfold",
    )
    page.get_by_role("button", name="Silence", exact=True).click()
    page.wait_for_selector(".standing >> text=silenced until")
    page.reload(wait_until="domcontentloaded")
    page.wait_for_selector(".standing >> text=silenced until")
    until(
        lambda: {"acknowledged", "labelled true alarm"} < set(texts(page, ".standing .chip")),
        "what was done is not all back after a reload",
    )
    until(lambda: world.HOSTILE in "".join(texts(page, ".trail")), "the comment is not in the trail")
    pressed = page.get_by_role("button", name="true alarm")
    until(lambda: pressed.get_attribute("aria-pressed") == "true", "the label is not pressed")
    until(lambda: "entity=feature:late" in "".join(texts(page, ".silences")), "the silence is not listed")
    page.get_by_role("button", name="End now").click()
    until(lambda: not page.get_by_role("button", name="End now").is_visible(), "the silence is still listed")
    until(lambda: "silenced" not in "".join(texts(page, ".standing")), "the incident still stands as silenced")


def test_an_unsuppression_goes_out_and_is_in_the_trail(tabs: Tabs) -> None:
    page = tabs().open(f"{OPEN}&why=pred-{world.LATE[0] + 2 * world.HOUR:.3f}")
    page.get_by_role("button", name="Un-suppress").click()
    page.wait_for_selector(".trail >> text=un-suppressed")


def test_incidents_are_reached_by_keyboard_alone(tabs: Tabs) -> None:
    page = tabs().open(LIST)
    page.wait_for_selector(".incident-head")
    page.wait_for_selector("[aria-busy]", state="detached")
    page.keyboard.press("j")
    until(lambda: focused(page) == "incident-head")
    page.keyboard.press("Enter")
    page.wait_for_selector(".fold-head")
    until(lambda: focused(page) == "incident-head")
    until(lambda: _next(page) == "fold-head")
    page.keyboard.press("Enter")
    page.wait_for_selector(".why")
    until(lambda: focused(page) == "fold-head")
    page.keyboard.press("Escape")
    until(lambda: page.locator(".why").count() == 0)
    page.keyboard.press("Escape")
    until(lambda: page.locator(".fold-head").count() == 0)


def test_a_quiet_job_and_an_unknown_incident_are_told(tabs: Tabs) -> None:
    tab = tabs()
    tab.allowed = ("404",)
    page = tab.open(f"#/incidents?job={world.LIVE}&incident=none")
    until(lambda: "Nobody was paged about live" in "".join(texts(page, "main")))


def _next(page: Any) -> str:
    """Go one row down, at a person's pace; what has the focus then."""
    page.keyboard.press("j")
    page.wait_for_timeout(100)
    return focused(page)

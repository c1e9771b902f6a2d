"""Traces on the page: a change goes out from the form and comes back as the workers report it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.dashboards.conftest import Tab, texts
from tests.dashboards.plant import LINE, WORKERS, Plant, plant
from tests.dashboards.worker import HOSTILE
from tests.waiting import until

__all__ = ["plant"]
Tabs = Callable[..., Tab]
pytestmark = pytest.mark.real
ANSWERS = "(found) => found.map((one) => [one.dataset.worker, one.dataset.state])"


def working(tabs: Tabs, plant: Plant) -> Any:
    plant.work()
    tab = tabs()
    tab.url = plant.url
    page = tab.open(f"#/traces?job={LINE}")
    page.wait_for_selector(".entry")
    until(lambda: page.locator(".cost tbody tr").count() == len(WORKERS))
    return page


def answers(page: Any, plan: str) -> dict[str, str]:
    return dict(page.locator(f'[data-plan="{plan}"] .answer').evaluate_all(ANSWERS))


def test_a_change_is_sent_from_the_form_and_comes_back_applied(tabs: Tabs, plant: Plant) -> None:
    plant.log.send([("control", LINE, b'{"version": 1, "modulus": 4, "start": 1700000000.0}')])
    page = working(tabs, plant)
    assert texts(page, ".ids")[0].startswith("one id in 4 is kept to find duplicates, by their rate, from ")
    page.locator("select[name=emit]").select_option("raw")
    page.get_by_label("Include").fill("kernel$")
    page.get_by_label("Exclude").fill("img")
    page.get_by_label("Every").fill("20")
    page.locator(f'input[value="{WORKERS[0]}"]').check()
    page.wait_for_selector(".cost >> text=1 of 3 match")
    until(lambda: "take it" in "".join(texts(page, ".cost")))
    page.get_by_role("button", name="Apply").click()
    until(lambda: answers(page, "on-call") == {WORKERS[0]: "applied", WORKERS[1]: "not-targeted"})
    until(lambda: "1 of 1 applied" in "".join(texts(page, '[data-plan="on-call"]')))
    page.locator(".tensor-row", has_text="dense/kernel").first.click()
    page.wait_for_selector(".tensor canvas.heat")
    until(lambda: "48 rows, 24 columns" in "".join(texts(page, ".tensor")))
    until(lambda: page.locator(".histogram rect").count() == 40)
    page.get_by_role("button", name="End now").click()
    until(lambda: answers(page, "on-call").get(WORKERS[0]) == "expired")


def test_a_plan_that_every_worker_would_refuse_is_not_sent(tabs: Tabs, plant: Plant) -> None:
    page = working(tabs, plant)
    page.get_by_label("Include").fill("no-such-tensor")
    page.wait_for_selector(".cost >> text=0 of 3 match")
    until(page.get_by_role("button", name="Apply").is_disabled)
    page.get_by_label("Include").fill("(a+)+$")
    page.wait_for_selector(".cost >> text=no worker would take it")
    until(page.get_by_role("button", name="Apply").is_disabled)


def test_a_rejection_comes_back_with_its_reason(tabs: Tabs, plant: Plant) -> None:
    page = working(tabs, plant)
    plan = {"name": "greedy", "select": [{"collection": "weights", "emit": "raw", "every": 1}],
            "budget": {"max_bytes_s": 10.0}}  # fmt: skip
    sent = "async (plan) => { const api = await import('/js/api.js'); await api.post('/jobs/line/trace', plan); }"
    page.evaluate(sent, plan)
    until(lambda: set(answers(page, "greedy").values()) == {"rejected"})
    until(lambda: "budget.max_bytes_s is 10" in "".join(texts(page, '[data-plan="greedy"]')))


def test_names_of_workers_and_tensors_are_text(tabs: Tabs, plant: Plant) -> None:
    page = working(tabs, plant)
    until(lambda: WORKERS[1] in "".join(texts(page, ".workers")))
    until(lambda: HOSTILE in "".join(texts(page, ".catalogue")))
    assert page.locator("main b:text-is('bold'), main img").count() == 0

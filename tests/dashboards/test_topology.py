"""Topology on the page: causes left of effects, the root ringed and named, large graphs usable."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlencode

import pytest

from tests.dashboards import world
from tests.dashboards.conftest import Tab, texts
from tests.dashboards.plant import LAYERS, MILL, ROOT, WIDE, Plant, plant
from tests.waiting import until

__all__ = ["plant"]
Tabs = Callable[..., Tab]
pytestmark = pytest.mark.real
SVG_TEXTS = "(found) => found.map((one) => one.textContent)"
BOXES = "(nodes) => Object.fromEntries(nodes.map((node) => [node.dataset.node, node.getBoundingClientRect().x]))"
LAYOUT = """async ([layers, wide]) => {
  const { layered } = await import('/js/layout.js');
  const nodes = [], edges = [];
  for (let i = 0; i < layers; i += 1) for (let j = 0; j < wide; j += 1) {
    nodes.push({ id: `${i}/${j}`, group: `${i}/${j}` });
    if (i) for (const shift of [0, 3]) edges.push([`${i - 1}/${(j + shift) % wide}`, `${i}/${j}`]);
  }
  edges.push([`${layers - 1}/0`, `${layers - 2}/0`]);  // a cycle
  const started = performance.now();
  const placed = layered(nodes, edges);
  const took = performance.now() - started;
  const backwards = edges.filter(([a, b]) => placed.get(a).layer > placed.get(b).layer).length;
  const cycle = [`${layers - 1}/0`, `${layers - 2}/0`].map((id) => placed.get(id).layer);
  return { took, placed: placed.size, backwards, cycle };
}"""


def of_plant(tabs: Tabs, plant: Plant, fragment: str, width: int = 1440) -> Tab:
    tab = tabs(width)
    tab.url = plant.url
    tab.open(fragment)
    return tab


def test_two_hundred_places_with_the_root_ringed_and_named(tabs: Tabs, plant: Plant) -> None:
    page = of_plant(tabs, plant, f"#/topology?job={MILL}&places=all&range=24h").page
    page.wait_for_selector(".node.is-root .ring")
    until(lambda: page.locator(".node").count() >= LAYERS * WIDE)
    until(lambda: page.locator(".edge.is-impact").count() == 2)
    assert page.locator(".node.is-root .name").evaluate_all(SVG_TEXTS) == [ROOT]
    assert "root cause" in page.locator(".node.is-root").evaluate_all(SVG_TEXTS)[0]
    assert page.locator(".node.is-suppressed .where").evaluate_all(SVG_TEXTS) == [f"folded under {ROOT}"] * 2
    left = page.locator(".node.is-root, .node.is-suppressed").evaluate_all(BOXES)
    assert left[ROOT] < left["stage-3-7"] < left["stage-4-7"]


def test_only_what_is_near_the_incident_is_drawn_at_first(tabs: Tabs, plant: Plant) -> None:
    page = of_plant(tabs, plant, f"#/topology?job={MILL}&range=24h").page
    page.wait_for_selector(".node.is-root")
    until(lambda: 4 < page.locator(".node").count() < 30)
    page.get_by_role("link", name=re.compile("^All ")).click()
    until(lambda: page.locator(".node").count() >= LAYERS * WIDE)


def test_a_click_filters_and_a_second_one_does_not(tabs: Tabs) -> None:
    page = tabs().open(f"#/topology?job={world.SICK}&range=7d")
    root = page.locator(".node.is-root")
    root.click()
    until(lambda: "entity=feature" in page.url and "node=" in page.url)
    until(lambda: "May cause" in "".join(texts(page, ".place-about")))
    until(lambda: "feature:late" in texts(page, ".filters")[0])
    root.click()
    until(lambda: "entity=" not in page.url and "node=" not in page.url)


def test_a_learnt_edge_is_confirmed_by_a_person_and_withdrawn_again(tabs: Tabs) -> None:
    tab = tabs()
    tab.allowed = ("400",)
    page = tab.open(f"#/topology?{urlencode({'job': world.HOSTILE, 'range': '7d'})}")
    until(lambda: "began within 3 min of each other 6 times" in "".join(texts(page, ".learnt")))
    page.get_by_label("Your name").fill("")
    page.get_by_role("button", name=re.compile("^Confirm ")).click()
    until(lambda: "It was refused: a word on an edge is a person's" in "".join(texts(page, ".acted")))
    page.get_by_label("Your name").fill(world.QUOTES)
    page.get_by_role("button", name=re.compile("^Confirm ")).click()
    until(lambda: "confirmed by" in "".join(texts(page, ".learnt")))
    until(lambda: "6 times" in "".join(texts(page, ".learnt")))
    page.get_by_role("button", name=re.compile("^Withdraw ")).click()
    page.get_by_role("button", name=re.compile("^Reject ")).wait_for()
    assert "confirmed" not in "".join(texts(page, ".learnt"))


def test_zoom_by_buttons_wheel_and_keys(tabs: Tabs) -> None:
    page = tabs().open(f"#/topology?job={world.SICK}&range=7d")
    picture = page.locator("svg.topology")
    picture.wait_for()

    def width() -> float:
        return float(picture.get_attribute("viewBox").split()[2])

    page.wait_for_selector(".node.is-root")
    first = width()
    page.get_by_role("button", name="Zoom in").click()
    until(lambda: width() < first)
    second = width()
    picture.hover()
    page.mouse.wheel(0, -200)
    until(lambda: width() < second)
    picture.focus()
    page.keyboard.press("0")
    until(lambda: width() >= first)


def test_places_are_walked_by_keyboard(tabs: Tabs) -> None:
    page = tabs().open(f"#/topology?job={world.SICK}&range=7d")
    page.wait_for_selector(".node.is-root")
    page.wait_for_selector("[aria-busy]", state="detached")
    page.keyboard.press("j")
    until(lambda: page.evaluate("document.activeElement.hasAttribute('data-row')"))
    page.keyboard.press("Enter")
    until(lambda: "node=" in page.url or "places=all" in page.url)
    page.keyboard.press("Escape")
    until(lambda: "node=" not in page.url and "places=" not in page.url)


def test_two_thousand_places_with_a_cycle_are_laid_out_at_once(tabs: Tabs) -> None:
    page = tabs().open(f"#/topology?job={world.SICK}")
    found = page.evaluate(LAYOUT, [20, 100])
    assert found["placed"] == 2000
    assert found["backwards"] == 0
    assert len(set(found["cycle"])) == 1

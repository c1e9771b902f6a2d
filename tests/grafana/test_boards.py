"""The dashboards as JSON: what a reader, Grafana's importer and the store's schema ask of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("grafana_foundation_sdk", reason="grafana-foundation-sdk is not installed")

from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

import streamgauge.dashboards.grafana
from streamgauge.dashboards.grafana import influxql
from streamgauge.dashboards.grafana.catalogue import BOARDS
from streamgauge.dashboards.grafana.catalogue import dashboards as rendered_boards
from streamgauge.dashboards.grafana.rendering import text_of, without_placement

BODIES = rendered_boards()
FOLDER = Path(streamgauge.dashboards.grafana.__file__).parent
WEB = FOLDER.parent / "web"
BUILT_IN = {"__from", "__to", "__data", "__field", "timeFilter", "__interval"}
each_board = pytest.mark.parametrize("board", BODIES.values(), ids=BODIES)


def panels(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The panels that show something."""
    return (panel for panel in board["panels"] if panel["type"] != "row")


def test_committed_json_is_what_the_code_makes() -> None:
    committed = {path.stem: path.read_text(encoding="utf-8") for path in (FOLDER / "json").glob("*.json")}
    made = {name: text_of(body) for name, body in BODIES.items()}
    assert committed == made, "run `python -m streamgauge.dashboards.grafana`"


def test_every_question_of_the_issue_has_its_board() -> None:
    assert set(BOARDS) == {"overview", "job", "samples", "training", "system", "alerts", "pipeline"}


def test_identities_are_unique_and_short_enough() -> None:
    assert [body["uid"] for body in BODIES.values()] == list(BODIES)
    assert len({body["title"] for body in BODIES.values()}) == len(BODIES)
    assert all(len(uid) <= 40 for uid in BODIES)


@each_board
def test_panel_numbers_are_unique_and_start_at_one(board: dict[str, Any]) -> None:
    assert [panel["id"] for panel in board["panels"]] == list(range(1, len(board["panels"]) + 1))


@each_board
def test_panels_lie_within_the_grid_and_never_overlap(board: dict[str, Any]) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24 and place["w"] > 0 and place["h"] > 0
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, f"{panel['title']} lies on {taken[x, y]}"
                taken[x, y] = panel["title"]


@each_board
def test_every_panel_says_what_it_shows_in_which_unit_from_which_source(board: dict[str, Any]) -> None:
    titles = [panel["title"] for panel in panels(board)]
    assert len(set(titles)) == len(titles)
    for panel in panels(board):
        assert len(panel["description"]) > 15 and panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        for asked in (panel, *panel["targets"]):
            assert asked["datasource"] == {"type": "influxdb", "uid": "${datasource}"}, panel["title"]


@each_board
def test_queries_of_a_panel_have_names_of_their_own(board: dict[str, Any]) -> None:
    for panel in panels(board):
        names = [target["refId"] for target in panel["targets"]]
        assert names and len(set(names)) == len(names), panel["title"]


@each_board
def test_every_variable_that_is_used_is_defined_and_every_defined_one_used(board: dict[str, Any]) -> None:
    text = json.dumps(board)
    used = set(re.findall(r"\$\{(\w+)", text)) | set(re.findall(r"\$(\w+)", re.sub(r"\$tag_\w+|\$__all", "", text)))
    defined = {variable["name"] for variable in board["templating"]["list"]}
    assert used - BUILT_IN == defined
    assert {"datasource", "page"} <= defined


@each_board
def test_thresholds_rise(board: dict[str, Any]) -> None:
    found = list(thresholds(board))
    assert found
    for steps in found:
        values = [step["value"] for step in steps]
        assert values[0] is None and values[1:] == sorted(values[1:]) and len(set(values)) == len(values)


@each_board
def test_tables_group_by_one_tag_at_most(board: dict[str, Any]) -> None:
    for panel in panels(board):
        for target in panel["targets"]:
            groups = target["query"].partition(" GROUP BY ")[2]
            assert target["resultFormat"] == "time_series" or "," not in groups, panel["title"]


@each_board
def test_queries_stay_in_the_subset_that_all_servers_share(board: dict[str, Any]) -> None:
    banned = re.compile(r"\b(SLIMIT|SOFFSET|CARDINALITY|SAMPLE|HOLT_WINTERS|INTO|SHOW SERIES|from\(bucket)\b", re.I)
    for query in queries(board):
        assert not banned.search(re.sub(r"'[^']*'|\"[^\"]*\"", "", query)), query
        assert "$timeFilter" in query, query


@each_board
def test_links_lead_to_boards_and_views_that_exist_with_variables_that_they_have(board: dict[str, Any]) -> None:
    listed = re.search(r"VIEWS = {([^}]*)}", (WEB / "js" / "main.js").read_text(encoding="utf-8"))
    assert listed
    views = {entry.partition(":")[0].strip() for entry in listed[1].split(",")}
    for address in addresses(board):
        if address.startswith("/d/"):
            target, _, query = address.removeprefix("/d/").partition("?")
            wanted = set(re.findall(r"var-(\w+)=", query))
            assert wanted <= {variable["name"] for variable in BODIES[target]["templating"]["list"]}, address
            assert "from=${__from}&to=${__to}" in query
        else:
            view, _, query = address.removeprefix("${page}/#/").partition("?")
            assert view in views and query.endswith("from=${__from:date:seconds}&to=${__to:date:seconds}"), address


@each_board
def test_a_name_in_a_link_is_encoded(board: dict[str, Any]) -> None:
    for address in addresses(board):
        for expression in re.findall(r"\$\{((?:__data|__field|job)[^}]*)\}", address):
            assert expression.endswith(":percentencode"), address


@each_board
def test_the_sdk_reads_back_what_it_wrote(board: dict[str, Any]) -> None:
    plugins.register_default_plugins()
    influxql.register()
    again = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))
    assert without_placement(again) == board


def test_no_link_can_change_where_the_links_to_the_live_page_lead() -> None:
    for board in BODIES.values():
        page = next(variable for variable in board["templating"]["list"] if variable["name"] == "page")
        assert (page["type"], page["hide"], page["skipUrlSync"]) == ("constant", 2, True)


def test_the_address_of_the_live_page_can_be_chosen() -> None:
    board = rendered_boards("https://gauge.example")["streamgauge-overview"]
    page = next(variable for variable in board["templating"]["list"] if variable["name"] == "page")
    assert page["query"] == "https://gauge.example"


def queries(board: dict[str, Any]) -> Iterator[str]:
    """Every query of panels, variables and annotations."""
    yield from (target["query"] for panel in panels(board) for target in panel["targets"])
    yield from (mark["target"]["query"] for mark in board["annotations"]["list"])
    yield from (variable["query"] for variable in board["templating"]["list"] if variable["type"] == "query")


def addresses(found: Any) -> Iterator[str]:
    """Every link's address."""
    if isinstance(found, dict):
        if isinstance(found.get("url"), str) and found["url"]:
            yield found["url"]
        for value in found.values():
            yield from addresses(value)
    elif isinstance(found, list):
        for value in found:
            yield from addresses(value)


def thresholds(found: Any) -> Iterator[list[dict[str, Any]]]:
    """Every list of thresholds, of panels and of columns."""
    if isinstance(found, dict):
        if isinstance(found.get("steps"), list):
            yield found["steps"]
        for value in found.values():
            yield from thresholds(value)
    elif isinstance(found, list):
        for value in found:
            yield from thresholds(value)

"""Every panel, variable and annotation query runs on a real InfluxDB, for all and for a choice of jobs and workers."""

from __future__ import annotations

import json
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import pytest

pytest.importorskip("grafana_foundation_sdk", reason="grafana-foundation-sdk is not installed")

from streamgauge.dashboards.grafana.catalogue import dashboards
from streamgauge.pipelines.adapters.influx.lines import stored_name
from streamgauge.pipelines.adapters.influx.schema import NONE, TABLES
from streamgauge.pipelines.adapters.influx.store import InfluxStore
from streamgauge.pipelines.config.schema import Influx
from tests.grafana.interpolation import ALL, Chosen, interpolated
from tests.grafana.records import END, ENTITIES, HOSTILE, JOBS, START, WORKERS, records
from tests.grafana.test_boards import panels
from tests.servers.influx import InfluxServer

pytestmark = pytest.mark.real
BUCKET: Final = "grafana"
BOARDS: Final = dashboards()
PATIENCE: Final = 120.0
# dead letters are filed under the time of their arrival, which is after the story
UNTIL: Final = time.time() + 3600.0
each_board = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)


class Choice(NamedTuple):
    """What is chosen in each variable that offers it."""

    name: str
    values: Mapping[str, Chosen]


WORST: Final = stored_name(HOSTILE)
CHOICES: Final = (
    Choice("all", {"job": ALL, "worker": ALL, "entity": ALL}),
    Choice("some", {
        "job": [WORST], "worker": [NONE, WORST], "entity": [NONE, f"feature:{WORST}"],
    }),
)  # fmt: skip
each_choice = pytest.mark.parametrize("choice", CHOICES, ids=[choice.name for choice in CHOICES])


@pytest.fixture(scope="module")
def stored(influx: InfluxServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxServer]:
    """The server with all records in it, written by the real store."""
    influx.create(BUCKET)
    store = InfluxStore(Influx(url=influx.url, bucket=BUCKET, batch=1000), tmp_path_factory.mktemp("spill"))
    store.write(records())
    deadline = time.monotonic() + PATIENCE
    while store.health()["waiting"] and time.monotonic() < deadline:
        time.sleep(0.05)
    health = store.health()
    store.close()
    assert (health["waiting"], health["rejected"]) == (0, 0), health
    yield influx
    influx.drop(BUCKET)


@each_choice
@each_board
def test_every_panel_has_an_answer(board: dict[str, Any], choice: Choice, stored: InfluxServer) -> None:
    chosen = choice.values | single(board)
    asked = [(panel["title"], target) for panel in panels(board) for target in panel["targets"]]
    answers = ask(stored, [target["query"] for _, target in asked], chosen)
    found = zip(asked, answers, strict=True)
    assert not [f"{title} {target['refId']}: {target['query']}" for (title, target), rows in found if not rows]


@each_choice
@each_board
def test_every_annotation_has_a_title_a_text_tags_and_if_it_lasts_an_end(
    board: dict[str, Any], choice: Choice, stored: InfluxServer
) -> None:
    marks = [mark["target"] for mark in board["annotations"]["list"]]
    answers = ask(stored, [mark["query"] for mark in marks], choice.values | single(board))
    for mark, found in zip(marks, answers, strict=True):
        (series,) = found
        assert all(None not in row for row in series["values"])  # Grafana would leave the record out
        parts = [part_of(f"{series['name']}.{column}", mark) for column in series["columns"][1:]]
        tags = ["tag"] * len(mark["tagsColumn"].split(","))
        assert parts == ["title", "text", *tags, *(["end"] if mark["timeEndColumn"] else [])]


@each_choice
@each_board
def test_every_variable_offers_what_is_stored_name_by_name(
    board: dict[str, Any], choice: Choice, stored: InfluxServer
) -> None:
    stored_names = {"job": JOBS, "worker": WORKERS, "entity": ENTITIES}
    asked = [one for one in board["templating"]["list"] if one["type"] == "query"]
    answers = ask(stored, [one["query"] for one in asked], choice.values | single(board))
    for variable, series in zip(asked, answers, strict=True):
        offered = {value for one in series for _, value in one["values"]}
        assert offered, variable["query"]
        if variable["name"] in stored_names:
            assert offered == set(map(stored_name, stored_names[variable["name"]]))


@each_board
def test_what_is_chosen_is_all_that_is_shown(board: dict[str, Any], stored: InfluxServer) -> None:
    choice = CHOICES[1].values
    asked = [target["query"] for panel in panels(board) for target in panel["targets"]]
    for query, series in zip(asked, ask(stored, asked, choice | single(board)), strict=True):
        for tag, wanted in (("job", choice["job"]), ("worker", choice["worker"]), ("entity", choice["entity"])):
            if f"${{{tag}:" in query:
                assert values(series, tag) <= set(wanted), query


@each_board
def test_a_job_of_no_name_shows_nothing_and_breaks_nothing(board: dict[str, Any], stored: InfluxServer) -> None:
    nobody = {"job": ["nobody(", "/"], "worker": ["no.body"], "entity": [".*"]}
    asked = [target["query"] for panel in panels(board) for target in panel["targets"] if "${job:" in target["query"]]
    assert not any(ask(stored, asked, single(board) | nobody))


def test_every_table_of_the_schema_but_the_pictures_is_shown() -> None:
    shown = {table for board in BOARDS.values() for panel in panels(board) for target in panel["targets"]
             for table in re.findall(r'FROM "(\w+)"', target["query"])}  # fmt: skip
    assert shown == set(TABLES) - {"profile"}


def test_anomalies_end_where_their_band_ends(stored: InfluxServer) -> None:
    panel = next(panel for panel in panels(BOARDS["streamgauge-job"]) if panel["title"] == "Anomalies over time")
    (series,) = ask(stored, [panel["targets"][0]["query"]], CHOICES[0].values)[0]
    begin, end = series["columns"].index("time"), series["columns"].index("until_ms")
    lengths = {row[end] - row[begin] for row in series["values"]}
    assert lengths == {0, 120_000}  # an open one ends where it begins, and Grafana draws it to the end of the range


def part_of(column: str, mark: dict[str, Any]) -> str:
    """What Grafana makes of a column of an annotation: its rules, in its order."""
    if column == mark["titleColumn"]:
        return "title"
    if any(tag in column for tag in mark["tagsColumn"].split(",") if tag):
        return "tag"
    if mark["textColumn"] in column:
        return "text"
    return "end" if column == mark["timeEndColumn"] else "nothing"


def single(board: dict[str, Any]) -> dict[str, Chosen]:
    """One value for each variable of the board that takes one only."""
    alone = [one for one in board["templating"]["list"] if one["type"] == "query" and not one["multi"]]
    return {one["name"]: WORST if one["name"] == "job" else one["current"]["value"] for one in alone}


def ask(server: InfluxServer, queries: list[str], chosen: Mapping[str, Chosen]) -> list[list[dict[str, Any]]]:
    """The series of each query, times in milliseconds, as Grafana asks for them: all in one request."""
    text = ";".join(interpolated(query, chosen, START, UNTIL if "dead_letter" in query else END) for query in queries)
    body = urllib.parse.urlencode({"db": BUCKET, "q": text, "epoch": "ms"}).encode()
    with urllib.request.urlopen(f"{server.native}/query", body, timeout=PATIENCE) as answer:
        results = json.load(answer)["results"]
    for query, result in zip(queries, results, strict=True):
        assert "error" not in result, f"{query}: {result['error']}"
    return [result.get("series", []) for result in results]


def values(series: list[dict[str, Any]], tag: str) -> set[str]:
    """All values of a tag, wherever the answer has them."""
    grouped = {one["tags"][tag] for one in series if tag in one.get("tags", {})}
    columns = {row[one["columns"].index(tag)] for one in series if tag in one["columns"] for row in one["values"]}
    return grouped | columns

"""From the dashboards as values to Grafana's JSON: laid out on the grid, numbered, with links and variables of all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import AnnotationQuery, DashboardCursorSync

from streamgauge.dashboards.grafana.links import TAG, between, uid
from streamgauge.dashboards.grafana.panels import AnyPanel
from streamgauge.dashboards.grafana.variables import PAGE, Variable, datasource, page

_RANGE: Final = ("now-24h", "now")


class Board(NamedTuple):
    """One dashboard: rows of panels by title, its own variables and annotations."""

    name: str  # of its file, and the end of its uid
    title: str
    doc: str  # the question that it answers
    variables: Sequence[Variable]
    marks: Sequence[Builder[AnnotationQuery]]
    rows: Mapping[str, Sequence[AnyPanel]]


def rendered(board: Board, page_url: str = PAGE) -> dict[str, Any]:
    """The dashboard as Grafana's classic JSON.

    Args:
        board: what it is.
        page_url: the address of the live page, for the links to it.
    """
    built = (
        builders.Dashboard(board.title).uid(uid(board.name)).description(board.doc).tags([TAG]).readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR).time(*_RANGE).timezone("browser").refresh("1m").links(between())
        .variables([datasource(), *board.variables, page(page_url)]).annotations(list(board.marks))
    )  # fmt: skip
    for title, panels in board.rows.items():
        built = built.with_row(builders.Row(title))
        for panel in panels:
            built = built.with_panel(panel)
    body = json.loads(json.dumps(built.build(), cls=JSONEncoder))
    for number, panel_body in enumerate(body["panels"], 1):
        panel_body["id"] = number  # the SDK gives panels none, and every row 0
    for variable in body["templating"]["list"]:
        variable["skipUrlSync"] = variable["type"] == "constant"  # or a link could change where others lead
    shown: dict[str, Any] = without_placement(body)
    return shown


def without_placement(body: Any) -> Any:
    """The JSON with links and annotations where Grafana shows them by default; the SDK puts all of them into a menu."""
    if isinstance(body, dict):
        return {key: without_placement(value) for key, value in body.items() if not _is_placement(key, value)}
    return [without_placement(one) for one in body] if isinstance(body, list) else body


def _is_placement(key: str, value: object) -> bool:
    return (key, value) == ("placement", "inControlsMenu")


def text_of(body: Mapping[str, Any]) -> str:
    """The JSON as it is committed: stable, one key a line."""
    return json.dumps(body, indent=2, sort_keys=True, ensure_ascii=False) + "\n"

"""The few kinds of panel that the dashboards are made of, each with its title, description, unit and queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from grafana_foundation_sdk.builders import common, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    Panel,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)

from streamgauge.dashboards.grafana.anchors import Step
from streamgauge.dashboards.grafana.influxql import SOURCE, Query
from streamgauge.dashboards.grafana.links import Link

AnyPanel = Builder[Panel]
FULL, HALF, THIRD, QUARTER = 24, 12, 8, 6  # columns of the grid of 24
_TALL: Final = 8
_LEAST: Final = "10s"  # interval of a chart: the pane, than which no window is shorter
_GAP_MS: Final = 6 * 3_600_000  # longer without a value is drawn as a gap; the longest usual window is 3 h


class Column(NamedTuple):
    """How a table shows one column: its unit, its thresholds, where it leads, its width in pixels, its heading."""

    unit: str = ""
    steps: tuple[Step, ...] = ()
    links: tuple[Link, ...] = ()
    width: int = 0
    colours: Mapping[str, str] = {}  # by text
    heading: str = ""  # where it is not the column's name


def chart(
    title: str, doc: str, unit: str, queries: Sequence[Query], *, steps: Sequence[Step] = (), width: int = HALF,
    links: Sequence[Link] = (), low: float | None = None, high: float | None = None, is_stacked: bool = False,
) -> AnyPanel:  # fmt: skip
    """Lines over time, thresholds as dashed ones."""
    panel = (
        timeseries.Panel().title(title).description(doc).datasource(SOURCE).unit(unit).span(width).height(_TALL)
        .interval(_LEAST).line_width(1).fill_opacity(0).show_points(options.VisibilityMode.AUTO).insert_nulls(_GAP_MS)
        .legend(_legend()).tooltip(_tooltip()).targets(list(queries)).data_links(list(links))
        .thresholds(_thresholds(steps))
    )  # fmt: skip
    mode = options.GraphThresholdsStyleMode.DASHED if steps else options.GraphThresholdsStyleMode.OFF
    panel = panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(mode))
    if is_stacked:
        stacked = common.StackingConfig().mode(options.StackingMode.NORMAL)
        panel = panel.stacking(stacked).fill_opacity(60).line_width(0)
    panel = panel if low is None else panel.min(low)
    return panel if high is None else panel.max(high)


def stat_of(
    title: str, doc: str, unit: str, query: Query, *, steps: Sequence[Step] = (), width: int = QUARTER,
    links: Sequence[Link] = (), nothing: str = "nothing yet",
) -> AnyPanel:  # fmt: skip
    """One big number a series, coloured by its thresholds; `nothing` is shown where there is no value."""
    reduced = common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)
    return (
        stat.Panel().title(title).description(doc).datasource(SOURCE).unit(unit).span(width).height(4)
        .targets([query]).thresholds(_thresholds(steps)).data_links(list(links)).no_value(nothing)
        .reduce_options(reduced)
    )  # fmt: skip


def timeline(
    title: str, doc: str, queries: Sequence[Query], *, steps: Sequence[Step] = (), colours: Mapping[str, str] = {},
    unit: str = "none", height: int = _TALL, links: Sequence[Link] = (), named: str = "", has_ends: bool = False,
    transformed: Sequence[tuple[str, dict[str, Any]]] = (),
) -> AnyPanel:  # fmt: skip
    """A band a series whose colour is its state: by text (`colours`) or by thresholds (`steps`).

    With `has_ends` a second column of times says when a state ended; without, it ends where its values do.
    """
    panel = (
        statetimeline.Panel().title(title).description(doc).datasource(SOURCE).unit(unit).span(FULL).height(height)
        .targets(list(queries)).data_links(list(links)).thresholds(_thresholds(steps)).legend(_legend())
        .tooltip(_tooltip()).merge_values(True).show_value(options.VisibilityMode.NEVER).row_height(0.8)
        .color_scheme(builders.FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .transformations(_transformations(transformed))
    )  # fmt: skip
    panel = panel.display_name(named) if named else panel
    panel = panel if has_ends else panel.insert_nulls(_GAP_MS)
    return panel.mappings([_mapping(colours)]) if colours else panel


def table_of(
    title: str, doc: str, queries: Sequence[Query], columns: Mapping[str, Column], *, width: int = FULL,
    height: int = _TALL, sort: str = "", descending: bool = False,
    transformed: Sequence[tuple[str, dict[str, Any]]] = (),
) -> AnyPanel:  # fmt: skip
    """Records as rows; a column that is not in `columns` is shown as it is."""
    panel = (
        table.Panel().title(title).description(doc).datasource(SOURCE).unit("none").span(width).height(height)
        .targets(list(queries)).filterable(True).no_value("-")
        .transformations(_transformations(transformed))
    )  # fmt: skip
    for name, column in columns.items():
        panel = panel.override_by_name(name, _properties(column))
    if sort:
        panel = panel.sort_by([common.TableSortByFieldState().display_name(sort).desc(descending)])
    return panel


def _properties(column: Column) -> list[DynamicConfigValue]:
    said: dict[str, object] = {}
    if column.unit:
        said["unit"] = column.unit
    if column.heading:
        said["displayName"] = column.heading
    if column.width:
        said["custom.width"] = column.width
    if column.links:
        said["links"] = [link.build() for link in column.links]
    if column.steps:
        said["thresholds"] = _thresholds(column.steps).build()
    if column.colours:
        said["mappings"] = [_mapping(column.colours)]
    if column.steps or column.colours:
        said["custom.cellOptions"] = {"type": "color-text"}
    return [DynamicConfigValue(key, value) for key, value in said.items()]


def _transformations(transformed: Sequence[tuple[str, dict[str, Any]]]) -> list[DataTransformerConfig]:
    return [DataTransformerConfig(id_val=name, options=body) for name, body in transformed]


def _thresholds(steps: Sequence[Step]) -> builders.ThresholdsConfig:
    shown = [Threshold(value=step.at, color=step.colour) for step in steps] or [Threshold(value=None, color="blue")]
    return builders.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(shown)


def _mapping(colours: Mapping[str, str]) -> ValueMap:
    shown = enumerate(colours.items())
    results = {text: ValueMappingResult(text=text, color=colour, index=index) for index, (text, colour) in shown}
    return ValueMap(options=results)


def _legend() -> common.VizLegendOptions:
    shown = common.VizLegendOptions().show_legend(True).placement(options.LegendPlacement.BOTTOM)
    return shown.display_mode(options.LegendDisplayMode.LIST).calcs([])


def _tooltip() -> common.VizTooltipOptions:
    return common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI).sort(options.SortOrder.DESCENDING)



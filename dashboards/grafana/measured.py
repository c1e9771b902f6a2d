"""Charts of the catalogue's metrics: title, description, unit and thresholds come from the registry and its rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from streamgauge.dashboards.grafana.anchors import Plotted, Quantity, plotted
from streamgauge.dashboards.grafana.influxql import Query, chosen, equals, lines
from streamgauge.dashboards.grafana.links import Link, to_board, to_page
from streamgauge.dashboards.grafana.panels import FULL, HALF, AnyPanel, chart
from streamgauge.pipelines.metrics import Metric
from streamgauge.pipelines.registry import METRICS, RULES

_UNITS: Final = {
    "s": "s", "rows/s": "rowsps", "1/s": "suffix:/s", "1/h": "suffix:/h", "count": "short", "messages": "short",
    "bytes": "bytes", "nats": "suffix: nats", "sigmas": "suffix: σ",
}  # fmt: skip
_SHARES: Final = frozenset({"cpu", "memory", "vanishing", "exploding", "dead_units"})  # judged on their own scale
_SELECTS: Final[dict[Quantity, str]] = {
    "value": '{0}("value")',
    "difference": 'mean("value") - mean("reference")',
    "quotient": 'mean("value") / mean("reference")',
    "to floor": 'mean("value") / mean("floor")',
    "over floor": 'mean("value") - mean("floor")',
}
_WORDS: Final[dict[Quantity, str]] = {
    "value": "",
    "difference": "Above normal, as the score judges it: value - normal.",
    "quotient": "Against normal, as the score judges it: value / normal.",
    "to floor": "Against its scale, as the score judges it: value / SLO, interval or longest normal gap.",
    "over floor": "Above what noise alone gives, as the score judges it: value - noise floor.",
}
_WORST: Final = {"up": "max", "down": "min", "both": "mean"}  # of the values within one interval of the chart
BY: Final = ("job", "worker", "entity")
_LINE: Final = "${__field.labels.job}"  # the job of the line that was clicked
LINKS: Final[tuple[Link, ...]] = (
    to_board("job", "This job", _LINE), to_page("This job's series on the live page", _LINE, "series"),
)  # fmt: skip


def values(name: str, *, by: Sequence[str] = BY, width: int = HALF, normal: bool = False) -> AnyPanel:
    """A metric's values, a line a series; with `normal` what is normal for the time beside them."""
    metric = METRICS[name]
    how = plotted(RULES.get(name))
    steps = how.steps if how.quantity == "value" else ()
    queries = [_query(metric, _SELECTS["value"].format(_WORST[metric.direction]), by, "A", "")]
    if normal:
        queries.append(_query(metric, 'mean("reference")', by, "B", " normal"))
    doc = f"{metric.doc} The {_worst_word(metric)} of each interval."
    links = LINKS if "job" in by else ()
    return chart(_title(name), doc, unit_of(metric), queries, steps=steps, width=width, links=links, low=_low(metric))


def judged(name: str, *, by: Sequence[str] = BY, width: int = HALF) -> AnyPanel:
    """What the score's rule judges of a metric, with its thresholds: the loss begins at yellow and is whole at red."""
    metric, rule = METRICS[name], RULES[name]
    how = plotted(rule)
    if how.quantity == "value" or not how.steps:
        raise ValueError(f"the rule of {name} judges no quantity beside the value (dashboards.grafana.measured)")
    query = _query(metric, _SELECTS[how.quantity], by, "A", "")
    title = f"{_title(name)}, {'against normal' if how.quantity != 'to floor' else 'against its scale'}"
    doc = f"{_WORDS[how.quantity]} The loss begins at yellow and is whole at red. {metric.doc}"
    links = LINKS if "job" in by else ()
    return chart(title, doc, _unit_judged(metric, how), [query], steps=how.steps, width=width, links=links)


def any_of(domain: str) -> AnyPanel:
    """The metric chosen in the variable, with its normal band."""
    where = (equals("domain", domain), chosen("metric"), *(chosen(tag) for tag in BY))
    name = " ".join(f"$tag_{tag}" for tag in BY)
    shown = {"value": "", "reference": " normal", "low": " low", "high": " high"}
    queries = [
        lines(f'mean("{field}")', "metric", *where, by=BY, alias=name + suffix, ref=ref)
        for ref, (field, suffix) in zip("ABCD", shown.items(), strict=True)
    ]
    doc = "The metric chosen above: its mean in each interval, what is normal then, and the normal band."
    return chart("Metric: $metric", doc, "short", queries, width=FULL, links=LINKS)


def unit_of(metric: Metric) -> str:
    """Grafana's unit of a metric; a ratio is a percentage where it is a share.

    >>> unit_of(METRICS["missing_rate"]), unit_of(METRICS["pcoc"]), unit_of(METRICS["volume"])
    ('percentunit', 'none', 'rowsps')
    """
    if metric.unit == "ratio":
        is_share = metric.transform == "asin" or metric.name in _SHARES or metric.name.startswith("pipeline_")
        return "percentunit" if is_share else "none"
    return _UNITS.get(metric.unit, "none")


def _query(metric: Metric, select: str, by: Sequence[str], ref: str, suffix: str) -> Query:
    where = [equals("metric", metric.name), *(chosen(tag) for tag in by)]
    alias = " ".join(f"$tag_{tag}" for tag in by) + suffix
    return lines(select, "metric", *where, by=by, alias=alias, ref=ref)


def _unit_judged(metric: Metric, how: Plotted) -> str:
    return unit_of(metric) if how.quantity in ("difference", "over floor") else "suffix: ×"


def _title(name: str) -> str:
    """A metric's name in words.

    >>> _title("label_coverage@H")
    'Label coverage@H'
    """
    words = name.replace("_", " ")
    return words[0].upper() + words[1:]


def _worst_word(metric: Metric) -> str:
    return {"max": "highest", "min": "lowest", "mean": "mean"}[_WORST[metric.direction]]


def _low(metric: Metric) -> float | None:
    return 0.0 if unit_of(metric) in ("percentunit", "rowsps", "s") else None

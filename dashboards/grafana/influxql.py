"""InfluxQL for Grafana: the query type that the SDK lacks, and the few statements that the panels are made of.

Only what InfluxDB 1.x, 2.x and 3 Core share is written: no Flux, SLIMIT, cardinalities or technical analysis. A
variable goes into a regular expression with Grafana's own escape, `${name:regex}`, so that names which hold `/`, `.` or
`|` match themselves. A table selects its tags instead of grouping by several of them, whose columns Grafana may mix up.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from grafana_foundation_sdk.cog import runtime, variants
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.common import DataSourceRef

from streamgauge.pipelines.adapters.influx.schema import TABLES

TYPE: Final = "influxdb"
SOURCE: Final = DataSourceRef(type_val=TYPE, uid="${datasource}")  # what every panel, variable and annotation asks
_KEYS: Final = {"query": "query", "resultFormat": "result_format", "alias": "alias", "refId": "ref_id"}


@dataclass(frozen=True)
class Query(variants.Dataquery, Builder[variants.Dataquery]):
    """One raw InfluxQL query; its own builder, as nothing of it is built in steps."""

    query: str
    result_format: Literal["time_series", "table"] = "time_series"
    alias: str = ""  # of the series: `$tag_NAME` and `$col` are replaced
    ref_id: str = "A"
    annotation: tuple[tuple[str, str], ...] = ()  # which column is an annotation's text, tags, end

    def build(self) -> Query:
        """Itself."""
        return self

    def to_json(self) -> dict[str, object]:
        """As Grafana's data source reads it."""
        body: dict[str, object] = {key: getattr(self, name) for key, name in _KEYS.items()}
        return {**body, "rawQuery": True, "datasource": SOURCE, **dict(self.annotation)} | (
            {"fromAnnotations": True, "textEditor": True} if self.annotation else {}
        )

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Query:
        """The query of its JSON."""
        columns = tuple((key, value) for key, value in data.items() if key.endswith("Column"))
        return cls(**{name: data[key] for key, name in _KEYS.items()}, annotation=columns)


def register() -> None:
    """Make the SDK read this type of query back from JSON."""
    runtime.register_dataquery_variant(runtime.DataqueryConfig(identifier=TYPE, from_json_hook=Query.from_json))


def lines(
    select: str, table: str, *where: str, by: Sequence[str] = (), alias: str = "", ref: str = "A"
) -> Query:  # fmt: skip
    """A line for each value of the tags `by`: `select` over each interval of the chart, nothing where nothing is."""
    groups = ", ".join(["time($__interval)", *map(name, by)])
    text = f"SELECT {select} FROM {name(table)} WHERE {_both(where)} GROUP BY {groups} fill(none)"
    return Query(known(table, text), alias=alias, ref_id=ref)


def rows(select: Sequence[str], table: str, *where: str, limit: int, ref: str = "A") -> Query:
    """The newest `limit` records as a table; `select` names tags and fields, at least one field."""
    columns = ", ".join(map(name, select))
    text = f"SELECT {columns} FROM {name(table)} WHERE {_both(where)} ORDER BY time DESC LIMIT {limit}"
    return Query(known(table, text), "table", ref_id=ref)


def summary(select: str, table: str, *where: str, by: str, ref: str = "A") -> Query:
    """A table with a row for each value of one tag over the whole range."""
    text = f"SELECT {select} FROM {name(table)} WHERE {_both(where)} GROUP BY {name(by)}"
    return Query(known(table, text), "table", ref_id=ref)


def total(select: str, table: str, *where: str) -> Query:
    """One number over the whole range."""
    return Query(known(table, f"SELECT {select} FROM {name(table)} WHERE {_both(where)}"))


def newest(outer: str, field: str, table: str, *where: str, by: str) -> Query:
    """One number over the newest value of `field` for each value of a tag: `outer`, such as `min`."""
    inner = f"SELECT last({name(field)}) AS {name(field)} FROM {name(table)} WHERE {_both(where)} GROUP BY {name(by)}"
    return Query(known(table, f"SELECT {outer}({name(field)}) FROM ({inner})"))


def tag_values(tag: str, table: str, *where: str) -> str:
    """The values of a tag, for a variable; with a time, because without one InfluxDB 3 looks at the last day only."""
    text = f"SHOW TAG VALUES FROM {name(table)} WITH KEY = {name(tag)} WHERE {_both(where)}"
    return known(table, text)


def name(of: str) -> str:
    """A table, tag or field as an identifier.

    >>> name("quality_score")
    '"quality_score"'
    """
    return f'"{of}"'


def equals(column: str, value: str) -> str:
    """A tag or a text field has this value.

    >>> print(equals("metric", "label_coverage@H"))
    "metric" = 'label_coverage@H'
    """
    text = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"{name(column)} = '{text}'"


def chosen(tag: str, variable: str = "") -> str:
    """A tag has one of the values chosen in the variable of its name, or in another one.

    >>> print(chosen("job"))
    "job" =~ /^${job:regex}$/
    """
    return f"{name(tag)} =~ /^${{{variable or tag}:regex}}$/"


def known(table: str, text: str) -> str:
    """The statement itself, if all that it names is in the store's schema.

    Raises:
        KeyError: a table, tag or field that the store does not have.
    """
    columns = {*TABLES[table].tags, *TABLES[table].fields, *re.findall(r'AS "([^"]+)"', text)}
    unknown = sorted(set(re.findall(r'"([^"]+)"', text)) - columns - {table})
    if unknown:
        raise KeyError(f"{table} has no {', '.join(unknown)} (streamgauge.pipelines.adapters.influx.schema): {text}")
    return text


def _both(where: Sequence[str]) -> str:
    return " AND ".join([*where, "$timeFilter"])

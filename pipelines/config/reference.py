"""The reference of the configuration, `docs/configuration.md`: made from the types, so no key is missing in it.

`python -m streamgauge.pipelines.config.reference > docs/configuration.md`; a test holds it up to date. What a key does
is the comment beside it in `pipelines/config/schema.py`.
"""

from __future__ import annotations

import inspect as sources
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import inspect

from streamgauge.pipelines.config.loading import is_seconds
from streamgauge.pipelines.config.schema import Config

_FIELD: Final = re.compile(r"    (\w+): .*?  # (.+)")
_OUTSIDE: Final = {  # records that live elsewhere
    "Edge": {
        "cause": "a node: `kind`, `kind:name` or `kind:name@worker`", "effect": "the node that it may explain",
        "delay": "an effect follows within so long", "weight": "how much it explains, 0..1",
        "cause_metrics": "beginnings of the names of the metrics that can move something, `!` before those that cannot",
        "effect_metrics": "the same of what they can move",
    },
}  # fmt: skip
EXAMPLES: Final[dict[str, str]] = {
    "Config": 'data = "./streamgauge-data"\nport = 8470',
    "Retention": '[retention]\nraw = "24h"\nmax_bytes = 2_000_000_000',
    "Kafka": '[kafka]\nbootstrap = "broker-1:9092,broker-2:9092"\nreplication = 3',
    "Influx": '[influx]\nurl = "http://127.0.0.1:8086"\norg = "ml"',
    "Flink": "[flink]\nparallelism = 2",
    "Own": "[self]\nenabled = false",
    "Receiver": '[[notifiers]]\nname = "on-call"\nkind = "slack"\nurl = "https://hooks.example/services/T0"',
    "Webhook": '[[webhooks]]\nurl = "https://hooks.example/streamgauge"',
    "Bridge": (
        '[kafka]\nbootstrap = "broker:9092"\n\n[[bridges]]\njob = "ctr"\ntopic = "impressions"\nid = "request_id"\n\n'
        '[[jobs]]\nname = "ctr"\nfeatures = [{ name = "age", kind = "numeric" }]'
    ),
    "Token": '[[tokens]]\nname = "ada"\nrole = "operator"\nsha256 = "' + "0" * 64 + '"',
    "JobConfig": '[[jobs]]\nname = "ctr"\nworkers = 8\nmissing_after = "2m"',
    "WindowSpec": '[[jobs]]\nname = "ctr"\n\n[[jobs.windows]]\nname = "5m"\nkind = "short"\nlength = 300\nslide = 300',
    "Feature": '[[jobs]]\nname = "ctr"\n\n[[jobs.features]]\nname = "age"\nkind = "numeric"\nlow = 0\nhigh = 120',
    "Labels": '[[jobs]]\nname = "ctr"\n\n[jobs.labels]\nhorizon = "30m"\nmargin = "5m"',
    "Task": (
        '[[jobs]]\nname = "ctr"\n\n[[jobs.tasks]]\nname = "cvr"\nof = "positives"\n'
        'labels = { horizon = "7d", timeout = "8d" }'
    ),
    "Evaluation": (
        '[[jobs]]\nname = "ctr"\n\n[jobs.evaluation]\ngroups = ["user_id"]\nweight = "clicks"\n'
        'find = ["country", "position"]'
    ),
    "Serving": '[[jobs]]\nname = "ctr"\n\n[jobs.evaluation.serving]\nfeatures = ["user_age"]\nhorizon = "2h"',
    "Slice": (
        '[[jobs]]\nname = "ctr"\n\n[[jobs.evaluation.slices]]\nname = "new users"\nfeature = "age_days"\nbelow = 7'
    ),
    "Detection": '[[jobs]]\nname = "ctr"\n\n[jobs.detection]\nthreshold = 8\nwarm_up = "14d"',
    "Paging": '[[jobs]]\nname = "ctr"\n\n[jobs.paging]\nrepeat = "8h"',
    "Holiday": '[[jobs]]\nname = "ctr"\n\n[[jobs.holidays]]\ndate = "2026-12-25"\nname = "Christmas Day"',
    "Edge": '[[jobs]]\nname = "ctr"\n\n[[jobs.topology]]\ncause = "feature:user_id"\neffect = "feature:user_age"',
    "Limit": (
        '[[jobs]]\nname = "ctr"\n\n[[jobs.limits]]\nmetric = "missing_rate"\nentity = "feature:*"\nabove = 0.2\n'
        'for = "10m"\nseverity = "page"'
    ),
}
_HEAD: Final = """\
# Configuration

Made by `python -m streamgauge.pipelines.config.reference > docs/configuration.md`; a test holds it up to date.

One file, `streamgauge.toml`. `streamgauge init` writes a first one, `streamgauge check` names every fault in it with a
remedy. Where a type is *seconds*, a duration may be written: `"90s"`, `"30m"`, `"3h"`, `"7d"`. What the answers depend
on (all of `[[jobs]]`) goes into its log, so a replay knows it; how to change it under a running job is in
[operating](operating.md).
"""


class Table(NamedTuple):
    """One kind of table of the file."""

    name: str  # as TOML writes it
    path: str  # of one of its keys, as faults name it
    kind: inspect.StructType


def reference() -> str:
    """The whole page as Markdown."""
    return "\n".join([_HEAD, *(line for table in tables() for line in _section(table))]) + "\n"


def tables() -> list[Table]:
    """Every table of the file, each before those inside it."""
    top = inspect.type_info(Config)
    assert isinstance(top, inspect.StructType)
    return [Table("", "", top), *_inside(top, "", "")]


def meanings(kind: type[Any]) -> Mapping[str, str]:
    """What each field of a record does, by its name in Python: the comment beside it."""
    if kind.__name__ in _OUTSIDE:
        return _OUTSIDE[kind.__name__]
    lines = sources.getsource(kind).splitlines()
    return {found[1]: found[2] for line in lines if (found := _FIELD.match(line))}


def _inside(kind: inspect.StructType, name: str, path: str) -> Iterator[Table]:
    for field in _fields(kind):
        for found, is_many in _structs(field.type):
            inner = f"{name}.{field.encode_name}" if name else field.encode_name
            at = f"{path}.{field.encode_name}" if path else field.encode_name
            yield Table(f"[[{inner}]]" if is_many else f"[{inner}]", at, found)
            yield from _inside(found, inner, f"{at}.x" if is_many else at)


def _structs(kind: inspect.Type) -> Iterator[tuple[inspect.StructType, bool]]:
    if isinstance(kind, inspect.StructType):
        yield kind, False
    elif isinstance(kind, inspect.UnionType):
        yield from (pair for option in kind.types for pair in _structs(option))
    elif isinstance(kind, inspect.VarTupleType):
        yield from ((found, True) for found, _ in _structs(kind.item_type))


def _fields(kind: inspect.StructType) -> list[inspect.Field]:
    return [field for field in kind.fields if field.name != "version"]


def _section(table: Table) -> Iterator[str]:
    yield f"## {f'`{table.name}`' if table.name else 'The top of the file'}\n"
    yield f"{sources.cleandoc(table.kind.cls.__doc__ or '')}\n"
    yield f"```toml\n{EXAMPLES[table.kind.cls.__name__]}\n```\n"
    yield "| key | type | default | what it changes |\n|---|---|---|---|"
    meaning = meanings(table.kind.cls)
    for field in _fields(table.kind):
        path = f"{table.path}.{field.encode_name}" if table.path else field.encode_name
        what = meaning[field.name].replace("|", "\\|")
        yield f"| `{field.encode_name}` | {_type(field.type, path)} | {_default(field)} | {what} |"
    yield ""


def _type(kind: inspect.Type, path: str) -> str:
    if isinstance(kind, inspect.UnionType):
        return " or ".join(_type(one, path) for one in kind.types if not isinstance(one, inspect.NoneType))
    if isinstance(kind, inspect.LiteralType):
        return ", ".join(f'`"{value}"`' for value in kind.values)
    if isinstance(kind, inspect.FloatType):
        return "seconds" if is_seconds(path) else "number"
    if isinstance(kind, inspect.VarTupleType):
        word = _type(kind.item_type, path)
        return f"array of {word if word == 'seconds' or word.startswith('`') else f'{word}s'}"
    if isinstance(kind, inspect.DictType):
        return "table"
    words = {inspect.IntType: "whole number", inspect.StrType: "text", inspect.BoolType: "`true` or `false`"}
    return words.get(type(kind), "table")


def _default(field: inspect.Field) -> str:
    if field.required:
        return "required"
    value = field.default
    if value is msgspec.NODEFAULT:
        value = field.default_factory() if field.default_factory is not msgspec.NODEFAULT else None
    parts = value if isinstance(value, tuple) else (value,)
    if value is None or value in ((), {}) or any(isinstance(part, msgspec.Struct) for part in parts):
        return "-"
    text = msgspec.json.encode(value).decode()
    return f"`{text.replace(',', ', ') if isinstance(value, tuple) else text}`"


if __name__ == "__main__":
    print(reference(), end="")

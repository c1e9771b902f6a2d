"""The reference of the HTTP surface, `docs/http.md`: made from its OpenAPI document, so nothing is missing in it.

`python -m streamgauge.pipelines.adapters.http.reference > docs/http.md`; a test holds it up to date.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from streamgauge.pipelines.adapters.http.openapi import PATH, document_of
from streamgauge.pipelines.adapters.http.server import routes_of

_HEAD: Final = f"""\
# HTTP

Made by `python -m streamgauge.pipelines.adapters.http.reference > docs/http.md`; a test holds it up to date. The
document at `{PATH}` is the same for programs.

`streamgauge run` serves it on loopback. Behind another address it wants a token: `Authorization: Bearer ...`. Times are
seconds since 1970 by the job's clock, ranges [start, end). Numbers that are not known are `null`. An error is
`{{"error": ..., "remedy": ...}}` with a status of 4xx or 5xx. In Python, `streamgauge.connect` asks the same routes
and gives frames: [the notebook](../examples/notebook.ipynb).
"""
_GROUPS: Final = (
    ("Jobs", "/api/jobs"), ("Incidents", "/api/incidents"), ("The pipeline", "/api"), ("For probes", "/"),
)  # fmt: skip


def reference() -> str:
    """The whole page as Markdown."""
    document = document_of(routes_of())
    lines, left = [_HEAD], dict(document["paths"])
    for title, prefix in _GROUPS:
        mine = {path: left.pop(path) for path in list(left) if path.startswith(prefix)}
        lines += [f"## {title}", ""]
        for path, methods in mine.items():
            for method, one in methods.items():
                lines += _section(method.upper(), path, one, document["components"]["schemas"])
    return "\n".join(lines).rstrip() + "\n"


def _section(method: str, path: str, one: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[str]:
    yield f"### `{method} {path}`"
    yield from (one["summary"], "")
    rows = [_parameter(parameter) for parameter in one["parameters"] if parameter["in"] == "query"]
    yield from _table(("parameter", "type", "default", "what"), rows)
    body = one.get("requestBody")
    if body is not None:
        schema = body["content"]["application/json"]["schema"]
        schema = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        required = set(schema.get("required", ()))
        rows = [_field(name, field, name in required, schemas) for name, field in schema["properties"].items()]
        yield from _table(("field of the body", "type", "default"), rows)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    if rows:
        yield f"| {' | '.join(head)} |"
        yield "|" + "---|" * len(head)
        yield from (f"| {' | '.join(row)} |" for row in rows)
        yield ""


def _parameter(one: Mapping[str, Any]) -> tuple[str, ...]:
    schema = one["schema"]
    most = f", at most {schema['maximum']:,}" if schema.get("type") == "integer" and schema["maximum"] < 2**53 else ""
    default = "required" if one.get("required") else str(schema.get("default", ""))
    return f"`{one['name']}`", schema["type"], default, f"{one.get('description', '')}{most}".removeprefix(", ")


def _field(name: str, field: Mapping[str, Any], is_required: bool, schemas: Mapping[str, Any]) -> tuple[str, ...]:
    default = "required" if is_required else f"`{_json(field.get('default'))}`"
    return f"`{name}`", _type(field, schemas), default


def _type(field: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    """A schema in words.

    >>> _type({"type": "array", "items": {"type": "string"}}, {})
    'list of string'
    """
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"object ({', '.join(f'`{one}`' for one in schemas[name].get('properties', {}))})"
    if "enum" in field:
        return " or ".join(f"`{one}`" for one in field["enum"])
    if "anyOf" in field:
        return " or ".join(_type(one, schemas) for one in field["anyOf"])
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}), schemas)}"
    return str(field.get("type", "any"))


def _json(value: Any) -> str:
    import json

    return json.dumps(value)


if __name__ == "__main__":
    print(reference(), end="")

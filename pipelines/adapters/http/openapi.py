"""The OpenAPI document of the surface, made from its routes: what each is for is its handler's docstring."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
from aiohttp import web

from streamgauge.pipelines.adapters.http import actions, costs
from streamgauge.pipelines.adapters.http.json import FOREVER, MAX_TEXT, answer

PATH: Final = "/api/openapi.json"
MOST: Final = 5000  # rows of one answer, where not less is said
_ERRORS: Final = {"type": "object", "required": ["error", "remedy"], "additionalProperties": False, "properties": {
    "error": {"type": "string"}, "remedy": {"type": "string"},
}}  # fmt: skip


def _time(name: str, text: str) -> dict[str, Any]:
    schema = {"type": "number", "minimum": -FOREVER, "maximum": FOREVER}
    return {"name": name, "in": "query", "description": f"{text}; seconds since 1970", "schema": schema}


def _whole(name: str, default: int, most: int, least: int = 1) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": least, "maximum": most, "default": default}
    return {"name": name, "in": "query", "schema": schema}


def _text(name: str, text: str = "") -> dict[str, Any]:
    return {"name": name, "in": "query", "description": text, "schema": {"type": "string", "maxLength": MAX_TEXT}}


_WORKER: Final = _text("worker", "its name; the job as a whole, where it is left out")
_SPAN: Final = (_time("start", "from here on"), _time("end", "up to here, without it"))
QUERY: Final[dict[str, tuple[dict[str, Any], ...]]] = {  # by the name of the handler
    "scores": (*_SPAN, _whole("limit", 1000, MOST)),
    "breakdown": (_time("at", "the last scores at or before this time; now, where it is left out"),),
    "series": (
        *(_text(name, "only series of this one") for name in ("worker", "domain", "entity", "metric")),
        _whole("limit", 1000, MOST),
    ),
    "points": (
        {**_whole("series", 0, 2**53, least=0), "required": True, "description": "its id"}, *_SPAN,
        _whole("buckets", 500, 2000),
    ),
    "changed": (
        *_SPAN, _whole("limit", 50, 500),
        _time("before_start", "what it is compared with, from here on; as long before it, where it is left out"),
        _time("before_end", "up to here, without it"),
    ),
    "compared": (
        {**_text("first", "a run, by the beginning of its name, or previous"), "required": True},
        {**_text("second", "another, or last"), "required": True},
        {"name": "whole", "in": "query", "description": "all of both, not the same length from their begin",
         "schema": {"type": "integer", "minimum": 0, "maximum": 1, "default": 0}},
    ),
    "anomalies": (*_SPAN, _whole("limit", 1000, MOST)),
    "incidents": (*_SPAN, _whole("limit", 200, MOST)),
    "gate": (_time("since", "the last push: what was told since then holds too"),),
    "silenced": (_whole("limit", 200, MOST),),
    "changes": (*_SPAN, _text("names", "names of changes, with commas between them; all, where it is left out")),
    "profiles": (_WORKER, *_SPAN),
    "features": _SPAN,
    "slices": (_text("task", "a head of the model; the job's own labels, where it is left out"), *_SPAN),
    "against": (
        {**_text("other", "the other job"), "required": True}, _text("task", "a head of both models"), *_SPAN,
        {
            "name": "share", "in": "query", "description": "of all labelled rows that the other job is to have",
            "schema": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1, "default": 0.5},
        },
    ),
    "audit": (*_SPAN, _whole("limit", 5000, 50_000)),
    "audit_csv": (*_SPAN, _whole("limit", 5000, 50_000)),
    "features_csv": _SPAN,
    "pictures": (
        _WORKER, _text("entity", "such as feature:age; the job itself, where it is left out"), *_SPAN,
        _time("against", "the end of the range to compare with, such as the time of a release; else the range before"),
    ),
    "tensors": (_whole("limit", 100, 500),),
    "dead_letters": (_whole("limit", 100, MOST),),
    "events": (_text("since", "an event's id, as Last-Event-ID"),),
}
BODIES: Final[dict[str, type[msgspec.Struct]]] = actions.BODIES | costs.BODIES
_PLAIN: Final = {
    "features_csv": "text/csv", "audit_csv": "text/csv", "help_text": "text/plain", "metrics": "text/plain",
    "events": "text/event-stream",
}  # fmt: skip
_UNREADY: Final = {"ready": 503}  # whose other answer is no error


def add(app: web.Application) -> None:
    """Add the route; after all others."""
    app.router.add_get(PATH, document)


async def document(request: web.Request) -> web.StreamResponse:
    """This document."""
    return answer(document_of(request.app.router.routes()))


def document_of(routes: Iterable[web.AbstractRoute]) -> dict[str, Any]:
    """The document of these routes; those of the page's files are left out."""
    bodies = dict(zip(BODIES, msgspec.json.schema_components(BODIES.values(), ref_template=_REF)[0], strict=True))
    schemas = msgspec.json.schema_components(BODIES.values(), ref_template=_REF)[1]
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = route.resource.canonical if route.resource is not None else ""
        if route.method != "HEAD" and re.match(r"/(api|metrics|healthz|readyz)\b", path):
            paths.setdefault(path, {})[route.method.lower()] = _operation(route.method, path, route.handler, bodies)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Streamgauge", "version": "1", "description": "Times: seconds since 1970, by a job's clock."},
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {**schemas, "Error": _ERRORS},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }  # fmt: skip


_REF: Final = "#/components/schemas/{name}"


def _operation(method: str, path: str, handler: Callable[..., Any], bodies: dict[str, Any]) -> dict[str, Any]:
    name = handler.__name__
    parameters = [
        {"name": one, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for one in re.findall(r"\{(\w+)\}", path)
    ]
    made: dict[str, Any] = {
        "operationId": f"{method.lower()}_{re.sub(r'[^a-z]+', '_', path.lower()).strip('_')}",
        "summary": (inspect.getdoc(handler) or "").partition("\n")[0],
        "parameters": [*parameters, *QUERY.get(name, ())],
        "responses": _responses(name, method),
    }
    if method == "POST":
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": bodies[name]}}}
    return made


def _responses(name: str, method: str) -> dict[str, Any]:
    is_plain = name in _PLAIN
    content = {_PLAIN[name]: {"schema": {"type": "string"}}} if is_plain else {"application/json": {"schema": {}}}
    status = "202" if name in actions.BODIES else "200"
    made: dict[str, Any] = {status: {"description": "what was asked for", "content": content}}
    if name in _UNREADY:
        made[str(_UNREADY[name])] = {"description": "not now, and why", "content": content}
    error = {"schema": {"$ref": _REF.format(name="Error")}}
    return made | {"default": {"description": "an error with its remedy", "content": {"application/json": error}}}

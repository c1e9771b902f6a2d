"""The OpenAPI document: made from the routes, true to what they read, fuzzed with schemathesis on a running service."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from streamgauge.pipelines.adapters import http
from streamgauge.pipelines.adapters.http import routes
from streamgauge.pipelines.adapters.http.openapi import PATH, QUERY
from tests.pipelines.adapters.http.test_server import Running
from tests.pipelines.engines.tally import batch, tick

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
READS = {"number": 1, "whole": 1, "text_of": 1}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    one = Running(tmp_path_factory.mktemp("fuzzed"))
    one.send(batch("a"), tick("a", 50.0))
    one.drain()
    yield one
    one.stop()


@pytest.fixture
def surface(running: Running) -> Any:
    """The document as it is served, with the jobs that there are, but for the stream, which never ends."""
    document = running.ask(PATH)[1]
    del document["paths"]["/api/events"]
    text = json.dumps(document).replace(
        '{"name": "job", "in": "path", "required": true, "schema": {"type": "string", "minLength": 1}}',
        '{"name": "job", "in": "path", "required": true, "schema": {"enum": ["a", "b", "nobody"]}}',
    )
    return schemathesis.openapi.from_dict(json.loads(text))


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_no_request_breaks_the_surface(surface: Any, running: Running) -> None:
    for result in surface.get_all_operations():
        fuzz(result.ok(), f"http://127.0.0.1:{running.port}")
    assert running.ask("/readyz")[0] == 200


def fuzz(operation: Any, address: str) -> None:
    @settings(
        max_examples=10, deadline=None, phases=[Phase.explicit, Phase.generate], derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy())
    def holds(case: Case) -> None:
        asked = case.as_transport_kwargs(base_url=address)
        case.validate_response(requests.request(**asked, timeout=20), checks=CHECKS)

    holds()


def test_every_route_is_in_the_document_and_says_what_it_is_for(running: Running) -> None:
    paths = running.ask(PATH)[1]["paths"]
    assert {"/api/jobs/{job}/scores", "/api/jobs/{job}/trace/cost", "/metrics", "/readyz", PATH} <= set(paths)
    operations = [operation for methods in paths.values() for operation in methods.values()]
    assert all(operation["summary"] for operation in operations)
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("path", sorted(Path(http.__path__[0]).glob("*.py")), ids=lambda path: path.stem)
def test_the_document_names_what_the_handlers_read(path: Path) -> None:
    functions = [one for one in ast.parse(path.read_text()).body if isinstance(one, ast.AsyncFunctionDef)]
    inner = {one.name: one for one in functions if one.name.startswith("_")}
    for function in functions:
        if function.name not in inner:
            told = {one["name"] for one in QUERY.get(function.name, ())}
            assert names_read(function, inner) == told, f"{function.name} of {path.stem}"


def names_read(function: ast.AsyncFunctionDef, inner: dict[str, ast.AsyncFunctionDef]) -> set[str]:
    """The names of the query that a handler reads, by itself or through the module's own functions."""
    found: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            text = ast.unparse(node.func)
            if text in inner and inner[text] is not function:
                found |= names_read(inner[text], inner)
            elif text in ("span", "recent"):
                found |= {"start", "end"}
            elif text in READS and isinstance(node.args[1], ast.Constant):
                found.add(node.args[1].value)
            elif text == "text_of":
                found |= set(routes._LABELS)
            elif text == "request.query.get":
                found.add(ast.literal_eval(node.args[0]))
    return found

"""`docs/http.md` is made from the OpenAPI document, and names every route, parameter and field of it."""

from __future__ import annotations

from streamgauge.pipelines.adapters.http.openapi import document_of
from streamgauge.pipelines.adapters.http.reference import reference
from streamgauge.pipelines.adapters.http.server import routes_of
from tests.places import ROOT

PAGE = ROOT / "docs" / "http.md"


def test_the_page_is_up_to_date() -> None:
    remedy = "make it anew: python -m streamgauge.pipelines.adapters.http.reference > docs/http.md"
    assert PAGE.read_text(encoding="utf-8") == reference(), remedy


def test_every_route_with_its_parameters_and_what_it_is_for_is_there() -> None:
    text = reference()
    for path, methods in document_of(routes_of())["paths"].items():
        for method, one in methods.items():
            section = text.partition(f"### `{method.upper()} {path}`\n")[2].partition("\n### ")[0]
            assert one["summary"]
            assert section.startswith(one["summary"])
            for parameter in one["parameters"]:
                assert f"{parameter['name']}`" in section or f"{{{parameter['name']}}}" in path

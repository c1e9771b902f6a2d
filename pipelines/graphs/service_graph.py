"""OpenTelemetry's service graphs (`servicegraph` connector, Tempo): the metric `traces_service_graph_request_total`.

Read as Prometheus text, as an answer of Prometheus' HTTP API, or as OTLP in JSON (the file exporter, a line a batch).
A caller depends on what it calls, so the server is the cause; behind a queue it is the other way, as the consumer
depends on what the producer sends. https://pkg.go.dev/github.com/open-telemetry/opentelemetry-collector-contrib
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from streamgauge.anomaly.types import Edge
from streamgauge.pipelines.graphs.edges import Found, GraphError, bounded, named

METRIC: Final = "traces_service_graph_request_total"
MOST_BYTES: Final = 256_000_000
_QUEUE: Final = "messaging_system"  # connection_type of a producer and its consumer
_LINE: Final = re.compile(rf"{METRIC}\{{(.*)\}}\s+\S+(?:\s+\S+)?\s*")
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPE: Final = re.compile(r"\\(.)")


def read(path: Path) -> Found:
    """The edges of a file.

    Raises:
        GraphError: it has no such metric, or is no file of these kinds.
    """
    if path.stat().st_size > MOST_BYTES:
        raise GraphError(
            f"{path} has {path.stat().st_size:,} bytes; at most {MOST_BYTES:,} are read: sum it by client, server"
        )
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    is_json = text.lstrip().startswith(("{", "["))
    labels = list(_of_json(text, path) if is_json else _of_text(text))
    edges = bounded((edge for one in labels for edge in _edge(one)), str(path))
    if not edges:
        raise GraphError(f"{path} has no {METRIC} with client and server; export that metric, as text or JSON")
    lacking = sum(not (one.get("client") and one.get("server")) for one in labels)
    return Found(edges, [f"{lacking:,} series lack client or server and are left out"] if lacking else [])


def _edge(labels: Mapping[str, str]) -> Iterator[Edge]:
    client, server = labels.get("client", ""), labels.get("server", "")
    if client and server:
        ends = named("service", server), named("service", client)
        yield Edge(*(reversed(ends) if labels.get("connection_type") == _QUEUE else ends))


def _of_text(text: str) -> Iterator[dict[str, str]]:
    for line in text.splitlines():
        match = _LINE.fullmatch(line.strip())
        if match is not None:
            yield {name: _ESCAPE.sub(_plain, value) for name, value in _LABEL.findall(match[1])}


def _plain(found: re.Match[str]) -> str:
    return "\n" if found[1] == "n" else found[1]


def _of_json(text: str, path: Path) -> Iterator[dict[str, str]]:
    try:
        values = [json.loads(text)]
    except ValueError:
        values = list(_lines(text, path))
    except RecursionError:
        raise GraphError(f"{path} is nested too deeply; export the metric anew") from None
    for value in values:
        yield from _prometheus(value) if "data" in _table(value) else _otlp(value)


def _lines(text: str, path: Path) -> Iterator[Any]:
    for number, line in enumerate(text.splitlines(), 1):
        try:
            yield json.loads(line or "{}")
        except (ValueError, RecursionError) as error:
            raise GraphError(f"{path}:{number}: no JSON: {error}; name a file of Prometheus text or JSON") from None


def _prometheus(answer: Any) -> Iterator[dict[str, str]]:
    """Series of an instant or range query, or of /api/v1/series; a sum by client and server has no name."""
    data = _table(answer)["data"]
    for one in _list(data if isinstance(data, list) else _table(data).get("result")):
        labels = _table(_table(one).get("metric", one))
        if labels.get("__name__", METRIC) == METRIC:
            yield {str(name): str(value) for name, value in labels.items()}


def _otlp(export: Any) -> Iterator[dict[str, str]]:
    for resource in _list(_table(export).get("resourceMetrics")):
        for scope in _list(_table(resource).get("scopeMetrics")):
            for metric in _list(_table(scope).get("metrics")):
                if _table(metric).get("name") in (METRIC, METRIC.removesuffix("_total")):
                    for point in _list(_table(_table(metric).get("sum")).get("dataPoints")):
                        yield dict(_attributes(_list(_table(point).get("attributes"))))


def _attributes(attributes: list[Any]) -> Iterator[tuple[str, str]]:
    for one in attributes:
        yield str(_table(one).get("key")), str(_table(_table(one).get("value")).get("stringValue", ""))


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []

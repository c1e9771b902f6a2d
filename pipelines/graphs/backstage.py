"""Backstage's catalogue files (`catalog-info.yaml`): components, resources and APIs with what each depends on.

https://backstage.io/docs/features/software-catalog/descriptor-format
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from streamgauge.anomaly.types import Edge
from streamgauge.pipelines.graphs.edges import Found, GraphError, bounded, named

MOST_BYTES: Final = 64_000_000
_KINDS: Final = ("component", "resource", "api", "system")
# field of the spec: the kind that its references leave out, and whether what is named is the cause
_RELATIONS: Final = {
    "dependsOn": ("component", True), "dependencyOf": ("component", False), "consumesApis": ("api", True),
    "providesApis": ("api", False), "subcomponentOf": ("component", False),
}  # fmt: skip


def read(path: Path) -> Found:
    """The edges of a file of one or more documents; ends that are defined elsewhere are noted.

    Raises:
        GraphError: it is no YAML, or describes no such entity.
    """
    if path.stat().st_size > MOST_BYTES:
        raise GraphError(f"{path} has {path.stat().st_size:,} bytes; at most {MOST_BYTES:,} are read")
    entities = [one for one in _documents(path) if _kind(one) in _KINDS]
    if not entities:
        raise GraphError(f"{path} describes no Component, Resource, API or System; name a catalog-info.yaml")
    edges = bounded((edge for one in entities for edge in _edges(one)), str(path))
    known = {_own(one) for one in entities}
    ends = sorted({end for edge in edges for end in (edge.cause, edge.effect)} - known)
    shown = ", ".join(ends[:5]) + (f" and {len(ends) - 5:,} more" if len(ends) > 5 else "")
    return Found(edges, [f"{len(ends):,} ends are not described in {path.name}: {shown}"] if ends else [])


def _documents(path: Path) -> Iterable[dict[str, Any]]:
    try:
        import yaml
    except ImportError:
        raise GraphError("catalogue files are YAML: install streamgauge[backstage], which adds PyYAML") from None
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            found = list(yaml.load_all(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except (yaml.YAMLError, RecursionError) as error:
        raise GraphError(f"{path} is no YAML: {' '.join(str(error).split())[:200]}") from None
    return [one for one in found if isinstance(one, dict)]


def _edges(entity: dict[str, Any]) -> Iterator[Edge]:
    own, spec = _own(entity), entity.get("spec")
    namespace = _text(entity.get("metadata"), "namespace") or "default"
    for field, (kind, is_cause) in _RELATIONS.items():
        given = spec.get(field) if isinstance(spec, dict) else None
        for reference in given if isinstance(given, list) else [given]:
            if isinstance(reference, str) and reference.strip():
                other = _node(reference.strip(), kind, namespace)
                yield Edge(other, own) if is_cause else Edge(own, other)


def _own(entity: dict[str, Any]) -> str:
    metadata = entity.get("metadata")
    return _node(_text(metadata, "name") or "unnamed", _kind(entity), _text(metadata, "namespace") or "default")


def _node(reference: str, kind: str, namespace: str) -> str:
    """The node of `[kind:][namespace/]name`; capitals mean nothing, and the namespace `default` is left out.

    >>> _node("Resource:orders-db", "component", "default"), _node("shop/cart", "component", "default")
    ('resource:orders-db', 'component:shop/cart')
    """
    before, colon, rest = reference.lower().partition(":")
    kind, rest = (before, rest) if colon else (kind, before)
    space, slash, name = rest.partition("/")
    space, name = (space, name) if slash else (namespace.lower(), space)
    letters = "".join(letter for letter in kind if letter.isascii() and (letter.isalpha() or letter == "_"))
    return named(letters or "component", name if space == "default" else f"{space}/{name}")


def _kind(entity: dict[str, Any]) -> str:
    return _text(entity, "kind").lower()


def _text(table: Any, name: str) -> str:
    value = table.get(name) if isinstance(table, dict) else None
    return value if isinstance(value, str) else ""

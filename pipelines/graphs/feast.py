"""The lineage in a Feast registry file (`registry.db`): data sources, the features made of them, who serves which.

Only the file is read, as protobuf; neither Feast nor the repository's code is needed or run. Written from the registry
of Feast 0.67; the numbers of its fields have not changed since 0.20.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from streamgauge.anomaly.types import Edge
from streamgauge.pipelines.graphs import protobuf
from streamgauge.pipelines.graphs.edges import Found, GraphError, bounded, named
from streamgauge.pipelines.graphs.protobuf import Fields, fields, text

MOST_BYTES: Final = 256_000_000
_VIEWS, _ON_DEMAND, _STREAM, _SERVICES = 6, 8, 14, 7  # of the registry
_SPEC: Final = 1
_SOURCES: Final = {_VIEWS: (7, 9), _STREAM: (10, 11)}  # fields of a view's batch and stream source
_SOURCE_NAME: Final = 20
_FILE_OPTIONS, _FILE_URI = 11, 2  # of a source without a name


class _View(NamedTuple):
    """A feature view: its features, its data sources, and the views that it is computed from."""

    name: str
    features: tuple[str, ...]
    sources: tuple[str, ...]
    views: tuple[str, ...] = ()


def read(path: Path, service: str = "") -> Found:
    """The edges of a registry; with `service` only those that lead to the features that it serves.

    A feature of one view is `feature:NAME`, of several `feature:VIEW__NAME`, as Feast names them in full.

    Raises:
        GraphError: it is no registry, has no feature views, or no such service.
    """
    if path.stat().st_size > MOST_BYTES:
        raise GraphError(f"{path} has {path.stat().st_size:,} bytes; at most {MOST_BYTES:,} are read")
    try:
        registry = fields(path.read_bytes())
        views = {view.name: view for view in _views(registry)}
        services = dict(_services(registry))
    except GraphError as error:
        raise GraphError(
            f"{path} is no registry of Feast: {error}; name its registry.db, not the online store"
        ) from None
    if not views:
        raise GraphError(f"{path} holds no feature views; run `feast apply` first, or name its registry.db")
    if service and service not in services:
        raise GraphError(
            f"no feature service {service[:100]!r} is in {path}; there are {', '.join(sorted(services)) or 'none'}"
        )
    shared = Counter(feature for view in views.values() for feature in view.features)
    wanted = None if not service else _wanted(services[service], views)
    edges = (edge for view in views.values() for edge in _edges(view, views, shared, wanted))
    return Found(
        bounded(edges, str(path)), [f"services: {', '.join(sorted(services))}"] if services and not service else []
    )


def _views(registry: Fields) -> Iterator[_View]:
    for kind in (_VIEWS, _STREAM):
        for data in registry.get(kind, ()):
            spec = _spec(data)
            sources = [source for number in _SOURCES[kind] for source in spec.get(number, ())]
            yield _View(text(spec, 1), _names(spec.get(4, ())), tuple(filter(None, map(_source, sources))))
    for data in registry.get(_ON_DEMAND, ()):
        spec = _spec(data)
        given = [fields(value) for entry in spec.get(4, ()) for value in fields(entry).get(2, ())]  # of a map
        requests = tuple(filter(None, (_source(one) for item in given for one in item.get(2, ()))))
        yield _View(text(spec, 1), _names(spec.get(3, ())), requests, tuple(_used(given)))


def _used(given: Sequence[Fields]) -> Iterator[str]:
    for item in given:
        yield from (text(_spec(view), 1) for view in item.get(1, ()))
        yield from (text(fields(projection), 1) for projection in item.get(3, ()))


def _services(registry: Fields) -> Iterator[tuple[str, list[tuple[str, tuple[str, ...]]]]]:
    """Each service with its views and the features that it takes of each."""
    for data in registry.get(_SERVICES, ()):
        spec = _spec(data)
        taken = [fields(projection) for projection in spec.get(3, ())]
        yield text(spec, 1), [(text(one, 1), _names(one.get(2, ()))) for one in taken]


def _wanted(taken: Sequence[tuple[str, tuple[str, ...]]], views: Mapping[str, _View]) -> set[tuple[str, str]]:
    """(view, feature) of what a service takes, and of what that is computed from."""
    found = {(view, feature) for view, names in taken for feature in names}
    front = {view for view, _ in found}
    while front:
        below = {other for view in front if view in views for other in views[view].views if other in views}
        more = {(view, feature) for view in below for feature in views[view].features} - found
        found |= more
        front = {view for view, _ in more}
    return found


def _edges(
    view: _View, views: Mapping[str, _View], shared: Mapping[str, int], wanted: set[tuple[str, str]] | None
) -> Iterator[Edge]:
    for feature in view.features:
        if wanted is not None and (view.name, feature) not in wanted:
            continue
        effect = _feature(view.name, feature, shared)
        yield from (Edge(named("source", source), effect) for source in view.sources)
        for other in view.views:
            for cause in views[other].features if other in views else ():
                yield Edge(_feature(other, cause, shared), effect)


def _feature(view: str, name: str, shared: Mapping[str, int]) -> str:
    return named("feature", name if shared[name] == 1 else f"{view}__{name}")


def _source(data: bytes) -> str:
    source = fields(data)
    options = source.get(_FILE_OPTIONS)
    return text(source, _SOURCE_NAME) or (protobuf.text(fields(options[-1]), _FILE_URI) if options else "")


def _spec(data: bytes) -> Fields:
    return fields(b"".join(fields(data).get(_SPEC, ())))


def _names(features: Sequence[bytes]) -> tuple[str, ...]:
    return tuple(text(fields(feature), 1) for feature in features)

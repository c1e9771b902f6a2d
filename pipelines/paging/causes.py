"""Where an incident may have begun: anomalies upstream of its root, ranked, with their evidence; decides nothing.

The pager folds within two hops and an onset window, and says no more than it is sure of. This looks further, up to
`lineage.REACH` edges and over weak ones, for whoever reads the incident. One line a place, first the likeliest:

1. traversal roots: reached over anomalous places, with nothing anomalous upstream of their own;
2. other anomalous places on such a way;
3. the paged place itself;
4. anomalous places behind quiet ones;
5. whatever began later than the paged place, which it can hardly have caused.

Within each the one whose series correlates best with the paged one's, then the one that began first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from streamgauge.anomaly.rootcause import Points, correlation
from streamgauge.anomaly.suppression.topology import Graph, Way, base_of
from streamgauge.anomaly.types import Anomaly, Edge, Topology, node_of
from streamgauge.pipelines.config.schema import JobConfig
from streamgauge.pipelines.paging import confirmations, learnt_edges, lineage, words
from streamgauge.pipelines.paging.confirmations import Word
from streamgauge.pipelines.paging.learnt_edges import Learnt
from streamgauge.pipelines.ports import Query

MOST: Final = 20  # places that are ranked
_SERIES: Final = 2  # of a place, those that deviate most, whose correlation is asked
_HOP_DELAY: Final = 30.0  # of no consequence here: the order of onsets is shown, not judged by hops
_BEFORE: Final = 30  # windows of before that a correlation is about, at least
_LONGEST: Final = 86400.0  # seconds of an incident that a correlation is about
_ANOMALIES: Final = 1000
_BUCKETS: Final = 300
_LABELS: Final = ("worker", "domain", "entity", "metric")


class Cause(NamedTuple):
    """A place at which an incident may have begun, with the evidence."""

    node: str  # the place, with its worker where it is one worker's alone
    workers: tuple[str, ...]  # at which it shows
    metric: str
    text: str
    start: float  # its onset
    lag: float  # seconds from it to the onset of the paged place
    correlation: float | None  # of its series with the paged one; None: nothing to compare
    path: tuple[str, ...]  # from it to the paged place
    is_root: bool  # nothing anomalous lies upstream of it
    is_paged: bool  # it is the paged place itself
    is_direct: bool  # every place between is anomalous, too
    learnt: str = ""  # the evidence of a learnt edge that nobody has confirmed, where it was reached by one


Row = Mapping[str, Any]  # an anomaly as a store answers it


def causes_of(query: Query, incident: Row, edges: Sequence[Edge], now: float, *, window: float) -> list[Cause]:
    """Ask a store what it takes, and rank.

    Args:
        query: the store.
        incident: as `Query.incident` answers it.
        edges: the topology of its job.
        now: by the job's clock.
        window: length of the job's shortest window, seconds.
    """
    root = incident["root"]
    job, onset = root["job"], root["start"]
    until = min(root["end"] or now, onset + _LONGEST) + window
    span = onset - max(_BEFORE * window, until - onset), until
    rows = [row | {"text": _said(row)} for row in query.anomalies(job, onset - window, until, _ANOMALIES)]
    ids: dict[tuple[str, ...], int] = {}

    def points(row: Row) -> Points:
        labels = {name: row[name] for name in _LABELS}
        key = tuple(labels.values())
        if key not in ids:
            ids[key] = next((one["id"] for one in query.series(job, labels, 1)), -1)
        found = query.points(ids[key], *span, _BUCKETS) if ids[key] >= 0 else {}
        pairs = zip(found.get("time", ()), found.get("value", ()), strict=True)
        return [(time, value) for time, value in pairs if value is not None]

    known = Topology(job=job, revision=0, edges=tuple(edges))
    learnt = suggested(query, known, now)
    more = msgspec.structs.replace(known, edges=(*known.edges, *learnt_edges.weak(learnt, root["worker"])))
    said = {(pair.cause, pair.effect): pair.text for pair in learnt}
    near = lineage.within(more, {root["worker"], *(row["worker"] for row in rows)})
    found = rank(near, root, rows, points, tolerance=window)
    return [one._replace(learnt=said.get((base_of(one.path[0]), base_of(one.path[-1])), "")) for one in found]


def suggested(query: Query, known: Topology, now: float, said: Sequence[Word] | None = None) -> list[Learnt]:
    """The edges that the anomalies of the last weeks suggest, beside the `known` ones and those that people settled.

    Args:
        query: the store.
        known: topology of the job.
        now: by the job's clock.
        said: what people said of edges, if it was asked for already.
    """
    said = confirmations.words(query.changes(known.job, 0.0, now + 1.0)) if said is None else said
    rows = query.anomalies(known.job, now - learnt_edges.SPAN, now, learnt_edges.ROWS)
    return learnt_edges.learn(rows, known, confirmations.settled(said))


def topology_seen(job: JobConfig, rows: Sequence[Row], confirmed: tuple[Edge, ...] = ()) -> Topology:
    """A job's topology by its configuration, confirmed edges, and the workers and features of these anomalies."""
    workers = {row["worker"] for row in rows}
    features = {row["entity"].partition(":")[2] for row in rows if row["entity"].startswith("feature:")}
    with_confirmed = msgspec.structs.replace(job, topology=(*job.topology, *confirmed))
    return lineage.topology(with_confirmed, workers, features=features)


def rank(
    topology: Topology, root: Row, anomalies: Sequence[Row], points: Callable[[Row], Points], *, tolerance: float
) -> list[Cause]:
    """The places at which an incident with this root may have begun, the likeliest first; the paged one is among them.

    Args:
        topology: of the job.
        root: the paged alert.
        anomalies: what was anomalous beside it.
        points: the points of an anomaly's series around the onset, () where there are none.
        tolerance: seconds by which an onset counts as not later.
    """
    graph = Graph(topology, max_hops=lineage.REACH, hop_delay=_HOP_DELAY)
    ways = graph.causes(root["node"])
    places = _places(graph, ways, root, anomalies)
    paged = base_of(root["node"])
    aim = points(root)
    movers, anomalous = _movers(graph, places), {*places, paged}
    found = [
        _cause(rows, _way(ways, rows), root, is_root=_is_root(base, movers), anomalous=anomalous,
               alike=_correlation(rows, points, aim))
        for base, rows in sorted(places.items())
    ]  # fmt: skip
    own = Cause(
        root["node"], tuple(filter(None, [root["worker"]])), root["metric"], root["text"], root["start"], 0.0, None,
        (root["node"],), not any(one.is_direct and one.lag >= -tolerance for one in found), is_paged=True,
        is_direct=True,
    )  # fmt: skip
    return sorted([*found, own], key=lambda one: _order(one, tolerance))[:MOST]


def _order(one: Cause, tolerance: float) -> tuple[int, float, float, str]:
    if one.is_paged:
        group = 2
    elif one.lag < -tolerance:
        group = 4
    elif not one.is_direct:
        group = 3
    else:
        group = 0 if one.is_root else 1
    return group, -(one.correlation or 0.0), one.start, one.node


def _places(graph: Graph, ways: Mapping[str, Way], root: Row, anomalies: Sequence[Row]) -> dict[str, list[Row]]:
    """Anomalies that can have moved the root's metric, by place without worker, the largest deviation first."""
    found: dict[str, list[Row]] = {}
    for row in anomalies:
        node = _node(row)
        way = ways.get(node)
        if (
            way is None
            or base_of(node) == base_of(root["node"])
            or not graph.can_move(way, row["metric"], root["metric"])
        ):
            continue
        found.setdefault(base_of(node), []).append(row)
    return {
        base: sorted(rows, key=lambda row: (-row["score"], row["start"], row["worker"])) for base, rows in found.items()
    }


def _movers(graph: Graph, places: Mapping[str, Sequence[Row]]) -> dict[str, set[str]]:
    """By anomalous place the others of which an anomaly lies upstream of one of its own and can have moved it."""
    at: dict[str, list[Row]] = {}
    for rows in places.values():
        for row in rows:
            at.setdefault(_node(row), []).append(row)
    return {
        base: {
            base_of(node) for row in rows for node, way in graph.causes(_node(row)).items()
            if any(graph.can_move(way, cause["metric"], row["metric"]) for cause in at.get(node, ()))
        } - {base}
        for base, rows in places.items()
    }  # fmt: skip


def _is_root(base: str, movers: Mapping[str, set[str]]) -> bool:
    """Whether nothing at the other places can have moved this one; on a cycle they move each other and do not count."""
    return all(base in movers[other] for other in movers[base])


def _way(ways: Mapping[str, Way], rows: Sequence[Row]) -> Way:
    return min((ways[_node(row)] for row in rows), key=lambda way: (way.hops, way.path))


def _cause(
    rows: Sequence[Row], way: Way, root: Row, *, is_root: bool, anomalous: set[str], alike: float | None
) -> Cause:
    """One line of a place: its largest deviation speaks for it, its first onset counts."""
    first, start = rows[0], min(row["start"] for row in rows)
    workers = tuple(sorted({row["worker"] for row in rows} - {""}))
    is_everywhere = len(workers) != 1 or any(not row["worker"] for row in rows)
    place = base_of(_node(first))
    return Cause(
        place if is_everywhere else node_of(place, workers[0]), workers, first["metric"], first["text"], start,
        root["start"] - start, alike, way.path, is_root, is_paged=False,
        is_direct=all(base_of(node) in anomalous for node in way.path),
    )  # fmt: skip


def _correlation(rows: Sequence[Row], points: Callable[[Row], Points], aim: Points) -> float | None:
    known = [own for row in rows[:_SERIES] if (own := points(row))]
    return max((correlation(own, aim) for own in known), default=None) if aim else None


def _said(row: Row) -> str:
    """An anomaly in the words that the pager uses."""
    return words.describe(Anomaly(**{name: row[name] for name in Anomaly.__struct_fields__ if name in row}))


def _node(row: Row) -> str:
    return node_of(lineage.place(row["domain"], row["entity"], row["metric"]), row["worker"])

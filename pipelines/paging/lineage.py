"""The built-in lineage: which place of a job a metric watches, and what depends on what.

At each worker `w`, and between the same places of the job as a whole:

    source:S ---> feature:F --+--> samples ---> labels --+--> train -------> serving
                              |       |                  |      ^               ^
                              +-------+--> prediction    +--> model --> prediction
    produce --> samples, labels, queue        queue, machine, restart --> train
    heartbeat --> watermark --> every place of the worker        heartbeat --> restart, machine, tracing
    model ~~> restart, heartbeat, watermark   (weak: a worker that dies of the non-finite numbers in its model)

What is wrong with *values* (a feature's, a label's, a prediction, a loss) moves values only; what is wrong with the
*flow* (volume, delays, rates of work, whether a worker lives: `FLOW`) moves both. So a null feature explains a loss,
and neither a worker that stopped nor labels that do not come.

Between the job and its workers: what all workers share comes down (`feature:F --> feature:F@w`, and so for samples,
labels, model and produce), and what one worker does shows at the job (`X@w --> X`). Edges of the config are added;
names without a worker hold at the job and at each worker. `PLACES` is the whole mapping from metrics to places, by the
longest prefix of the metric's name; what a feature shows is at the feature, what a tensor shows at the model.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from streamgauge.anomaly.suppression.topology import base_of, worker_of
from streamgauge.anomaly.types import Anomaly, Confirm, Edge, Topology, node_of
from streamgauge.pipelines.config.schema import JobConfig

PLACES: Final[dict[str, tuple[str, ...]]] = {  # place -> what the names of its metrics begin with
    "heartbeat": ("heartbeat_age", "missing"),
    "watermark": ("watermark_lag", "behind"),
    "restart": ("restart", "rollout"),
    "tracing": ("trace_loss", "lost", "refused", "tripped"),
    "machine": ("cpu", "memory", "step_time", "straggler", "input_wait"),
    "samples": ("volume", "late_rate", "duplicate_rate", "new_id_rate", "leak_rate", "sampling_rate", "inconsistency",
                "join_share"),
    "produce": ("produce_delay",),
    "queue": ("queue_delay", "consumer_lag"),
    "labels": ("label", "invalid_labels", "join"),
    "prediction": ("prediction", "invalid_predictions", "score_inconsistency"),
    "model": (
        "nonfinite", "gradient", "weight", "update_ratio", "dead_units", "vanishing", "exploding", "blind_spot",
        "loss_scale", "table", "unseen_rate",
    ),
    "train": (
        "loss", "log_loss", "normalized_entropy", "brier", "auc", "gauc", "base_auc", "pr_auc", "max_f1", "pcoc", "ece",
        "relative_mse", "relative_bias", "mse", "rmse", "mae", "bias", "quantile_loss", "coverage_gap",
        "ndcg", "hit_rate", "recall", "mrr", "slice", "skipped_updates", "throughput", "keep_up", "train_delay",
    ),
    "serving": ("model_age", "serving_model_age", "push_delay", "version_skew"),
}  # fmt: skip
SHOWN: Final = ("samples", "feature", "labels", "train", "model", "prediction", "heartbeat")  # said to be sound
REACH: Final = 6  # edges from a cause to what it moves, where causes are ranked or proposed; nothing folds so far
_PREFIXES: Final = {prefix: place for place, prefixes in PLACES.items() for prefix in prefixes}
_KNOWN: Final = tuple(_PREFIXES)
FLOW: Final = (  # what the names of metrics begin with that no wrong value can move
    "volume", "late_rate", "duplicate_rate", "sampling_rate", "produce_delay", "queue_delay", "consumer_lag",
    "label_arrivals", "label_delay", "label_overdue", "label_expired", "label_silence", "throughput", "keep_up",
    "train_delay", "model_age", "serving_model_age", "push_delay",
)  # fmt: skip
_VALUES: Final = tuple(f"!{name}" for name in FLOW)
_DEADLY: Final = ("nonfinite", "nan")  # of a model: what a process dies of
_HELD_PUSHES: Final = (*_DEADLY, "throughput", "keep_up", "train_delay", "skipped_updates")
_ORDER: Final = (
    ("samples", "labels"), ("samples", "train"), ("samples", "prediction"),
    ("labels", "train"), ("labels", "model"),
    ("model", "train"), ("model", "prediction"),
)  # fmt: skip
_FLOW: Final = (
    ("produce", "samples"), ("produce", "labels"), ("produce", "queue"),
    ("queue", "train"), ("machine", "train"), ("restart", "train"),
    ("heartbeat", "watermark"), ("heartbeat", "restart"), ("heartbeat", "machine"), ("heartbeat", "tracing"),
)  # fmt: skip
_FROM_FEATURE: Final = ("samples", "prediction", "train", "model")
_STOPPED: Final = ("samples", "labels", "produce", "queue", "prediction", "model", "train")
_BROKEN_MODEL: Final = ("restart", "heartbeat", "watermark")
_SHARED: Final = ("samples", "labels", "model", "produce")
_FALLS_BACK: Final = {"sample": "samples", "train": "train", "system": "heartbeat"}  # a domain's own place
WEAK: Final = 0.1  # of an edge that ranks and is part of no order


def node(anomaly: Anomaly) -> str:
    """The place in the topology that an anomaly's series watches.

    >>> lgb = Anomaly(kind="fact", job="ctr", worker="LGA", domain="train", entity="tensor:dense/kernel",
    ...     metric="nonfinite", severity="page-now", start=0.0, time=0.0)
    >>> node(lgb)
    'model@LGA'
    """
    return node_of(place(anomaly.domain, anomaly.entity, anomaly.metric), anomaly.worker)


@functools.lru_cache(maxsize=65_536)
def place(domain: str, entity: str, metric: str) -> str:
    """The same without the worker.

    >>> place("sample", "feature:tailnum", "missing_rate"), place("sample", "", "label_delay_p95")
    ('feature:tailnum', 'labels')
    """
    if entity.startswith(("feature:", "source:")):
        return entity.replace("@", "%40")
    if entity.startswith("tensor:"):
        return "model"
    if metric.startswith(_KNOWN):
        return _PREFIXES[max((prefix for prefix in _PREFIXES if metric.startswith(prefix)), key=len)]
    return entity.replace("@", "%40") or _FALLS_BACK.get(domain, domain)


def topology(job: JobConfig, workers: Iterable[str], *, features: Iterable[str] = (), revision: int = 1) -> Topology:
    """A job's topology: its configured features, and those (`features`, bare names) that were only seen."""
    members = sorted({worker for worker in workers if worker})
    sources = {feature.name: feature.source for feature in job.features}
    names = [_feature(name) for name in sorted({*sources, *features})]
    filled = sorted((_source(source), _feature(name)) for name, source in sources.items() if source)
    origins = sorted({source for source, _ in filled})
    edges: set[Edge] = set()
    for worker in ("", *members):
        edges.update(Edge(node_of(source, worker), node_of(name, worker)) for source, name in filled)
        edges.update(_at(worker, names))
        edges.update(_declared(job, worker))
    for worker in members:
        for shared in (*origins, *names, *_SHARED):
            edges.add(Edge(shared, node_of(shared, worker)))
        for base in (*origins, *names, *_places()):
            edges.add(Edge(node_of(base, worker), base))
    nodes = sorted({end for edge in edges for end in (edge.cause, edge.effect)})
    ordered = tuple(sorted(edges, key=msgspec.structs.astuple))
    watched = tuple(sorted({*PLACES, *names}))
    return Topology(job=job.name, revision=revision, edges=ordered, nodes=tuple(nodes), watched=watched)


def within(topology: Topology, workers: Iterable[str]) -> Topology:
    """The part that is about the job and these workers: what leads from one of their places to another stays.

    A worker all of whose edges hold at the job, too, is on no shortest way between others, and is left out.
    """
    ends = [(edge, worker_of(edge.cause), worker_of(edge.effect)) for edge in topology.edges]
    shared = {_move(edge) for edge, one, other in ends if not (one or other)}
    kept = {"", *workers}
    for edge, one, other in ends:
        is_bound = base_of(edge.cause) == base_of(edge.effect) or (one in kept and other in kept)
        if not is_bound and _move(edge) not in shared:
            kept |= {one, other}
    return msgspec.structs.replace(
        topology,
        edges=tuple(edge for edge, one, other in ends if one in kept and other in kept),
        nodes=tuple(node for node in topology.nodes if worker_of(node) in kept),
    )


def _move(edge: Edge) -> tuple[object, ...]:
    """What an edge says, without workers."""
    ends = base_of(edge.cause), base_of(edge.effect)
    return (*ends, edge.delay, edge.weight, edge.cause_metrics, edge.effect_metrics)


def confirmed(known: tuple[Edge, ...], asked: Iterable[Confirm]) -> tuple[Edge, ...]:
    """The edges that people have confirmed, in order; the last word on each counts."""
    edges = {(edge.cause, edge.effect): edge for edge in known}
    for one in asked:
        edges.pop((one.cause, one.effect), None)
        if not one.is_withdrawn:
            edges[one.cause, one.effect] = Edge(one.cause, one.effect, one.delay)
    return tuple(edges[pair] for pair in sorted(edges))


def _at(worker: str, features: list[str]) -> Iterator[Edge]:
    def edge(cause: str, effect: str, causes: tuple[str, ...] = (), effects: tuple[str, ...] = ()) -> Edge:
        return Edge(node_of(cause, worker), node_of(effect, worker), 0.0, 1.0, causes, effects)

    for cause, effect in _FLOW:
        yield edge(cause, effect)
    for cause, effect in _ORDER:
        yield edge(cause, effect, FLOW)
        yield edge(cause, effect, _VALUES, _VALUES)
    yield edge("model", "train", _DEADLY)
    yield edge("model", "serving", _DEADLY)
    yield edge("train", "serving", _HELD_PUSHES)
    for feature in features:
        for effect in _FROM_FEATURE:
            yield edge(feature, effect, (), _VALUES)
        yield edge("watermark", feature)
        yield edge("heartbeat", feature)
    for effect in _STOPPED:
        yield Edge(node_of("watermark", worker), node_of(effect, worker))
        yield Edge(node_of("heartbeat", worker), node_of(effect, worker))
    for effect in _BROKEN_MODEL:
        yield Edge(node_of("model", worker), node_of(effect, worker), 0.0, WEAK, _DEADLY)


def _declared(job: JobConfig, worker: str) -> Iterator[Edge]:
    for edge in job.topology:
        if "@" in edge.cause or "@" in edge.effect:
            yield edge
        else:
            ends = {"cause": node_of(edge.cause, worker), "effect": node_of(edge.effect, worker)}
            yield msgspec.structs.replace(edge, **ends)


def _feature(name: str) -> str:
    return f"feature:{name}".replace("@", "%40")


def _source(name: str) -> str:
    return f"source:{name}".replace("@", "%40")


def _places() -> tuple[str, ...]:
    return tuple(sorted(set(PLACES) - {"serving"}))

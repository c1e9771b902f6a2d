"""The tree of a score: metric, entity, domain; the node rule, caps and an exact division of the points lost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from streamgauge.anomaly.reference import Bools, Floats, Rows
from streamgauge.anomaly.types import Part, SeriesKey
from streamgauge.pipelines.config.schema import JobConfig
from streamgauge.pipelines.metrics import Rule
from streamgauge.tracer.tasks import entity_of

ENTITY_BETA: Final = 0.7
BETA: Final = 0.5
JOB_WEIGHT: Final = 8.0
MAX_IMPORTANCE: Final = 5.0
HYSTERESIS: Final = 0.02
FULL: Final = 100_000_000


class Leaf(NamedTuple):
    """One scored series."""

    key: SeriesKey
    rule: Rule


class Entity(NamedTuple):
    """The leaves of one entity at one place."""

    name: str
    rows: tuple[int, ...]
    weight: float
    criticality: float
    total: float  # weight of its leaves


class Tree:
    """The layout of a set of leaves, sorted by key; pure but for the kept maxima, which the caller owns."""

    def __init__(self, leaves: Sequence[Leaf], config: JobConfig, weights: dict[str, float]) -> None:
        self.leaves, self.weights = tuple(leaves), weights
        self.unknown: Floats = np.array([leaf.rule.unknown for leaf in leaves])
        self._rows = {leaf.key: row for row, leaf in enumerate(leaves)}
        self._rows_of: dict[str, tuple[tuple[SeriesKey, ...], Rows]] = {}
        self._entities = _entities(self.leaves, config)
        self.domains = tuple(sorted(self._entities))
        self._share = self._shares()

    def rows_of(self, window: str, keys: tuple[SeriesKey, ...]) -> Rows:
        """Where these leaves stand."""
        found = self._rows_of.get(window)
        if found is None or found[0] is not keys:
            found = self._rows_of[window] = (keys, np.array([self._rows[key] for key in keys], dtype=np.int64))
        return found[1]

    def domain(self, domain: str, loss: Floats, late: Bools, kept: dict[str, str]) -> tuple[int, list[Part], str]:
        """Micropoints that a domain lost, who lost them, and what capped it."""
        entities = self._entities[domain]
        lossy = {row for row in np.flatnonzero(loss > 0.0).tolist() if self.leaves[row].key.domain == domain}
        inside = [self._entity(entity, lossy, loss, kept) for entity in entities]
        losses = [total for _, total in inside]
        factors, total = self.node(
            domain, [entity.name for entity in entities], losses, [entity.weight for entity in entities], BETA, kept,
            [entity.criticality for entity in entities],
        )
        shares = [
            (self._part(row, bool(late[row])), FULL * factor * share * float(loss[row]))
            for factor, (of_entity, _) in zip(factors, inside, strict=True) for row, share in of_entity.items()
        ]
        micropoints, parts = divide(total, shares)
        return self.capped(domain, loss, micropoints, parts)

    def node(
        self, name: str, children: Sequence[str], losses: Sequence[float], weights: Sequence[float], beta: float,
        kept: dict[str, str], criticality: Sequence[float] | None = None,
    ) -> tuple[list[float], float]:
        """The node rule: what each child's loss counts for in the node's, and the node's loss.

        The child that the maximum is attributed to stays until another beats it by 0.02, so that it does not flicker.
        """
        if not any(losses):
            kept.pop(name, None)
            return [0.0] * len(children), 0.0
        critical = list(criticality) if criticality else [1.0] * len(children)
        pressed = [c * loss for c, loss in zip(critical, losses, strict=True)]
        top = max(range(len(children)), key=lambda i: (pressed[i], -i))
        if (before := kept.get(name)) in children and pressed[children.index(before)] >= pressed[top] - HYSTERESIS:
            top = children.index(before)
        kept[name] = children[top]
        total = math.fsum(weights)
        factors = [(1.0 - beta) * weight / total for weight in weights]
        factors[top] += beta * critical[top]
        return factors, math.fsum(factor * loss for factor, loss in zip(factors, losses, strict=True))

    def capped(
        self, domain: str | None, loss: Floats, micropoints: int, parts: list[Part]
    ) -> tuple[int, list[Part], str]:
        """The same under the lowest cap in force, of a domain or (None) of the whole."""
        caps = []
        for row in np.flatnonzero(loss >= 1.0).tolist():
            key, rule = self.leaves[row]
            cap = rule.cap_overall if domain is None else rule.cap_domain
            if cap is not None and domain in (None, key.domain):
                caps.append((cap, key, row))
        if not caps or FULL - micropoints <= (allowed := round(min(caps)[0] * 1e6)):
            return micropoints, parts, ""
        _, key, row = min(caps)
        extra = Part(key.domain, key.entity, key.worker, key.metric, FULL - micropoints - allowed, "cap")
        return FULL - allowed, [*parts, extra], key.metric

    def coverage(self, domain: str, known: Bools, expected: Bools) -> float:
        """Weight of what is known over weight of what is expected; 1 where nothing is."""
        wanted = [row for row in np.flatnonzero(expected).tolist() if self.leaves[row].key.domain == domain]
        weight = math.fsum(self._share[row] for row in wanted)
        return math.fsum(self._share[row] for row in wanted if known[row]) / weight if weight > 0.0 else 1.0

    def _entity(
        self, entity: Entity, lossy: set[int], loss: Floats, kept: dict[str, str]
    ) -> tuple[dict[int, float], float]:
        """Share of each lossy leaf in its entity's loss, and that loss."""
        rows = [row for row in entity.rows if row in lossy]
        if not rows:
            kept.pop(entity.name, None)
            return {}, 0.0
        rules = [self.leaves[row].rule for row in entity.rows]
        factors, total = self.node(
            entity.name, [self.leaves[row].key.metric for row in entity.rows],
            [float(loss[row]) for row in entity.rows], [rule.weight for rule in rules], ENTITY_BETA, kept,
            [rule.criticality for rule in rules],
        )
        return {row: factor for row, factor in zip(entity.rows, factors, strict=True) if row in lossy}, total

    def _shares(self) -> list[float]:
        """Weight of each leaf in its domain."""
        shares = [0.0] * len(self.leaves)
        for entities in self._entities.values():
            for entity in entities:
                for row in entity.rows:
                    shares[row] = entity.weight * self.leaves[row].rule.weight / entity.total
        return shares

    def _part(self, row: int, late: bool) -> Part:
        key = self.leaves[row].key
        return Part(key.domain, key.entity, key.worker, key.metric, 0, "unknown" if late else "")


def divide(loss: float, shares: Sequence[tuple[Part, float]]) -> tuple[int, list[Part]]:
    """A loss in 0..1 as micropoints, and its parts rounded so that they add up; the remainder goes to the largest.

    >>> auc, loss = Part("train", "", "", "auc", 0), Part("train", "", "", "loss", 0)
    >>> total, parts = divide(1 / 3, [(auc, 2e7), (loss, 1.33e7)])
    >>> total == sum(part.micropoints for part in parts)
    True
    """
    total = min(FULL, round(FULL * loss))
    whole = [(part, math.floor(points)) for part, points in shares]
    rest = total - sum(points for _, points in whole)
    order = sorted(range(len(whole)), key=lambda i: (-whole[i][1], _name(whole[i][0])))
    parts = [
        Part(part.domain, part.entity, part.worker, part.metric, points + (rest if i == order[0] else 0), part.why)
        for i, (part, points) in enumerate(whole)
    ]
    kept = [part for part in parts if part.micropoints]
    return total, sorted(kept, key=lambda part: (-part.micropoints, _name(part)))


def _name(part: Part) -> tuple[str, str, str, str, str]:
    return part.domain, part.entity, part.worker, part.metric, part.why


def _entities(leaves: Sequence[Leaf], config: JobConfig) -> dict[str, list[Entity]]:
    importance = {f"feature:{feature.name}": feature.importance for feature in config.features}
    heads = {entity_of(task.name): JOB_WEIGHT * task.weight for task in config.tasks}
    workers = len({leaf.key.worker for leaf in leaves if leaf.key.worker}) or 1
    rows: dict[tuple[str, str, str], list[int]] = {}
    for row, leaf in enumerate(leaves):
        rows.setdefault((leaf.key.domain, leaf.key.entity, leaf.key.worker), []).append(row)
    found: dict[str, list[Entity]] = {}
    for (domain, entity, worker), at in sorted(rows.items()):
        is_job = not entity and not worker
        weight = JOB_WEIGHT if is_job else heads.get(entity) or min(importance.get(entity, 1.0), MAX_IMPORTANCE)
        # A worker can be replaced: of a hundred of them one dead costs a tenth of what the whole would.
        criticality = min(1.0, 10.0 / max(workers, config.workers)) if worker else 1.0
        total = math.fsum(leaves[row].rule.weight for row in at)
        name = f"{domain}|{entity}|{worker}"
        found.setdefault(domain, []).append(Entity(name, tuple(at), weight, criticality, total))
    return found

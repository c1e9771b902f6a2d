"""Which of a window's series are scored, by which rule, and what a value costs by it; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from streamgauge.anomaly.reference import Floats, Rows
from streamgauge.anomaly.types import SeriesKey
from streamgauge.pipelines.metrics import Metric, Rule


class Ruled(NamedTuple):
    """The leaves among one window's series."""

    keys: tuple[SeriesKey, ...]  # of all series
    rules: list[tuple[Rule, Rows]]  # each rule and the rows it judges
    rows: Rows  # of all leaves
    leaves: tuple[SeriesKey, ...]


def is_leaf(key: SeriesKey, metric: Metric) -> bool:
    """Whether a series is scored: the job's own values, and what exists at workers only or measures them.

    A source repeats its columns, so it is shown and not counted twice.
    """
    return not key.entity.startswith("source:") and (
        not key.worker or key.domain == "system" or metric.scope == "worker"
    )


def lost(rule: Rule, x: Floats, reference: Floats, error: Floats, floor: Floats, rows: Floats) -> Floats:
    """Loss in 0..1 by a rule: 0 up to `good`, 1 from `bad` on, linear between; NaN where it cannot be told."""
    excess = rule.form(x, reference, error, floor, rows)
    return np.where(np.isnan(x), np.nan, np.clip((excess - rule.good) / (rule.bad - rule.good), 0.0, 1.0))


def ruled_of(
    keys: tuple[SeriesKey, ...], metrics: Sequence[Metric], rules: Mapping[tuple[str, str], Rule],
    optional: frozenset[str],
) -> Ruled:
    """The leaves among these series; `rules` by domain and metric."""
    by_rule: dict[tuple[str, str], list[int]] = {}
    for row, (key, metric) in enumerate(zip(keys, metrics, strict=True)):
        # An optional feature is flaky by nature: shown, neither paged nor scored.
        if (key.domain, key.metric) in rules and is_leaf(key, metric) and key.entity not in optional:
            by_rule.setdefault((key.domain, key.metric), []).append(row)
    every = sorted(row for rows in by_rule.values() for row in rows)
    return Ruled(
        keys, [(rules[name], np.array(rows, dtype=np.int64)) for name, rows in sorted(by_rule.items())],
        np.array(every, dtype=np.int64), tuple(keys[row] for row in every),
    )


def overridden(rule: Rule, changes: Mapping[str, float]) -> Rule:
    """A rule with what the configuration changes of it."""
    return rule._replace(
        good=changes.get("good", rule.good), bad=changes.get("bad", rule.bad),
        weight=changes.get("weight", rule.weight), criticality=changes.get("criticality", rule.criticality),
    )

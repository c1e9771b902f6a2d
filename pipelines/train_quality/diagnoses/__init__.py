"""What traced arrays say of a model's health: diagnoses by name; formulas and sources are in docs/diagnoses.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import numpy as np

from streamgauge.pipelines.train_quality.diagnoses import activations, gradients, weights
from streamgauge.pipelines.train_quality.diagnoses.traces import Finding, Traces
from streamgauge.tracer.read import TracedArray

__all__ = ["DIAGNOSES", "Finding", "Traces", "by_worker", "diagnose"]

# the most telling first: what comes later may be its consequence
DIAGNOSES: Final[dict[str, Callable[[Traces], Iterator[Finding]]]] = {
    "first_nonfinite": gradients.first_nonfinite,
    "dead_units": activations.dead_units,
    "saturated_units": activations.saturated_units,
    "gradient_by_depth": gradients.gradient_by_depth,
    "update_ratio": gradients.update_ratio,
    "blind_spots": weights.blind_spots,
    "weight_concentration": weights.weight_concentration,
    "embedding_growth": weights.embedding_growth,
    "embedding_collapse": weights.embedding_collapse,
    "collapsed_representation": activations.collapsed_representation,
    "constant_units": activations.constant_units,
    "dormant_units": activations.dormant_units,
    "held_out_units": activations.held_out_units,
    "layer_probes": activations.layer_probes,
    "low_rank": weights.low_rank,
}


def diagnose(arrays: Iterable[TracedArray]) -> list[Finding]:
    """What is wrong, as far as the arrays tell, by worker."""
    with np.errstate(all="ignore"):  # arrays may hold anything: what comes of it is not finite, and no finding
        return [finding for traces in by_worker(arrays) for check in DIAGNOSES.values() for finding in check(traces)]


def by_worker(arrays: Iterable[TracedArray]) -> list[Traces]:
    """The arrays of each worker; of one incarnation each, the last."""
    found: dict[str, list[TracedArray]] = {}
    for one in arrays:
        found.setdefault(one.worker, []).append(one)
    lives = {worker: max(kept, key=lambda one: one.time).incarnation for worker, kept in found.items()}
    last = {worker: [one for one in kept if one.incarnation == lives[worker]] for worker, kept in found.items()}
    return [Traces(worker, last[worker]) for worker in sorted(last)]

"""Labelled rows by group and by slice, from the features of rows whose labels are known; off the step.

A value that is text is compared as its salted hash, so nothing readable leaves the worker but the slice's name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer import multivalued, profiles
from streamgauge.tracer.evaluation import Evaluation, Slice
from streamgauge.tracer.gathering import Build
from streamgauge.tracer.inputs import Array, Floats, is_na
from streamgauge.tracer.panes import Pane
from streamgauge.tracer.profiles import Profiles
from streamgauge.tracer.summaries import Groups, Summary, ValueErrors, hash_values, to_floats

PANE_ROWS: Final = 1_024  # rows of groups that a pane aims at; beyond it fewer groups are kept


class RowsByGroup:
    """Labelled rows by group and by slice, into the panes of one incarnation."""

    def __init__(self, panes: Pane, evaluation: Evaluation, features: Profiles) -> None:
        self._panes, self._evaluation = panes, evaluation
        self._codes = {one.name: features.keys(np.array([one.equals], object))[0] for one in evaluation.slices}
        self.has_classes = True  # numbers have no order of positives and negatives within a group
        self._pane = panes.start
        self._rows = 0  # of this pane
        self._raise = 1  # of the modulus, by the rows of the pane before

    def __bool__(self) -> bool:
        """Whether anything is evaluated so."""
        return bool(self._evaluation.groups or self._evaluation.slices or self._evaluation.find)

    def pairs(
        self, labels: Floats, predicted: Floats | None, weights: Floats | None, codes: Mapping[str, Array]
    ) -> None:
        """Rows with their labels, their predictions and the codes of their features."""
        known = ~np.isnan(labels)
        if predicted is None or not self or not self.has_classes or not known.any():
            return
        usable = known & ~is_na(predicted)
        weights = np.ones(len(labels)) if weights is None else weights
        for name in self._evaluation.groups:
            if name in codes:
                self._group(name, codes[name][usable], predicted[usable], labels[usable])
        for one in self._evaluation.slices:
            if one.feature in codes:
                rows = usable & self._inside(one, codes[one.feature])
                self._slice(one.name, predicted[rows], labels[rows], weights[rows])
        for name in self._evaluation.find:
            if name in codes:
                self._values(name, codes[name][usable], predicted[usable], labels[usable], weights[usable])

    def _group(self, name: str, codes: Array, predicted: Floats, labels: Floats) -> None:
        self._count(len(labels))
        build = groups(self._evaluation.modulus * self._raise)
        self._panes.gather("train", "groups", f"group:{name}", build, _as_groups(codes), predicted, labels)

    def _count(self, rows: int) -> None:
        """The modulus of a pane follows the rows of the one before: a function of the worker's own panes only."""
        if self._panes.start > self._pane:
            self._raise = 1 << max(0, (self._rows // self._evaluation.modulus - 1) // PANE_ROWS).bit_length()
            self._pane, self._rows = self._panes.start, 0
        self._rows += rows

    def _slice(self, name: str, predicted: Floats, labels: Floats, weights: Floats) -> None:
        if len(labels):
            self._panes.gather("train", "labels", f"slice:{name}", profiles.labelled, predicted, labels, weights)

    def _values(self, name: str, codes: Array, predicted: Floats, labels: Floats, weights: Floats) -> None:
        """How far predictions are off by value; a row of several values counts at each."""
        if codes.dtype.hasobject:
            codes, rows = multivalued.flat_once(codes)
            predicted, labels, weights = predicted[rows], labels[rows], weights[rows]
        self._panes.gather("train", "by_value", f"feature:{name}", value_errors, codes, predicted, labels, weights)

    def _inside(self, one: Slice, codes: Array) -> NDArray[np.bool_]:
        if codes.dtype.hasobject:
            return np.array([v is not None and bool(self._matches(one, v).any()) for v in codes], bool)
        return self._matches(one, codes)

    def _matches(self, one: Slice, values: Array) -> NDArray[np.bool_]:
        if values.dtype.kind != "f":
            same: NDArray[np.bool_] = (values == self._codes[one.name]) & (values != 0)
            return same
        inside: NDArray[np.bool_] = ~np.isnan(values)
        if one.equals is not None:
            inside &= values == _number(one.equals)
        if one.above is not None:
            inside &= values > one.above
        if one.below is not None:
            inside &= values < one.below
        return inside


def groups(modulus: int) -> Build:
    """How hashes of groups, predictions and labels become a sketch."""

    def build(keys: Array, predicted: Array, labels: Array) -> Iterable[Summary]:
        return (Groups.of(keys, predicted, labels, modulus),)

    return build


def value_errors(codes: Array, predicted: Array, labels: Array, weights: Array) -> Iterable[Summary]:
    """Sketch of how far predictions are off by value."""
    return (ValueErrors.of(codes, predicted, labels, weights),)


def _as_groups(codes: Array) -> Array:
    """Codes as hashes, 0 where there is none: numbers are hashed, of several values none is the group."""
    if codes.dtype.hasobject:
        return np.zeros(len(codes), np.uint64)
    if codes.dtype.kind != "f":
        return codes
    return np.where(np.isnan(codes), np.uint64(0), hash_values(codes, b""))


def _number(value: float | str) -> float:
    return float(to_floats(np.array([value], object))[0][0])

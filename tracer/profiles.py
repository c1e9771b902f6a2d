"""Columns of rows become sketches: values are gathered over a pane and summarised in large pieces, off the step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer import multivalued
from streamgauge.tracer.compiled import fast
from streamgauge.tracer.features import Declared, Feature, FeatureKind, feature_of
from streamgauge.tracer.gathering import Build
from streamgauge.tracer.id_sampling import IdSampling
from streamgauge.tracer.inputs import Array, Column, Ragged
from streamgauge.tracer.records import Clock, Sketch
from streamgauge.tracer.summaries import (
    Bins,
    Buckets,
    Counts,
    Distinct,
    Errors,
    Heavy,
    Histogram,
    Ids,
    JoinRows,
    LabelBuckets,
    Moments,
    NumericProfile,
    Summary,
    Table,
    Units,
    ValueCounts,
    code_of,
    codes_of,
    encode,
    is_missing,
    profile_numeric,
    tally_codes,
    to_floats,
)
from streamgauge.tracer.summaries.value_counts import FEW, is_coarse

Hashes = NDArray[np.uint64]

FAR: Final = 1_000.0  # standard deviations: beyond it a variance loses more than 6 of its 16 digits


class Profiles:
    """Which feature is what: declared, or guessed from the first values seen.

    >>> profiles = Profiles([], b"")
    >>> profiles.feature("hour", np.array([1.0])).kind, profiles.feature("carrier", np.array(["UA"])).kind
    ('numeric', 'categorical')
    """

    def __init__(
        self, declared: Sequence[Declared] | Mapping[str, FeatureKind], salt: bytes, sampling: IdSampling | None = None,
        table: Table | None = None,
    ) -> None:  # fmt: skip
        if isinstance(declared, Mapping):
            declared = [Feature(name=name, kind=kind) for name, kind in declared.items()]
        self._features = {feature.name: feature_of(feature) for feature in declared}
        self._declared = frozenset(self._features)
        self._shift: dict[str, float] = {}
        self._coarse: set[str] = set()  # features that a histogram has too few buckets for
        self._salt = salt
        self._sampling = IdSampling() if sampling is None else sampling
        self._table = Table(salt) if table is None else table
        self._ids = Table(salt, half=0) if fast() else self._table  # compiled, hashing an id costs less than keeping it
        self._known: dict[str, tuple[int, Hashes | None]] = {}  # codes of a feature's default and vocabulary

    def feature(self, name: str, column: Column) -> Feature | None:
        """The declaration of a feature; None as long as nothing says what it is: no value has come yet."""
        found = self._features.get(name)
        if found is None:
            kind = _guess(column.values if isinstance(column, Ragged) else column)
            if kind is not None:
                found = self._features[name] = Feature(name=name, kind=kind)
        return found

    @property
    def declared(self) -> frozenset[str]:
        """Names of the features that were declared."""
        return self._declared

    def build(self, name: str) -> Build:
        """How the columns of a feature become summaries."""
        return lambda column: self._summaries(name, column)

    def split(self, name: str, column: Column) -> Column:
        """A column whose rows of several values come as text, and its weights apart, where that is declared."""
        feature = self._features.get(name)
        if feature is None or not (feature.separator or feature.weight):
            return column
        found = multivalued.split(column, feature.separator, feature.weight)
        return multivalued.with_numbers(found) if feature.kind == "numeric" and isinstance(found, Ragged) else found

    def keys(self, ids: Array) -> Hashes:
        """Sample ids as they are joined: hashes, 0 where one is missing."""
        return codes_of(ids, self._salt, self._ids)

    def codes(self, name: str, column: Column) -> Array:
        """A column as it is kept for label counts: float64, or a hash (uint64, 0 where missing); rows of these."""
        feature = self.feature(name, column)
        if isinstance(column, Ragged):
            return multivalued.rows_of(column, self._codes(feature, column.values))
        return self._codes(feature, column)

    def gathered(self, name: str, column: Column) -> tuple[Column, Array | None]:
        """A column as it waits for its profile, and its codes where it is not one of several values or of numbers.

        Categories and ids wait as codes: hashed once, and with no hold on the job's own values.
        """
        feature = self.feature(name, column)
        if isinstance(column, Ragged) or (feature is not None and feature.kind == "numeric"):
            return column, None
        codes = self._codes(feature, column)
        return codes, codes

    def _codes(self, feature: Feature | None, column: Array) -> Array:
        if feature is None:
            return np.full(len(column), np.nan)
        if feature.kind == "numeric":
            return to_floats(column)[0]
        return codes_of(column, self._salt, self._table)

    def _summaries(self, name: str, column: Column) -> Iterable[Summary]:
        feature = self.feature(name, column)
        if feature is None:
            return (Counts(rows=len(column), missing=multivalued.missing_rows(column)),)
        if not isinstance(column, Ragged):
            return self._numeric(feature, column) if feature.kind == "numeric" else self._categorical(feature, column)
        codes = column.values if feature.kind == "numeric" else self._codes(feature, column.values)
        found = self._numeric(feature, codes) if feature.kind == "numeric" else self._categorical(feature, codes)
        return multivalued.counting_rows(found, column, feature)

    def _numeric(self, feature: Feature, column: Array) -> Iterable[Summary]:
        found = self._numbers(feature, column)
        if not 0 < len(found.histogram.keys) <= FEW:
            return found
        numbers = to_floats(column)[0]
        finite = numbers[np.isfinite(numbers)]
        if is_coarse(found.histogram, finite):
            self._coarse.add(feature.name)
        return (*found, ValueCounts.of(finite)) if feature.name in self._coarse else found

    def _numbers(self, feature: Feature, column: Array) -> NumericProfile:
        default = feature.default if isinstance(feature.default, (int, float)) else None
        shift = self._shift.get(feature.name, 0.0)
        profile = profile_numeric(column, default=default, low=feature.low, high=feature.high, shift=shift)
        moments, is_far = profile.moments, _is_far(profile.moments)
        if not moments.count or (feature.name in self._shift and not is_far):
            return profile
        with np.errstate(over="ignore"):
            near = float(np.float32(moments.mean()))  # near the values: keeps the variance
        self._shift[feature.name] = near = near if np.isfinite(near) else 0.0
        if not is_far or near == shift:
            return profile
        return profile_numeric(column, default=default, low=feature.low, high=feature.high, shift=near)

    def _categorical(self, feature: Feature, codes: Array) -> Iterable[Summary]:
        """Of codes; floats are rows from before the feature's first value, all of them missing."""
        if codes.dtype.kind == "f":
            codes = np.zeros(len(codes), np.uint64)
        default, vocabulary = self._declared_codes(feature)
        found = tally_codes(codes)
        yield Counts.of_codes(codes, default, vocabulary)
        yield Distinct.of_tally(found)
        yield Heavy.of_tally(found)
        if feature.kind == "id":
            yield Ids.of_tally(found, self._sampling.modulus)

    def _declared_codes(self, feature: Feature) -> tuple[int, Hashes | None]:
        """The codes of a feature's default, 0 for none, and of its vocabulary."""
        found = self._known.get(feature.name)
        if found is None:
            words = feature.vocabulary
            known = None if words is None else codes_of(np.array(list(words), object), self._salt)
            found = self._known[feature.name] = (code_of(feature.default, self._salt), known)
        return found


def _is_far(moments: Moments) -> bool:
    """Whether values lie so far from their shift that their spread is lost beside it, as after a pane of zeros."""
    spread = moments.std()
    return abs(moments.mean() - moments.shift) > FAR * (spread if spread == spread else 0.0)


def predictions(values: Array) -> Iterable[Summary]:
    """Sketches of predictions of all rows."""
    return Buckets.of(values), Moments.of(values)


def seconds(values: Array) -> Iterable[Summary]:
    """Sketch of a duration or a delay."""
    return (Histogram.of(values),)


def labelled(predicted: Array, labels: Array, weights: Array) -> Iterable[Summary]:
    """Sketch of predictions with their labels."""
    return (LabelBuckets.of(predicted, labels, None if (weights == 1.0).all() else weights),)


def numbers(values: Array) -> Iterable[Summary]:
    """Sketches of labels, or of predictions of all rows, that are numbers."""
    finite = values[np.isfinite(values)]
    return Histogram.of_finite(finite), Moments.of_finite(finite, float(np.float32(finite[0])) if len(finite) else 0.0)


def errors(predicted: Array, labels: Array, weights: Array) -> Iterable[Summary]:
    """Sketch of predictions with their labels where both are numbers."""
    return (Errors.of(predicted, labels, weights),)


def ids(modulus: int) -> Build:
    """How hashes become the sample of ids."""
    return lambda hashes: (Ids.of(hashes, modulus),)


def samples_to_join(modulus: int) -> Build:
    """How samples become rows that the pipeline joins."""
    return lambda *columns: (JoinRows.samples(modulus, *columns),)


def labels_to_join(modulus: int) -> Build:
    """How labels become rows that the pipeline joins."""
    return lambda *columns: (JoinRows.labels(modulus, *columns),)


def bins(codes: Array, labels: Array) -> Iterable[Summary]:
    """Label counts by value bin, of what `Profiles.codes` gave."""
    if codes.dtype.kind == "f":
        return (Bins.of_numeric(codes, labels),)
    return (Bins.of_ids(codes, labels, codes != 0),)


def lengths(sizes: Array) -> Iterable[Summary]:
    """Sketches of how many values the rows have."""
    numbers = sizes.astype(np.float64)
    return Histogram.of_finite(numbers), Moments.of_finite(numbers)


def units(positives: Array, rows: int) -> Units:
    """Counts of positive activations by unit."""
    return Units(np.minimum(positives.astype(np.int64), rows), rows)


def sketch_units(parts: Sequence[Units], clock: Clock, name: str, entity: str) -> Sketch:
    """The units of one layer over a pane."""
    return encode(Units.merge(list(parts)), clock, name, entity)


def _guess(column: Array) -> FeatureKind | None:
    """What the values are; None where there is none."""
    present = column[~is_missing(column)]
    if not len(present):
        return None
    if column.dtype.kind == "O":
        numbers = all(isinstance(value, (int, float, np.number)) for value in present.tolist())
        return "numeric" if numbers else "categorical"
    return "numeric" if column.dtype.kind in "iubf" else "categorical"

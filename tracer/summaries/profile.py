"""All summaries of one feature in one pass: what a `profile` sketch set holds."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np

from streamgauge.tracer.summaries.columns import Hashes, Values
from streamgauge.tracer.summaries.counts import Counts, Moments, to_floats, to_objects
from streamgauge.tracer.summaries.distinct import Distinct
from streamgauge.tracer.summaries.hashing import Tally, code_of, codes_of, tally
from streamgauge.tracer.summaries.heavy import CAPACITY, Heavy
from streamgauge.tracer.summaries.histogram import Histogram
from streamgauge.tracer.summaries.ids import Ids


class NumericProfile(NamedTuple):
    """A numeric feature in one pane."""

    counts: Counts
    moments: Moments
    histogram: Histogram


class CategoricalProfile(NamedTuple):
    """A categorical or id feature in one pane."""

    counts: Counts
    distinct: Distinct
    heavy: Heavy


def profile_numeric(
    values: Values,
    *,
    default: float | None = None,
    low: float | None = None,
    high: float | None = None,
    shift: float = 0.0,
) -> NumericProfile:
    """Counts, moments about `shift` and histogram of one numeric feature.

    >>> profile_numeric([1.0, None, 3.0]).moments.mean()
    2.0
    """
    numbers, failed = to_floats(values)
    counts = Counts.of_floats(numbers, failed, default, low, high)
    finite = numbers
    if counts.missing + failed + counts.nonfinite:
        finite = numbers[np.isfinite(numbers)]
    return NumericProfile(counts, Moments.of_finite(finite, shift), Histogram.of_finite(finite))


def profile_categorical(
    values: Values,
    *,
    salt: bytes = b"",
    default: Any = None,
    vocabulary: Collection[Any] | None = None,
    capacity: int = CAPACITY,
) -> CategoricalProfile:
    """Counts, distinct and heavy hitters of one categorical or id feature; values are hashed with `salt`.

    >>> profile_categorical(["a", "b", "a", None]).heavy.top(1)[0].rows
    2
    """
    codes = codes_of(to_objects(values), salt)
    known = None if vocabulary is None else codes_of(to_objects(list(vocabulary)), salt)
    counts = Counts.of_codes(codes, code_of(default, salt), known)
    found = tally_codes(codes)
    return CategoricalProfile(counts, Distinct.of_tally(found), Heavy.of_tally(found, capacity))


def tally_codes(codes: Hashes) -> Tally:
    """Tally of the codes that are not missing.

    >>> tally_codes(np.array([7, 0, 7], np.uint64)).counts.tolist()
    [2]
    """
    found = tally(codes)
    return found if not len(found.hashes) or found.hashes[0] else Tally(found.hashes[1:], found.counts[1:])


def profile_ids(values: Values, *, salt: bytes = b"", modulus: int = 1) -> Ids:
    """The id sample of one id feature.

    >>> profile_ids([1, 2, 2]).distinct()
    2
    """
    return Ids.of_tally(tally_codes(codes_of(to_objects(values), salt)), modulus)

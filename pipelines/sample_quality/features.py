"""What the features of the samples look like: rates from counts, values from moments and histograms, concentration."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from streamgauge.pipelines.metrics import Values, View
from streamgauge.pipelines.statistics import categorical_dispersion, numeric_dispersion, top_share, top_share_bound
from streamgauge.pipelines.statistics.measures import NOTHING, proportions, quantile_values, values
from streamgauge.tracer.summaries import Counts, Distinct, Heavy, Histogram, Moments, ValueCounts

_ANY: Final = Moments(low=-math.inf, high=math.inf)  # no extremes are known
DISTINCT_ERROR: Final = 0.016  # standard error of a HyperLogLog with 4,096 registers


def missing_rate(view: View) -> Values:
    """Rows where the feature is absent, null or NaN / rows seen; a row that came without it is one of them.

    A declared feature, or one that the reference knows, is told when it is no longer sent: it has no summary then.
    """
    counts, seen = _counts(view), int(view.total("sample", "rows"))
    expected = {f"feature:{feature.name}" for feature in view.config.features} | set(view.known("sample", "profile"))
    found = dict(counts)
    if seen:
        found |= {entity: Counts() for entity in sorted(expected - counts.keys())}
    return _rates(
        {entity: found[entity] for entity in sorted(found)},
        lambda c: (c.missing + max(seen - c.rows, 0), max(seen, c.rows)),
    )


def default_rate(view: View) -> Values:
    """Rows equal to the declared default / rows, of the features that declare one."""
    declared = {f"feature:{feature.name}" for feature in view.config.features if feature.default is not None}
    counts = {entity: found for entity, found in _counts(view).items() if entity in declared}
    return _rates(counts, lambda c: (c.default, c.rows))


def invalid_rate(view: View) -> Values:
    """Present rows that fail type, range or vocabulary / present rows."""
    return _rates(_counts(view), lambda c: (c.invalid, c.present))


def zero_rate(view: View) -> Values:
    """Rows that are exactly zero / present rows, of numeric features."""
    numeric = view.sketches(Moments, "sample", "profile")
    counts = {entity: found for entity, found in _counts(view).items() if entity in numeric}
    return _rates(counts, lambda c: (c.zero, c.present))


def mean(view: View) -> Values:
    """Mean of the finite values, with its standard error."""
    return _moments(view, lambda m: (m.mean(), m.std() / math.sqrt(m.count)))


def std(view: View) -> Values:
    """Sample standard deviation; its error holds for a normal law."""
    return _moments(view, lambda m: (m.std(), m.std() / math.sqrt(2.0 * max(m.count - 1, 1))))


def low(view: View) -> Values:
    """Smallest finite value."""
    return _moments(view, lambda m: (m.low, 0.0))


def high(view: View) -> Values:
    """Largest finite value."""
    return _moments(view, lambda m: (m.high, 0.0))


def cv(view: View) -> Values:
    """Standard deviation / mean, where all values are positive."""
    positive = {e: m for e, m in view.sketches(Moments, "sample", "profile").items() if m.count and m.low > 0.0}
    return values(list(positive), [(m.std() / m.mean(), float(m.count), 0.0, 0.0) for m in positive.values()])


def quantile(q: float) -> Callable[[View], Values]:
    """A metric function for one quantile of the numeric features, never outside their smallest and largest value."""

    def compute(view: View) -> Values:
        found = quantile_values(_numbers(view), q)
        moments = view.sketches(Moments, "sample", "profile")
        ranges = [moments.get(entity, _ANY) for entity in found.entities]
        low, high = np.array([m.low for m in ranges]), np.array([m.high for m in ranges])
        return found._replace(value=np.clip(found.value, low, high)) if ranges else found

    return compute


def seq_length(view: View) -> Values:
    """Mean number of values of a row."""
    found = {entity: m for entity, m in view.sketches(Moments, "sample", "seq_length").items() if m.count}
    columns = [(m.mean(), float(m.count), _finite(m.std() / math.sqrt(m.count)), 0.0) for m in found.values()]
    return values(list(found), columns)


def seq_length_p95(view: View) -> Values:
    """95 % quantile of the number of values of a row."""
    return quantile_values(view.sketches(Histogram, "sample", "seq_length"), 0.95)


def empty_seq_rate(view: View) -> Values:
    """Rows without any value / rows."""
    found = view.sketches(Histogram, "sample", "seq_length")
    if not found:
        return NOTHING
    table = np.array([(float(h.counts[h.keys == 0].sum()), float(h.total)) for h in found.values()]).T
    return proportions(tuple(found), table[0], table[1])


def distinct(view: View) -> Values:
    """Estimated number of distinct values."""
    found = view.sketches(Distinct, "sample", "profile")
    counts = _counts(view)
    estimates = {entity: sketch.estimate() for entity, sketch in found.items()}
    rows = {entity: float(counts[entity].present) if entity in counts else n for entity, n in estimates.items()}
    return values(list(found), [(n, rows[e], DISTINCT_ERROR * n, 0.0) for e, n in estimates.items()])


def top(n: int) -> Callable[[View], Values]:
    """A metric function for the share of the n most frequent values; the floor is how much higher it can be."""

    def compute(view: View) -> Values:
        found = view.sketches(Heavy, "sample", "profile")
        columns = []
        for heavy in found.values():
            share = top_share(heavy, n)
            columns.append((share.value, float(heavy.total), share.error, top_share_bound(heavy, n)))
        return values(list(found), columns)

    return compute


def dispersion(view: View) -> Values:
    """How spread out the values are, 0..1: IQR / (abs(median) + IQR), or normalised entropy of categorical ones."""
    numeric = _numbers(view)
    found = {entity: (numeric_dispersion(h), float(h.total), 0.0, 0.0) for entity, h in numeric.items()}
    counted = view.sketches(Distinct, "sample", "profile")
    for entity, heavy in view.sketches(Heavy, "sample", "profile").items():
        if entity not in found and entity in counted:
            found[entity] = (categorical_dispersion(heavy, counted[entity]), float(heavy.total), 0.0, 0.0)
    return values(list(found), list(found.values()))


def _numbers(view: View) -> Mapping[str, Histogram | ValueCounts]:
    """What quantiles are taken of: finer counts where there are some of all rows."""
    histograms = view.sketches(Histogram, "sample", "profile")
    fine = view.sketches(ValueCounts, "sample", "profile")
    return {entity: fine[entity] if entity in fine and fine[entity].total == one.total else one
            for entity, one in histograms.items()}  # fmt: skip


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 0.0


def _counts(view: View) -> Mapping[str, Counts]:
    return view.sketches(Counts, "sample", "profile")


def _rates(counts: Mapping[str, Counts], of: Callable[[Counts], tuple[int, int]]) -> Values:
    if not counts:
        return NOTHING
    table = np.array([of(found) for found in counts.values()], np.float64).T
    return proportions(tuple(counts), table[0], table[1])


def _moments(view: View, of: Callable[[Moments], tuple[float, float]]) -> Values:
    found = {entity: m for entity, m in view.sketches(Moments, "sample", "profile").items() if m.count}
    columns = []
    for moments in found.values():
        value, error = of(moments)
        columns.append((value, float(moments.count), error if error == error else 0.0, 0.0))
    return values(list(found), columns)

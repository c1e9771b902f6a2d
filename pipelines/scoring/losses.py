"""The forms of the score rules: what a value exceeds its reference or its noise by, vectorised over series.

Every form takes (x, reference, error, floor, rows), arrays of one shape, and returns the excess that a rule's anchors
are laid over: never negative, inf for "as bad as can be", NaN where something it needs is missing. Noise is taken off
first: three standard errors where the value carries one, the floor where noise alone gives more than zero.
"""

from __future__ import annotations

import math

import numpy as np

from streamgauge.pipelines.metrics import Floats

SIGMAS = 3.0  # what is within three standard errors of normal is noise
ALREADY_USELESS = 0.98  # normalized entropy: on single days of weather a sound model is no better than that
LEAST_DRIFT = 0.1  # nats of PSI that nobody needs to know of
DAILY_SWING = math.log(6.0)  # what a day may do to a count, while its slot has no days of its own to tell
LEAST_EXPECTED = 10.0  # a count is judged only where its slot expects at least this many rows


def value(x: Floats, reference: Floats, error: Floats, floor: Floats, rows: Floats) -> Floats:
    """The value itself, for declared anchors."""
    return np.maximum(x, 0.0)


def absolute(x: Floats, reference: Floats, error: Floats, floor: Floats, rows: Floats) -> Floats:
    """The size of the value, whatever its sign."""
    return np.abs(x)


def absolute_over_noise(x: Floats, reference: Floats, error: Floats, floor: Floats, rows: Floats) -> Floats:
    """The size of the value beyond what sampling noise alone would give: a bias that should be 0."""
    size: Floats = np.abs(x)
    return np.maximum(size - SIGMAS * error, 0.0)


def value_over_noise(x: Floats, reference: Floats, error: Floats, floor: Floats, rows: Floats) -> Floats:
    """The value above what sampling noise alone would give."""
    return np.maximum(x - SIGMAS * error, 0.0)


def over_floor(x: Floats, reference: Floats, error: Floats, floor: Floats, rows: Floats) -> Floats:
    """The excess over the noise floor: PSI, ECE."""
    return np.maximum(x - floor, 0.0)


def drift_ratio(x: Floats, reference: Floats, error: Floats, floor: Floats, rows: Floats) -> Floats:
    """How many times the drift that is usual here: the noise floor, the metric's own reference, or 0.1 nats at least.

    On the flights the weather of one day is 5 nats away from that of the last 28, every day: that is no news.
    """
    usual: Floats = np.fmax(np.fmax(reference, floor), LEAST_DRIFT)
    return np.maximum(x / usual, 0.0)


def ratio_to_floor(x: Floats, reference: Floats, error: Floats, floor: Floats, rows: Floats) -> Floats:
    """How many times the declared or learnt scale that `floor` carries: an SLO, an interval, a normal gap."""
    return np.maximum(_divide(x, floor), 0.0)


def shortfall(x: Floats, reference: Floats, error: Floats, floor: Floats, rows: Floats) -> Floats:
    """What is missing beyond noise to one, or to the reference where less than one is normal (late labels)."""
    return np.maximum(np.minimum(reference, 1.0) - x - SIGMAS * error, 0.0)


def above_reference(x: Floats, reference: Floats, error: Floats, floor: Floats, rows: Floats) -> Floats:
    """How far x is above its reference, beyond noise: rates that are bad when they rise."""
    return np.maximum(x - reference - SIGMAS * error, 0.0)


def below_reference(x: Floats, reference: Floats, error: Floats, floor: Floats, rows: Floats) -> Floats:
    """How far x is below its reference, beyond noise: what is bad when it falls, such as AUC."""
    return np.maximum(reference - x - SIGMAS * error, 0.0)


def below_reference_and_bound(x: Floats, reference: Floats, error: Floats, floor: Floats, rows: Floats) -> Floats:
    """As `below_reference`, and beyond what its buckets leave open: AUC, of a model that says 0 or 1, too."""
    return np.maximum(reference - x - SIGMAS * error - floor, 0.0)


def off_reference(x: Floats, reference: Floats, error: Floats, floor: Floats, rows: Floats) -> Floats:
    """abs(x - reference) beyond noise."""
    distance: Floats = np.abs(x - reference)
    return np.maximum(distance - SIGMAS * error, 0.0)


def entropy_above_reference(x: Floats, reference: Floats, error: Floats, floor: Floats, rows: Floats) -> Floats:
    """As `above_reference`; surely 1 or more, no better than the base rate, is all bad unless that is normal here."""
    is_useless = (x - SIGMAS * error >= 1.0) & (reference < ALREADY_USELESS)
    excess: Floats = np.where(is_useless, np.inf, above_reference(x, reference, error, floor, rows))
    return excess


def log_off_right(x: Floats, reference: Floats, error: Floats, floor: Floats, rows: Floats) -> Floats:
    """abs(ln(x / what is right)) - 3/sqrt(rows), rows being positives: PCOC.

    Right is `floor` where that is known, 1 where labels come at once, else the slot's own reference: what is trained on
    in the morning are the negatives of the night, and a perfect model is far from 1 there.
    """
    right = np.where(floor > 0.0, floor, reference)
    return np.maximum(np.abs(_log(_divide(x, right))) - _relative_noise(rows), 0.0)


def over_usual(x: Floats, reference: Floats, error: Floats, floor: Floats, rows: Floats) -> Floats:
    """The excess over the noise floor, or over the reference where more is usual: ECE."""
    usual: Floats = np.fmax(floor, reference)
    return np.maximum(x - usual, 0.0)


def log_off_reference(x: Floats, reference: Floats, error: Floats, floor: Floats, rows: Floats) -> Floats:
    """abs(ln(x / reference)) - 3/sqrt(rows)."""
    return np.maximum(np.abs(_log(_divide(x, reference))) - _relative_noise(rows), 0.0)


def log_above_reference(x: Floats, reference: Floats, error: Floats, floor: Floats, rows: Floats) -> Floats:
    """ln(x / reference) beyond noise: delays, step times and norms, which are bad when they grow."""
    return np.maximum(_log(_divide(x - SIGMAS * error, reference)), 0.0)


def log_distance(x: Floats, reference: Floats, error: Floats, floor: Floats, rows: Floats) -> Floats:
    """abs(ln(x / reference)), the noise being far below the anchors: distinct values."""
    return np.abs(_log(_divide(x, reference)))


def magnitudes(x: Floats, reference: Floats, error: Floats, floor: Floats, rows: Floats) -> Floats:
    """abs(log10(x / reference)): how many orders of magnitude away."""
    return np.abs(_log(_divide(x, reference))) / math.log(10.0)


def count_off_reference(x: Floats, reference: Floats, error: Floats, floor: Floats, rows: Floats) -> Floats:
    """abs(ln(count / expected)) - 3/sqrt(count) - floor; NaN where the slot expects fewer than ten."""
    noise: Floats = _count_noise(reference, error, rows) + floor
    return np.maximum(np.abs(_log_count_ratio(reference, error, rows)) - noise, 0.0)


def count_below_reference(x: Floats, reference: Floats, error: Floats, floor: Floats, rows: Floats) -> Floats:
    """-ln(count / expected) - 3/sqrt(count) - floor; NaN where the slot expects fewer than ten."""
    noise: Floats = _count_noise(reference, error, rows) + floor
    return np.maximum(-_log_count_ratio(reference, error, rows) - noise, 0.0)


COUNTS = (count_off_reference, count_below_reference)  # the forms that a day's swing is allowed for


def information_lost(x: Floats, reference: Floats, error: Floats, floor: Floats, rows: Floats) -> Floats:
    """1 - excess / reference excess beyond noise: IV; nothing where the reference is below three noise floors."""
    lost = np.maximum(1.0 - _divide(np.maximum(x + SIGMAS * error - floor, 0.0), reference - floor), 0.0)
    known: Floats = np.where(reference > 3.0 * floor, lost, np.where(np.isnan(x + reference), np.nan, 0.0))
    return known


def _divide(x: Floats, by: Floats) -> Floats:
    """The quotient, NaN where `by` is not positive."""
    return np.divide(x, by, out=np.full(np.shape(x), np.nan), where=np.asarray(by) > 0.0)


def _log(x: Floats) -> Floats:
    """Natural logarithm, -inf at and below zero, NaN where x is NaN."""
    logs = np.log(x, out=np.full(np.shape(x), -np.inf), where=np.asarray(x) > 0.0)
    kept: Floats = np.where(np.isnan(x), np.nan, logs)
    return kept


def _relative_noise(rows: Floats) -> Floats:
    noise: Floats = SIGMAS / np.sqrt(np.maximum(rows, 1.0))
    return noise


def _expected(reference: Floats, error: Floats, rows: Floats) -> Floats:
    """The expected count: a rate's error is sqrt(max(count, 1)) / seconds, which gives the seconds back."""
    return reference * _divide(np.sqrt(np.maximum(rows, 1.0)), error)


def _log_count_ratio(reference: Floats, error: Floats, rows: Floats) -> Floats:
    expected = _expected(reference, error, rows)
    known = np.where(expected >= LEAST_EXPECTED, expected, np.nan)
    ratio: Floats = np.log((rows + 0.5) / (known + 0.5))  # the halves keep an empty window finite
    return ratio


def _count_noise(reference: Floats, error: Floats, rows: Floats) -> Floats:
    return _relative_noise(np.maximum(rows, _expected(reference, error, rows)))

"""What is wrong in a window by itself, whatever was normal before: known from a job's first minutes on; pure.

    missing_rate     a declared feature is null or absent in every row
    volume           no rows while a worker lives, where so many are usual that none is a change, too
    label_overdue    every label that was due is overdue
    prediction_mean  all predictions are one value though the model has trained, or some leave 0..1
    label_rate       so many rows of one class in a row that chance gives it once in 1e8

Each is told of the job where it holds there, else of the workers where it holds. A metric in `unpaged` states nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

import msgspec

from streamgauge.anomaly.types import Domain, SeriesKey, Severity
from streamgauge.pipelines.config.schema import DAY, HOUR, JobConfig
from streamgauge.pipelines.detection.closed import Closed
from streamgauge.pipelines.metrics import Floats, View
from streamgauge.tracer.summaries import Buckets, Moments

OVER: Final = 0.5  # a share that was all is over at less than half
TRICKLE: Final = 0.1  # of the usual rows: fewer do not end what nothing began
OUTSIDE: Final = 0.01  # of the predictions: what lies outside 0..1 by a rounding error is no fact
LEAST_EXPECTED: Final = 10.0  # rows, below which none is no news
LEAST_PREDICTIONS: Final = 500.0
LEAST_UNSEEN: Final = 10_000.0  # rows of one class before the other was ever seen: a class of 0.2 % has 2e-9 left
LEAST_MISSED: Final = 20.0  # rows of the other class that chance would have brought: exp(-20) = 2e-9
SHORT: Final = HOUR  # traffic cannot fade to nothing within a shorter window; a longer one needs a week to know nights
NIGHTS: Final = 7 * DAY
_READ: Final = frozenset({"missing_rate", "volume", "label_overdue"})
FORGET: Final = 1e6  # labels that a usual rate is taken over, at most


class Condition(NamedTuple):
    """Something that holds of a series in this window, or not; None where the window cannot tell."""

    key: SeriesKey
    holds: bool | None
    value: float
    text: str
    severity: Severity = "page"
    lasting: float = 0.0  # seconds that it must hold before it is told
    bound: float = math.nan  # what the value is beyond
    declared: str = ""  # which limit of the configuration says so, "" for what is absolute


class Known(NamedTuple):
    """The values of one scope of a closed window, by metric."""

    closed: Closed
    reference: Floats
    rows: Mapping[SeriesKey, int]
    job: str
    worker: str
    history: float  # seconds since the first window

    def key(self, domain: Domain, metric: str, entity: str = "") -> SeriesKey:
        """A series of this scope."""
        return SeriesKey(self.job, self.worker, domain, entity, metric)

    def of(self, key: SeriesKey) -> tuple[float, float, float]:
        """Its value, the rows behind it and its reference; NaN where there are none."""
        row = self.rows.get(key)
        if row is None:
            return math.nan, 0.0, math.nan
        return float(self.closed.value[row]), float(self.closed.rows[row]), float(self.reference[row])


class Tally(msgspec.Struct, array_like=True, frozen=True):
    """What is remembered of the labels and the training of one worker, or of the job (`""`)."""

    labels: float = 0.0
    positives: float = 0.0
    since_positive: float = 0.0  # labels since the last one
    since_negative: float = 0.0
    has_trained: bool = False  # in an earlier window
    has_probabilities: bool = False  # all of an earlier window's predictions lay in 0..1


class Kept(Protocol):
    """What the facts of earlier windows left behind."""

    tallies: dict[str, Tally]
    first: float  # start of the first window, NaN before it


def rows_of(keys: Sequence[SeriesKey]) -> dict[SeriesKey, int]:
    """The rows of the series that `conditions` reads."""
    return {key: row for row, key in enumerate(keys) if key.metric in _READ}


def conditions(
    view: View, config: JobConfig, closed: Closed, reference: Floats, rows: Mapping[SeriesKey, int], kept: Kept
) -> list[Condition]:
    """Everything absolute that the window of a job says.

    `reference`, of shape [n], is what is usual for its series, `rows` what `rows_of` says of its keys.
    """
    history = 0.0 if math.isnan(kept.first) else view.start - kept.first
    found: list[Condition] = []
    for name, scope in _scopes(view):
        known = Known(closed, reference, rows, config.name, name, history)
        tally = kept.tallies.get(name, Tally())
        found += [
            *_missing(known, config), *_silent(known, scope, config), *_overdue(known),
            *_predicted(known, scope, tally), *_one_class(known, tally),
        ]  # fmt: skip
    return [one for one in found if one.key.metric not in config.unpaged]


def count(view: View, tallies: Mapping[str, Tally]) -> dict[str, Tally]:
    """The tallies after a window: to be called before `conditions`, so that a window of one class counts itself."""
    kept = dict(tallies)
    for name, scope in (("", view), *view.workers.items()):
        if _is_reborn(view, name) and name in kept:  # its model may be cold again
            kept[name] = msgspec.structs.replace(kept[name], has_trained=False)
        labels, positives = scope.total("label", "labels"), scope.total("label", "positives")
        if labels > 0.0 and view.config.labels.scale != "number":
            kept[name] = _counted(kept.get(name, Tally()), labels, positives)
    return kept


def learn(view: View, tallies: Mapping[str, Tally]) -> dict[str, Tally]:
    """The tallies once the window has been judged: who trained in it, and who predicted probabilities."""
    kept = dict(tallies)
    for name, scope in (("", view), *view.workers.items()):
        old = tallies.get(name, Tally())
        kept[name] = msgspec.structs.replace(
            old, has_trained=old.has_trained or (scope.total("train", "steps") > 0.0 and not _is_reborn(view, name)),
            has_probabilities=old.has_probabilities or _has_probabilities(scope),
        )  # fmt: skip
    return kept


def _is_reborn(view: View, worker: str) -> bool:
    """Whether a worker began anew within the window."""
    presence = view.presences.get(worker)
    return presence is not None and presence.restarts > 0


def _has_probabilities(view: View) -> bool:
    moments = view.sketches(Moments, "sample", "prediction").get("")
    return moments is not None and moments.count >= LEAST_PREDICTIONS and 0.0 <= moments.low <= moments.high <= 1.0


def _scopes(view: View) -> list[tuple[str, View]]:
    """The job as a whole and its workers; one that is alone speaks for itself."""
    whole = [("", view)] if len(view.workers) != 1 else []
    return [*whole, *view.workers.items()]


def _counted(old: Tally, labels: float, positives: float) -> Tally:
    faded = 0.5 if old.labels > FORGET else 1.0
    return Tally(
        faded * old.labels + labels, faded * old.positives + positives,
        0.0 if positives > 0.0 else old.since_positive + labels,
        0.0 if positives < labels else old.since_negative + labels, old.has_trained, old.has_probabilities,
    )  # fmt: skip


def _missing(known: Known, config: JobConfig) -> Iterator[Condition]:
    for feature in config.features:
        key = known.key("sample", "missing_rate", f"feature:{feature.name}")
        if feature.optional or key not in known.rows:
            continue
        value, rows, _ = known.of(key)
        text = f"null or absent in all of {rows:,.0f} rows"
        yield Condition(key, _all_of(value), value, text)


def _silent(known: Known, view: View, config: JobConfig) -> Iterator[Condition]:
    key = known.key("sample", "volume")
    if key not in known.rows:
        return
    rows, usual = view.total("sample", "rows"), known.of(key)[2]
    is_known = math.isfinite(usual) and (view.length < SHORT or known.history >= NIGHTS)
    expected = usual * view.length if is_known else 0.0
    asked = [known.worker] if known.worker else list(view.presences)
    live = [name for name in asked if name in view.presences and view.presences[name].state == "live"]
    holds: bool | None = None if rows < TRICKLE * expected else False
    if rows == 0.0:
        least = max(LEAST_EXPECTED, (config.detection.threshold / 2.0) ** 2)  # none of n is 2 sqrt(n) sigmas
        holds = True if live and expected >= least else None
    who = f"{known.worker or len(live)} live{'s' if known.worker else ''}" if len(live) != 1 else f"{live[0]} lives"
    text = f"no rows in {view.length:g} s while {who}; about {expected:,.0f} are usual"
    yield Condition(key, holds, rows / view.length, text, bound=usual)


def _overdue(known: Known) -> Iterator[Condition]:
    key = known.key("sample", "label_overdue")
    if key in known.rows:
        value, rows, _ = known.of(key)
        text = f"all {rows:,.0f} labels that were due are overdue"
        yield Condition(key, _all_of(value), value, text)


def _predicted(known: Known, view: View, tally: Tally) -> Iterator[Condition]:
    moments = view.sketches(Moments, "sample", "prediction").get("")
    buckets = view.sketches(Buckets, "sample", "prediction").get("")
    if moments is None or buckets is None or moments.count < LEAST_PREDICTIONS:
        return
    key, outside = known.key("train", "prediction_mean"), moments.count - buckets.rows
    if tally.has_probabilities and outside > OUTSIDE * moments.count:
        text = f"{outside:,} of {moments.count:,} predictions lie outside 0..1"
        yield Condition(key, True, moments.mean(), text)
        return
    text = f"all {moments.count:,} predictions are {moments.low:g}"
    yield Condition(key, tally.has_trained and moments.low == moments.high, moments.mean(), text)


def _one_class(known: Known, tally: Tally) -> Iterator[Condition]:
    if tally.labels == 0.0 or not tally.has_probabilities:  # a label of another kind has no classes
        return
    key = known.key("sample", "label_rate")
    for run, other, word in (
        (tally.since_positive, tally.positives, "negative"),
        (tally.since_negative, tally.labels - tally.positives, "positive"),
    ):
        missed = run * other / max(tally.labels - run, 1.0)  # as many as its share of the labels before
        if missed >= LEAST_MISSED if other else run >= LEAST_UNSEEN:
            text = f"the last {run:,.0f} labels are all {word}"
            yield Condition(key, True, float(word == "positive"), text)
            return
    yield Condition(key, False, tally.positives / tally.labels, "")


def _all_of(share: float) -> bool | None:
    """Whether a share is all; None between that and its end, and where it is unknown."""
    return True if share == 1.0 else False if share < OVER else None

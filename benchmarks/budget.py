"""A page budget kept over 60 days of 200 drifting series, beside the plain quantile of each series at equal budget.

Scores of five minutes: 20 metrics at 10 workers, each metric with Student's t of 3 to 50 degrees of freedom, a third of
them noisier by 60 % from day 30 on; six incidents a series, of 3 to 10 standard deviations and half an hour to two
hours. On-call labels 60 % of the pages, a day later, one in ten of them wrongly; a series pages once in two hours.

Ours is what the stream is made of: `anomaly.tails` says how rare a score is by the series' past (of unusual windows in
a row the first, but for what on-call calls a true alarm), `anomaly.thresholds` moves each series' multiplier together
with its metric's, `anomaly.budget` how rare a page must be. The rival is each series' quantile of its last 14 days,
recomputed daily; its share is searched for the pages that ours sent, in hindsight, which nobody could. All is counted
from day 15 on.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np

from benchmarks import rows
from streamgauge.anomaly import thresholds
from streamgauge.anomaly.budget import Budget
from streamgauge.anomaly.reference import Bools, Floats, Rows
from streamgauge.anomaly.tails import Tail
from streamgauge.anomaly.thresholds import Lesson
from streamgauge.anomaly.types import SeriesKey

METRICS, WORKERS = 20, 10
SERIES: Final = METRICS * WORKERS
DAYS: Final = 60
PER_DAY: Final = 288
SETTLED: Final = 15  # day from which on all is counted
QUIET: Final = 24  # windows after a page in which a series sends none
INCIDENTS: Final = 6
LABELLED, WRONG = 0.6, 0.1
PEOPLE: Final = 4  # on call, a day each
PAGES: Final = 20.0  # the budget: pages a day
SEEDS: Final = (11, 12, 13)
SHARES: Final = np.geomspace(1e-6, 1e-2, 81)  # of the rival's windows that page
MEMORY: Final = 7 * PER_DAY
FAR: Final = 4.0  # standard deviations


class Life(NamedTuple):
    """Scores and incidents; each [windows, series]."""

    scores: Floats
    incident: Rows  # number of the incident over all series, -1 for none


class Outcome(NamedTuple):
    """What the pages of a policy were."""

    daily: float
    precision: float
    recall: float


def run(args: argparse.Namespace) -> Iterable[rows.Row]:
    """Pages a day, and what feedback adds at equal budget; the mean of three seeds."""
    found = [_compared(life(seed)) for seed in (SEEDS[:1] if args.quick else SEEDS)]
    ours, mute, plain = (Outcome(*np.mean([one[side] for one in found], axis=0)) for side in range(3))
    yield rows.waited("budget: pages a day off it", abs(ours.daily / PAGES - 1.0), "share", 0.25)
    yield rows.reading("budget: pages a day", ours.daily, "pages")
    for name, one in (("ours", ours), ("ours without labels", mute), ("the plain quantile", plain)):
        yield rows.reading(f"budget: recall of {name}", one.recall, f"share, of {one.daily:.1f} pages a day")
        yield rows.reading(f"budget: precision of {name}", one.precision, "share")
    yield rows.reached("budget: recall gained", ours.recall - plain.recall, "share", 0.08)
    yield rows.reached("budget: precision gained", ours.precision - plain.precision, "share", 0.07)


def life(seed: int) -> Life:
    """200 series; the same seed gives the same."""
    generator, count = np.random.default_rng(seed), DAYS * PER_DAY
    freedom = np.repeat(np.exp(generator.uniform(np.log(3.0), np.log(50.0), METRICS)), WORKERS)
    scores = generator.standard_t(freedom, (count, SERIES))
    scores[DAYS // 2 * PER_DAY :, np.repeat(generator.random(METRICS) < 0.3, WORKERS)] *= 1.6
    incident = np.full((count, SERIES), -1)
    for number in range(SERIES * INCIDENTS):
        column, start = number // INCIDENTS, int(generator.integers(PER_DAY, count - PER_DAY))
        end = start + int(generator.integers(6, 25))
        scores[start:end, column] += generator.uniform(3.0, 10.0) * generator.choice([-1.0, 1.0])
        incident[start:end, column] = number
    return Life(np.abs(scores), incident)


def _compared(one: Life) -> tuple[Outcome, Outcome, Outcome]:
    ours, mute = _outcome(one, _ours(one, LABELLED)), _outcome(one, _ours(one, 0.0))
    quantiles = _quantiles(one)
    low, high = 0, len(SHARES) - 1
    while low < high:  # pages rise with the share: the first that sends as many as ours, or more
        middle = (low + high) // 2
        enough = _outcome(one, _plain(one, quantiles[:, middle])).daily >= ours.daily
        low, high = (low, middle) if enough else (middle + 1, high)
    return ours, mute, _outcome(one, _plain(one, quantiles[:, low]))


def _outcome(one: Life, pages: Bools) -> Outcome:
    paged, incident = pages[SETTLED * PER_DAY :], one.incident[SETTLED * PER_DAY :]
    met = incident[paged]
    all_of_them = np.unique(incident[incident >= 0])
    return Outcome(
        len(met) / (DAYS - SETTLED), float(np.mean(met >= 0)), len(np.unique(met[met >= 0])) / len(all_of_them)
    )


def _quantiles(one: Life) -> Floats:
    """Of the 14 days before each day, shape [days, shares, series]; infinite on the first."""
    found = np.full((DAYS, len(SHARES), SERIES), np.inf)
    for day in range(1, DAYS):
        found[day] = np.quantile(one.scores[max(0, day - 14) * PER_DAY : day * PER_DAY], 1.0 - SHARES, axis=0)
    return found


def _plain(one: Life, threshold: Floats) -> Bools:
    pages, paged = np.zeros(one.scores.shape, bool), np.full(SERIES, -QUIET - 1)
    for day in range(1, DAYS):
        hot = one.scores[day * PER_DAY : (day + 1) * PER_DAY] > threshold[day]
        for row in np.flatnonzero(hot.any(axis=1)).tolist():
            now = day * PER_DAY + row
            told = hot[row] & (now - paged > QUIET)
            pages[now], paged = told, np.where(told, now, paged)
    return pages


def _ours(one: Life, labelled: float) -> Bools:
    pages, crew, budget = np.zeros(one.scores.shape, bool), _Crew(one, labelled), Budget()
    tail, paged, factor = Tail(SERIES, MEMORY), np.full(SERIES, -QUIET - 1), np.ones(SERIES)
    far = np.zeros(SERIES, bool)
    usual = float(np.log10(SERIES * PER_DAY / PAGES))  # the rarity that the budget implies, were every window its own
    for now, score in enumerate(one.scores):
        hot = tail.surprise(score / factor) > usual + budget.rarer if now >= PER_DAY else np.zeros(SERIES, bool)
        told = hot & (now - paged > QUIET)
        again, far = far & (score > FAR), score > FAR
        tail.learn(score, ~again)  # of unusual windows in a row only the first counts
        pages[now], paged = told, np.where(told, now, paged)
        if (now + 1) % PER_DAY == 0 and now > PER_DAY:
            yesterday, today = pages[now + 1 - 2 * PER_DAY :][:PER_DAY], pages[now + 1 - PER_DAY : now + 1]
            factor = crew.label(yesterday, now // PER_DAY, tail)
            budget = budget.after(float(np.count_nonzero(today)), PAGES)
    return pages


class _Crew:
    """On-call, by turns: labels the pages of the day before."""

    def __init__(self, one: Life, labelled: float) -> None:
        self._life, self._labelled, self._generator = one, labelled, np.random.default_rng(1)
        self._keys = [
            SeriesKey("budget", str(column % WORKERS), "sample", "", str(column // WORKERS)) for column in range(SERIES)
        ]
        self._lessons: dict[SeriesKey, Lesson] = {}

    def label(self, pages: Bools, day: int, tail: Tail) -> Floats:
        """The multipliers after the labels of the day before; what was called true is no part of the past."""
        now, begin, self._author = (day + 1) * thresholds.DAY, (day - 1) * PER_DAY, f"person {day % PEOPLE}"
        for row, column in np.argwhere(pages).tolist():
            if self._generator.random() >= self._labelled:
                continue
            is_true = (self._life.incident[begin + row, column] >= 0) ^ (self._generator.random() < WRONG)
            self._learn(self._keys[column], str(begin + row), "true_alarm" if is_true else "false_alarm", now)
            if is_true:
                tail.revise(column, self._counted(begin + row, column), -1)
        self._lessons = thresholds.move_all(self._lessons, now)
        factors = thresholds.in_force(self._lessons)
        return np.array([thresholds.factor_of(factors, key) for key in self._keys])

    def _learn(self, key: SeriesKey, incident: str, verdict: thresholds.Verdict, now: float) -> None:
        pool = thresholds.pool_of(key)
        own, like, by = self._lessons.get(key, Lesson()), self._lessons.get(pool, Lesson()), self._author
        self._lessons[key] = thresholds.learn(own, incident, verdict, now, by)
        self._lessons[pool] = thresholds.pooled(like, key, incident, verdict, now, by)

    def _counted(self, row: int, column: int) -> float:
        """The score of the run around a window that its series' past has counted."""
        while row > 0 and self._life.scores[row - 1, column] > FAR:
            row -= 1
        return float(self._life.scores[row, column])

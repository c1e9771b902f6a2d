"""The job: impressions are predicted when they are shown, and trained on when it is known whether they were clicked.

A logistic regression over a city, a device and an age, by AdaGrad (Duchi et al. 2011), on numpy alone. The stream is
drawn, so the job runs anywhere for ever; what it learns is real.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.tracer import Feature, Tracer

CITIES: Final = 50
DEVICES: Final = ("phone", "tablet", "desktop")
TIMEOUT: Final = 20.0  # seconds after which an impression counts as not clicked
DELAY: Final = 4.0  # mean seconds to a click
FEATURES: Final = (
    Feature(name="city", kind="id"), Feature(name="device", kind="categorical"), Feature(name="age", kind="numeric"),
)  # fmt: skip
_SIZE: Final = CITIES + len(DEVICES) + 2  # weights: one a city, one a device, age, bias
_RATE: Final = 0.05
_USUAL: Final = -2.2  # the logit of the usual click rate: where the bias begins
Floats = NDArray[np.float64]


class Impressions(NamedTuple):
    """Rows of one draw; every array has shape [n]."""

    ids: NDArray[np.int64]
    city: NDArray[np.int64]
    device: NDArray[np.int64]
    age: Floats  # years, NaN where it is missing
    clicked: NDArray[np.bool_]
    known: Floats  # when that is known, seconds since the epoch


_NONE: Final = Impressions(
    np.zeros(0, int), np.zeros(0, int), np.zeros(0, int), np.zeros(0), np.zeros(0, bool), np.zeros(0)
)


class Job:
    """One worker. Time is given: `turn` lives through what has passed since the last one.

    Args:
        tracer: tells what this worker sees and learns.
        seed: of its stream.
        rate: impressions a second.
        fault: every so many seconds, for so many, the age is missing; None: never.
    """

    def __init__(
        self, tracer: Tracer, seed: int, rate: float = 200.0, fault: tuple[float, float] | None = None
    ) -> None:
        self._tracer, self._rate, self._fault = tracer, rate, fault
        self._random = np.random.default_rng(seed)
        self._weights, self._squares = np.zeros(_SIZE), np.full(_SIZE, 1e-6)
        self._truth = np.random.default_rng(7).normal(0.0, 0.7, _SIZE)  # the same world for every worker
        self._truth[-1] = self._weights[-1] = _USUAL
        self._waiting: list[Impressions] = []
        self._next, self._now = seed << 40, math.nan
        self.loss = math.nan  # mean of the last step

    def turn(self, now: float) -> None:
        """Show, predict, learn: everything between the last turn and `now`."""
        passed = 0.0 if math.isnan(self._now) else now - self._now
        self._now = now
        shown = self._draw(self._random.poisson(self._rate * min(passed, 5.0)), now)
        if len(shown.ids):
            self._tracer.observe(
                {"city": shown.city, "device": np.array(DEVICES)[shown.device], "age": shown.age}, ids=shown.ids,
                time=now, due=now + TIMEOUT, predictions=_predict(self._weights, shown),
            )  # fmt: skip
            self._waiting.append(shown)
        known = self._known(now)
        if len(known.ids):
            self._learn(known)
        else:
            self._tracer.idle()

    def _draw(self, n: int, now: float) -> Impressions:
        draw = self._random
        age = draw.normal(38.0, 12.0, n).clip(14.0, 90.0)
        rows = Impressions(
            np.arange(self._next, self._next + n), draw.zipf(1.4, n) % CITIES, draw.integers(0, len(DEVICES), n), age,
            np.zeros(n, bool), np.zeros(n),
        )  # fmt: skip
        self._next += n
        clicked = draw.random(n) < _predict(self._truth, rows)
        known = np.where(clicked, now + draw.exponential(DELAY, n).clip(0.0, TIMEOUT), now + TIMEOUT)
        if self._fault is not None and now % self._fault[0] < self._fault[1]:
            age = np.full(n, np.nan)
        return rows._replace(age=age, clicked=clicked, known=known)

    def _known(self, now: float) -> Impressions:
        """Take out of the waiting ones what is known by now."""
        columns = zip(_NONE, *self._waiting, strict=True)
        joined = Impressions._make(np.concatenate(parts) for parts in columns)
        due = joined.known <= now
        rest = Impressions._make(column[~due] for column in joined)
        self._waiting = [rest] if len(rest.ids) else []
        return Impressions._make(column[due] for column in joined)

    def _learn(self, rows: Impressions) -> None:
        predicted, clicked = _predict(self._weights, rows), rows.clicked.astype(float)
        safe = predicted.clip(1e-7, 1.0 - 1e-7)
        self.loss = float(-np.mean(clicked * np.log(safe) + (1.0 - clicked) * np.log1p(-safe)))
        error = (predicted - clicked) / len(clicked)
        gradient = np.zeros(_SIZE)
        for index, value in _active(rows):
            np.add.at(gradient, index, error * value)
        self._squares += gradient**2
        self._weights -= _RATE * gradient / np.sqrt(self._squares)
        self._tracer.label(rows.ids, clicked)
        self._tracer.step(loss=self.loss, ids=rows.ids)


def _active(rows: Impressions) -> tuple[tuple[NDArray[np.int64], Floats], ...]:
    """(weight, value) of each row's inputs."""
    n = len(rows.ids)
    ones, age = np.ones(n), np.nan_to_num((rows.age - 38.0) / 12.0)
    return (
        (rows.city, ones), (CITIES + rows.device, ones), (np.full(n, _SIZE - 2), age), (np.full(n, _SIZE - 1), ones),
    )  # fmt: skip


def _predict(weights: Floats, rows: Impressions) -> Floats:
    logits: Floats = np.sum([weights[index] * value for index, value in _active(rows)], axis=0)
    probabilities: Floats = 1.0 / (1.0 + np.exp(-logits))
    return probabilities

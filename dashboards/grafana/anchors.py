"""From the score rules to what a panel plots and where its thresholds lie: no number of a rule is repeated here.

A rule judges `form(value, reference, error, floor)`, linear from `good` to `bad`. Where that is one quantity over the
stored fields, `plotted` gives the quantity and the values at which the loss begins and is whole; noise, which
a form takes off first, is not drawn, so a threshold is never later than the loss. Forms that no such quantity has
(a drift against the larger of three scales, information lost) are plotted as their value, without thresholds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from streamgauge.pipelines.adapters.stores.answers import BANDS
from streamgauge.pipelines.metrics import Rule
from streamgauge.pipelines.scoring import losses

Quantity = Literal["value", "difference", "quotient", "to floor", "over floor"]
GREEN, YELLOW, ORANGE, RED = "green", "yellow", "orange", "red"


class Step(NamedTuple):
    """A colour from a value on; None: from minus infinity."""

    at: float | None
    colour: str


class Plotted(NamedTuple):
    """What a panel draws of a metric: value, value - reference, value / reference, value / floor, value - floor."""

    quantity: Quantity
    steps: tuple[Step, ...] = ()


def plotted(rule: Rule | None) -> Plotted:
    """The quantity that a rule judges, with its thresholds.

    >>> from streamgauge.pipelines.registry import RULES
    >>> plotted(RULES["memory"]).steps
    (Step(at=None, colour='green'), Step(at=0.85, colour='yellow'), Step(at=0.98, colour='red'))
    """
    if rule is None or rule.form not in _QUANTITIES:
        return Plotted("value")
    quantity, scale, sides = _QUANTITIES[rule.form]
    good, bad = rule.good, rule.bad
    if sides == "high":
        return Plotted(quantity, _rising(_SCALES[scale](good), _SCALES[scale](bad)))
    if sides == "low":
        return Plotted(quantity, _falling(_SCALES[scale](-good), _SCALES[scale](-bad)))
    low = _falling(_SCALES[scale](-good), _SCALES[scale](-bad))
    return Plotted(quantity, (*low, *_rising(_SCALES[scale](good), _SCALES[scale](bad))[1:]))


def scores() -> tuple[Step, ...]:
    """The colours of a score by the bands that the page and the API use."""
    least = {word: micropoints / 1e6 for micropoints, word in BANDS}
    return (
        Step(None, RED), Step(least["degraded"], ORANGE), Step(least["watch"], YELLOW), Step(least["healthy"], GREEN),
    )  # fmt: skip


def _rising(good: float, bad: float) -> tuple[Step, ...]:
    """Grafana colours from a threshold on, so a `good` of nothing at all begins a hundredth of the way later."""
    return Step(None, GREEN), Step(good or bad / 100.0, YELLOW), Step(bad, RED)


def _falling(good: float, bad: float) -> tuple[Step, ...]:
    return Step(None, RED), Step(bad, YELLOW), Step(good, GREEN)


def _linear(x: float) -> float:
    return x


def _from_one(x: float) -> float:
    return 1.0 + x


def _power(x: float) -> float:
    return float(10.0**x)


_SCALES: Final[dict[str, Callable[[float], float]]] = {
    "linear": _linear, "one": _from_one, "log": math.exp, "log10": _power,
}  # fmt: skip
_QUANTITIES: Final[dict[object, tuple[Quantity, str, Literal["high", "low", "both"]]]] = {
    losses.value: ("value", "linear", "high"),
    losses.value_over_noise: ("value", "linear", "high"),
    losses.absolute: ("value", "linear", "both"),
    losses.absolute_over_noise: ("value", "linear", "both"),
    losses.shortfall: ("value", "one", "low"),
    losses.log_off_right: ("value", "log", "both"),
    losses.above_reference: ("difference", "linear", "high"),
    losses.entropy_above_reference: ("difference", "linear", "high"),
    losses.below_reference_and_bound: ("difference", "linear", "low"),
    losses.below_reference: ("difference", "linear", "low"),
    losses.off_reference: ("difference", "linear", "both"),
    losses.log_above_reference: ("quotient", "log", "high"),
    losses.log_off_reference: ("quotient", "log", "both"),
    losses.log_distance: ("quotient", "log", "both"),
    losses.count_off_reference: ("quotient", "log", "both"),
    losses.count_below_reference: ("quotient", "log", "low"),
    losses.magnitudes: ("quotient", "log10", "both"),
    losses.ratio_to_floor: ("to floor", "linear", "high"),
    losses.over_usual: ("over floor", "linear", "high"),
    losses.over_floor: ("over floor", "linear", "high"),
}

"""The thresholds of the panels against the score itself: at yellow the loss begins, at red it is whole."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from streamgauge.dashboards.grafana.anchors import Quantity, Step, plotted, scores
from streamgauge.pipelines.adapters.stores.answers import band
from streamgauge.pipelines.metrics import Rule
from streamgauge.pipelines.registry import RULES
from streamgauge.pipelines.scoring import losses
from streamgauge.pipelines.scoring.ruled import lost

REFERENCE, FLOOR = 0.5, 0.04
MANY = 1e18  # rows: noise that falls with them is gone
WITHOUT = {losses.drift_ratio, losses.information_lost}
COUNTS = {losses.count_off_reference, losses.count_below_reference}
drawn = {name: rule for name, rule in RULES.items() if plotted(rule).steps}


def loss(rule: Rule, plotted_value: float) -> float:
    """The loss of the value that is drawn at this height."""
    heights: dict[Quantity, float] = {
        "value": plotted_value, "difference": plotted_value + REFERENCE, "quotient": plotted_value * REFERENCE,
        "to floor": plotted_value * FLOOR, "over floor": plotted_value + FLOOR,
    }  # fmt: skip
    value = heights[plotted(rule).quantity]
    reference, rows, error = (1.0, MANY, 0.0) if rule.form is losses.shortfall else (REFERENCE, MANY, 0.0)
    if rule.form in COUNTS:  # a rate's error says how many seconds its rows came in
        rows, error = value * MANY, np.sqrt(value * MANY) / MANY
    # slots with days, buckets that leave nothing open, labels that come at once, no calibration error that is usual
    floors = {losses.below_reference_and_bound: 0.0, losses.log_off_right: 1.0, **dict.fromkeys(COUNTS, 0.0)}
    floor = floors.get(rule.form, FLOOR)
    reference = np.nan if rule.form is losses.over_usual else reference
    return float(lost(rule, *(np.array([one]) for one in (value, reference, error, floor, rows)))[0])


def test_every_rule_is_drawn_but_those_without_one_quantity() -> None:
    assert {rule.form for rule in RULES.values()} - {rule.form for rule in drawn.values()} == WITHOUT


@pytest.mark.parametrize("name", drawn)
def test_loss_is_nothing_in_green_whole_in_red_and_partial_in_yellow(name: str) -> None:
    rule = drawn[name]
    steps = plotted(rule).steps
    for step, after in pairwise(steps):
        at = after.at
        assert at is not None
        here = loss(rule, at)
        if "red" in (step.colour, after.colour):
            assert here == pytest.approx(1.0, abs=1e-6)
        else:
            assert here == pytest.approx(0.0, abs=0.0100001)  # a hundredth where the rule's good is nothing at all
        middles = [] if step.at is None else [loss(rule, 0.5 * (step.at + at))]
        assert all({"green": one == 0.0, "yellow": 0.0 < one < 1.0}[step.colour] for one in middles)


@pytest.mark.parametrize("name", drawn)
def test_beyond_red_the_loss_stays_whole(name: str) -> None:
    steps = plotted(drawn[name]).steps
    last = steps[-1].at
    assert last is not None
    if steps[-1].colour == "red":
        assert loss(drawn[name], 2.0 * last + 1.0) == 1.0


def test_a_score_has_the_colour_of_its_band() -> None:
    colours = {"healthy": "green", "watch": "yellow", "degraded": "orange", "broken": "red"}
    for score in range(101):
        shown = [step for step in scores() if step.at is None or score >= step.at][-1]
        assert shown.colour == colours[band(score * 1_000_000)]


def test_a_metric_without_a_rule_has_no_thresholds() -> None:
    assert plotted(None).steps == ()
    assert plotted(RULES["psi"]) == ("value", ())
    assert Step(None, "green") in plotted(RULES["memory"]).steps

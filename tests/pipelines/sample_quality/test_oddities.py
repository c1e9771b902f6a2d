"""Claims about odd values in closed windows: named, learnt once and only when normal, the same after a restore."""

from __future__ import annotations

import functools
from typing import Any

import msgspec
import numpy as np
import pytest

from streamgauge.anomaly.categorical import autoencoder
from streamgauge.anomaly.types import Anomaly
from streamgauge.pipelines.config.schema import DAY, HOUR, Detection
from streamgauge.pipelines.metrics import Report
from streamgauge.pipelines.sample_quality import oddities
from streamgauge.pipelines.stream import telling_values
from streamgauge.pipelines.stream.evaluate import Evaluated, Evaluator
from streamgauge.tracer.summaries import hash_values, profile_categorical
from tests.pipelines.reports import LONG, config, learn, partial, report, values_of

SKETCH, NETWORK = Detection(), Detection(categorical="network")


def day(number: float, hot: float = 0.0, value: str = "new", rows: int = 1500) -> Report:
    """A long window: two features; `hot` of the first one's rows have `value`."""
    generator = np.random.default_rng(int(8 * number))
    shares = 1.0 / np.arange(1, 31)
    summaries = []
    for name, share in (("feature:dest", hot), ("feature:carrier", 0.0)):
        drawn = generator.choice(np.arange(30), rows, p=shares / shares.sum()).astype("U6")
        drawn = np.where(generator.random(rows) < share, value, drawn)
        summaries += [(one, "sample", "profile", name) for one in profile_categorical(drawn)]
    return report(partial("a", summaries=summaries), window=LONG, start=number * DAY, end=(number + 1) * DAY)


def taught(days: int = 12, detection: Detection = SKETCH) -> Evaluator:
    evaluator = Evaluator(config(detection=detection))
    evaluator.restore(_lived(days, detection))
    return evaluator


@functools.cache
def _lived(days: int, detection: Detection) -> bytes:
    evaluator = Evaluator(config(detection=detection))
    for number in range(days):
        learn(evaluator, evaluator.evaluate(day(number)))
    return evaluator.snapshot()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autoencoder, "STEPS", 1)


def surprise(evaluated: Evaluated, entity: str = "feature:dest") -> float:
    return values_of(evaluated).get(("", entity, oddities.NAME), float("nan"))


def named(evaluated: Evaluated) -> int:
    assert evaluated.view is not None
    return oddities.oddities(evaluated.view)["feature:dest"].value


@pytest.mark.parametrize(("value", "wanted"), [("new", 0), ("7", int(hash_values(np.array(["7"]))[0]))])
def test_the_value_that_made_a_window_odd_is_named(value: str, wanted: int) -> None:
    evaluator = taught()
    usual, odd = evaluator.evaluate(day(12)), evaluator.evaluate(day(12, hot=0.1, value=value))
    assert surprise(usual) < 2.0
    assert surprise(odd) > 8.0
    assert surprise(odd, "feature:carrier") < 2.0
    assert named(odd) == wanted


def test_what_is_told_names_the_value_while_it_lasts() -> None:
    view = taught().evaluate(day(12, hot=0.1, value="7")).view
    begun = Anomaly(
        kind="anomaly", job="ctr", worker="", domain="sample", entity="feature:dest", metric=oddities.NAME,
        severity="page", start=0.0, time=1.0, text="odd",
    )  # fmt: skip
    over, other = (msgspec.structs.replace(begun, **change) for change in ({"end": 2.0}, {"metric": "psi"}))
    told = telling_values.told([begun, over, other], view)
    assert oddities.named(told[0].text) == int(hash_values(np.array(["7"]))[0])
    assert told[1:] == [over, other]


def test_it_is_unknown_until_a_week_was_seen_and_never_of_a_worker() -> None:
    assert np.isnan(surprise(taught(5).evaluate(day(5))))
    assert {key[0] for key in values_of(taught().evaluate(day(12))) if key[2] == oddities.NAME} == {""}


def test_windows_of_another_length_are_not_judged_by_what_days_do() -> None:
    week = day(12)
    longer = report(*week.partials, window=LONG, start=12 * DAY, end=19 * DAY)
    assert np.isnan(surprise(taught().evaluate(longer)))


def test_windows_that_overlap_teach_once_and_odd_ones_nothing() -> None:
    evaluator, other = taught(), taught()
    for number in (11.125, 11.5):
        evaluator._knowledge.learn(LONG, _view(evaluator, day(number)), {}, lambda worker, entity: True)
    evaluator._knowledge.learn(LONG, _view(evaluator, day(12, hot=0.3)), {}, lambda worker, entity: False)
    assert _seen(evaluator) == _seen(other)
    evaluator._knowledge.learn(LONG, _view(evaluator, day(12)), {}, lambda worker, entity: True)
    assert _seen(evaluator) != _seen(other)


@pytest.mark.parametrize("detection", [SKETCH, NETWORK], ids=["sketch", "network"])
def test_a_restored_evaluator_finds_the_same(detection: Detection) -> None:
    days = 10 if detection == SKETCH else 30
    whole = taught(days, detection)
    learn(whole, whole.evaluate(day(days)))
    part = Evaluator(config(detection=detection))
    part.restore(whole.snapshot())
    for one in (whole, part):
        learn(one, one.evaluate(day(days + 1)))
    odd = [one.evaluate(day(days + 2, hot=0.15)) for one in (whole, part)]
    assert surprise(odd[0]) == surprise(odd[1]) > 8.0
    assert whole.snapshot() == part.snapshot()


def test_a_feature_that_is_new_begins_the_network_anew() -> None:
    seen = taught(30, NETWORK)._knowledge.memory("", oddities.NETWORK, "")
    found = {"feature:a": _heavy(), "feature:dest": _heavy()}
    seen.pass_by(31 * DAY, found, is_normal=True)
    assert seen.judge(found, DAY) == {}


def test_a_day_with_a_clock_change_is_a_day() -> None:
    part = day(12).partials
    shorter = report(*part, window=LONG, start=12 * DAY, end=12 * DAY + 23 * HOUR)
    assert surprise(taught().evaluate(shorter)) < 3.0


def _heavy() -> Any:
    return next(one for one in profile_categorical(np.array(["a", "b"])) if one.KIND == "heavy")


def _view(evaluator: Evaluator, one: Report) -> Any:
    return evaluator.evaluate(one).view


def _seen(evaluator: Evaluator) -> Any:
    return evaluator._knowledge.memory("", oddities.SKETCH, "feature:dest").state()

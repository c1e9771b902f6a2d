import numpy as np
import pytest

from streamgauge.pipelines.stream.evaluate import Evaluator
from tests.pipelines.reports import SHORT, evaluate, learn, partial, report, totals, values_of
from tests.pipelines.reports import config as job

NAN = float("nan")


def losses(worker, *steps):
    return partial(worker, {("train", "loss", ""): list(steps)})


def test_loss_is_weighted_by_rows_and_its_maximum_is_a_step():
    found = evaluate(losses("a", (0.5, 8.0), (0.9, 2.0)), losses("b", (2.0, 10.0)))
    assert found["a", "", "loss"] == pytest.approx((0.5 * 8 + 0.9 * 2) / 10)
    assert found["", "", "loss"] == pytest.approx((0.5 * 8 + 0.9 * 2 + 20) / 20)
    assert found["", "", "loss_max"] == 2.0


def test_the_error_of_a_mean_comes_from_the_range_of_its_steps():
    part = losses("a", *[(1.0, 1.0)] * 4, (2.0, 1.0))
    evaluated = Evaluator(job()).evaluate(report(part, window=SHORT))
    assert values_of(evaluated, "error")["a", "", "loss"] == pytest.approx(1.0 / 2.326 / 5**0.5)


def test_a_worker_whose_loss_is_not_finite_goes_missing_and_never_enters_a_mean():
    found = evaluate(losses("a", (NAN, 8.0), (NAN, 8.0)), losses("b", (0.5, 8.0)))
    assert np.isnan(found["a", "", "loss"])
    assert found["", "", "loss"] == 0.5


def test_nonfinite_values_are_counted_by_place():
    part = partial("a", {
        ("train", "nonfinite", "tensor:dense/kernel"): [(3.0, 1.0), (2.0, 1.0)],
        **totals("train", steps=2),
    })
    found = evaluate(part)
    assert found["a", "tensor:dense/kernel", "nonfinite"] == 5.0
    assert found["a", "loss", "nonfinite"] == 0.0


def test_nonfinite_is_zero_while_training_is_sound_and_after_it_recovered():
    evaluator = Evaluator(job())
    ill = partial("a", {("train", "nonfinite", "tensor:x"): [(3.0, 1.0)], **totals("train", steps=1)})
    learn(evaluator, evaluator.evaluate(report(ill)))
    found = values_of(evaluator.evaluate(report(partial("a", totals("train", steps=1)), start=10800.0)))
    assert [found["a", "loss", "nonfinite"], found["a", "tensor:x", "nonfinite"]] == [0.0, 0.0]


def test_scalars_of_the_jobs_own_are_shown_as_they_are():
    part = partial("a", {
        ("train", "margin", ""): [(1.0, 1.0), (2.0, 1.0)], ("sample", "margin", "layer:2"): [(5.0, 1.0)],
        ("train", "loss", ""): [(1.0, 8.0)],
    })
    found = evaluate(part)
    assert {key: x for key, x in found.items() if key[2] == "scalar"} == {
        (worker, entity, "scalar"): x
        for worker in ("", "a") for entity, x in (("scalar:margin", 1.5), ("scalar:sample.margin/layer:2", 5.0))
    }


def test_skipped_updates_are_a_share_of_the_steps():
    found = evaluate(
        partial("a", totals("train", steps=40, skipped_updates=10)), partial("b", totals("train", steps=60))
    )
    assert [found[worker, "", "skipped_updates"] for worker in ("a", "b", "")] == [0.25, 0.0, 0.1]

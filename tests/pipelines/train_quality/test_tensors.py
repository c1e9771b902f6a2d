import numpy as np
import pytest

from streamgauge.pipelines.stream.evaluate import Evaluator
from streamgauge.tracer.summaries import Units
from tests.pipelines.reports import LONG, config, evaluate, learn, partial, report, values_of

SLOT = 10800.0


def norms(worker, **tensors):
    return partial(worker, {
        ("train", "gradient_norm", f"tensor:{name}"): [(norm, 1.0)] * 5 for name, norm in tensors.items()
    })


@pytest.mark.parametrize("metric", ["gradient_norm", "weight_norm", "update_ratio"])
def test_norms_are_means_over_steps_of_each_tensor(metric):
    steps = [(1.0, 1.0), (2.0, 1.0), (3.0, 1.0), (4.0, 1.0), (10.0, 1.0)]
    parts = [partial(worker, {("train", metric, f"tensor:{name}"): steps}) for worker, name in (("a", "x"), ("b", "y"))]
    found = evaluate(*parts)
    assert found["a", "tensor:x", metric] == 4.0
    assert found["", "tensor:y", metric] == 4.0
    assert ("a", "tensor:y", metric) not in found


def test_few_steps_are_unknown():
    found = evaluate(partial("a", {("train", "gradient_norm", "tensor:x"): [(1.0, 1.0)] * 4}))
    assert np.isnan(found["a", "tensor:x", "gradient_norm"])


def test_the_largest_step_of_the_job_is_kept_beside_the_mean():
    found = evaluate(norms("a", x=1.0), norms("b", x=9.0))
    assert found["", "tensor:x", "gradient_norm"] == 5.0
    assert found["", "tensor:x", "gradient_norm_max"] == 9.0


def test_one_of_four_tensors_explodes_or_vanishes_against_its_own_median():
    evaluator = Evaluator(config())
    usual = {"w": 0.001, "x": 1.0, "y": 10.0, "z": 0.5}
    for slot in range(5):
        learn(evaluator, evaluator.evaluate(report(norms("a", **usual), start=slot * SLOT)))
    now = {**usual, "w": 0.02, "z": 0.0004}
    found = values_of(evaluator.evaluate(report(norms("a", **now), start=5 * SLOT)))
    assert [found["", "", "exploding"], found["", "", "vanishing"]] == [0.25, 0.25]


def test_in_a_cold_start_only_absurd_norms_explode_or_vanish():
    found = evaluate(norms("a", x=1e4, y=1.0, z=0.0))
    assert [found["", "", "exploding"], found["", "", "vanishing"]] == pytest.approx([1 / 3, 1 / 3])


def test_norms_that_were_not_normal_do_not_become_usual():
    evaluator = Evaluator(config())
    for slot in range(12):
        is_ill = slot >= 4
        evaluated = evaluator.evaluate(report(norms("a", x=100.0 if is_ill else 1.0), start=slot * SLOT))
        learn(evaluator, evaluated, *(["gradient_norm"] if is_ill else []))
    assert values_of(evaluated)["", "", "exploding"] == 1.0


def test_dead_units_add_over_workers_so_a_unit_alive_anywhere_lives():
    first = Units.of(np.tile([1.0, -1.0, -1.0, -1.0], (6000, 1)))
    second = Units.of(np.tile([-1.0, 1.0, -1.0, -1.0], (6000, 1)))
    found = evaluate(
        partial("a", summaries=[(first, "train", "units", "tensor:dense")]),
        partial("b", summaries=[(second, "train", "units", "tensor:dense")]), window=LONG,
    )
    assert found["", "tensor:dense", "dead_units"] == 0.5
    assert np.isnan(found["a", "tensor:dense", "dead_units"])  # 6,000 rows are too few to call a unit dead

"""The breaker of cost: by traced and untraced steps, whatever else makes steps slow."""

from __future__ import annotations

import numpy as np
import pytest

from streamgauge.tracer.selection import Select, Selection
from streamgauge.tracer.share import Share
from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import MemoryLog

EVERY_10 = [Select(collection="weights", every=10)]


def run(selects: list[Select], extra: float, steps: int = 6000, noise: float = 0.2) -> tuple[Share, Selection, int]:
    """Steps of 100 ms with noise and bursts; each traced one takes `extra` of it more. Also the traced steps."""
    share, selection, generator, traced = Share(0.01), Selection(selects), np.random.default_rng(1), 0
    for step in range(1, steps + 1):
        seconds = 0.1 * (1.0 + noise * generator.random() + 5.0 * (generator.random() < 0.01))
        is_due = selection.is_due(step)
        traced += is_due
        share.step(selection, step, seconds + 0.1 * extra * is_due)
        if share.verdict.is_tripped:
            break
    return share, selection, traced


@pytest.mark.parametrize("extra", [0.0, 0.02, 0.05])
def test_what_costs_less_than_its_share_is_left_alone(extra: float) -> None:
    share, selection, traced = run(EVERY_10, extra)
    assert (selection.thin, traced, share.text()) == (1, 600, "")


@pytest.mark.parametrize(("extra", "thin"), [(0.3, 4), (1.0, 16)])
def test_what_costs_more_is_thinned_until_its_share_holds(extra: float, thin: int) -> None:
    share, selection, _ = run(EVERY_10, extra, steps=20_000)
    assert selection.thin in (thin, 2 * thin)
    assert extra / 10 / selection.thin <= 0.01
    assert not share.verdict.is_tripped
    assert f"1 in {selection.thin} of the planned ones" in share.text()


def test_a_plan_that_traces_every_step_is_compared_with_steps_that_are_left_out() -> None:
    _, selection, traced = run([Select(collection="weights", every=1)], 0.005)
    assert selection.control and selection.thin == 1
    assert traced == 6000 - 6000 // selection.control
    _, selection, _ = run([Select(collection="gradients", emit="raw", when="nonfinite")], 0.005)
    assert selection.control


def test_tracing_that_costs_too_much_however_rare_it_is_trips() -> None:
    share, _, _ = run([Select(collection="weights", every=1)], 40.0, steps=200_000)
    assert share.verdict.is_tripped


def test_a_spell_of_slow_traced_steps_is_forgiven() -> None:
    share, selection = Share(0.01), Selection(EVERY_10)
    for step in range(1, 20_000):
        extra = 0.05 if step < 300 and selection.is_due(step) else 0.0
        share.step(selection, step, 0.1 + extra)
        if step == 1000:
            assert selection.thin > 1
    assert selection.thin == 1


def test_a_job_whose_traced_steps_take_too_long_traces_fewer_of_them_and_says_so() -> None:
    log = MemoryLog()
    tracer = Tracer("ctr", "w", log, select=EVERY_10, usage=False)
    traced = 0
    for _ in range(2000):
        traced += tracer.tensors.is_due
        tracer.step(loss=1.0, rows=1, seconds=0.5 if tracer.tensors.is_due else 0.1)
    assert traced < 100
    tracer._worker.life.poll()
    assert tracer.close(5.0)
    assert b"of the planned ones is traced" in log.latest("status")["ctr/w"]


def test_a_share_of_one_allows_everything_and_one_of_nothing_is_refused() -> None:
    share, selection = Share(1.0), Selection([Select(collection="weights", every=1)])
    for step in range(1, 100):
        share.step(selection, step, 1.0)
    assert (selection.thin, selection.control) == (1, 0)
    with pytest.raises(ValueError, match=r"share must be in \(0, 1\], 1 for any cost, got 0"):
        Tracer("ctr", "w", MemoryLog(), share=0.0)

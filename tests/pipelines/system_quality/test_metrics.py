import numpy as np
import pytest

from streamgauge.pipelines.config.schema import HOUR
from streamgauge.pipelines.stream.evaluate import Evaluator
from streamgauge.tracer.summaries import Histogram
from tests.pipelines.reports import WALL, config, evaluate, partial, presence, report, values_of


def wall(*partials, presences=(), **changes):
    return evaluate(*partials, window=WALL, presences=presences, config=config(**changes))


def steps(worker, *seconds):
    return partial(worker, summaries=[(Histogram.of(seconds), "wall", "step_time", "")])


def gauges(worker, **values):
    return partial(worker, {("wall", name, ""): [(v, 1.0) for v in found] for name, found in values.items()})


def test_step_time_of_the_job_is_a_quantile_of_all_steps_not_a_mean_of_quantiles():
    found = wall(steps("a", *[1.0] * 90), steps("b", *[8.0] * 10))
    assert found["", "", "step_time_p50"] == pytest.approx(1.0, rel=0.02)
    assert found["b", "", "step_time_p50"] == pytest.approx(8.0, rel=0.02)
    assert found["", "", "step_time_p95"] == pytest.approx(8.0, rel=0.02)


def test_throughput_is_rows_trained_by_second():
    found = wall(gauges("a", rows_trained=[1800.0, 1800.0]), gauges("b", rows_trained=[360.0]))
    assert found["a", "", "throughput"] == 1.0
    assert found["", "", "throughput"] == pytest.approx(1.1)


def test_keep_up_divides_the_merged_counts_once():
    slow, fast = {"rows_trained": [50.0], "rows_seen": [100.0]}, {"rows_trained": [300.0], "rows_seen": [300.0]}
    found = wall(gauges("a", **slow), gauges("b", **fast))
    assert found["a", "", "keep_up"] == 0.5
    assert found["", "", "keep_up"] == 0.875


def test_keep_up_without_rows_is_unknown():
    found = wall(gauges("a", rows_trained=[5.0], rows_seen=[0.0]))
    assert np.isnan(found["a", "", "keep_up"])


def test_cpu_is_a_mean_and_memory_the_fullest():
    found = wall(gauges("a", cpu=[0.2, 0.4], memory=[0.5, 0.7]), gauges("b", cpu=[0.9], memory=[0.1]))
    assert found["a", "", "cpu"] == pytest.approx(0.3)
    assert found["", "", "cpu"] == pytest.approx(0.5)
    assert found["", "", "memory"] == 0.7


def test_memory_in_bytes_is_shown_as_it_is():
    found = wall(gauges("a", memory_bytes=[100.0, 300.0], memory=[0.5]))
    assert found["a", "scalar:memory_bytes", "system_scalar"] == 200.0
    assert ("a", "scalar:memory", "system_scalar") not in found


def test_straggler_is_compared_with_the_others_so_that_two_workers_suffice():
    found = wall(steps("a", *[1.0] * 20), steps("b", *[2.0] * 20))
    assert found["b", "", "straggler"] == pytest.approx(2.0, rel=0.04)
    assert found["", "", "straggler"] == found["b", "", "straggler"]


def test_a_single_worker_has_no_straggler():
    assert ("a", "", "straggler") not in wall(steps("a", *[1.0] * 20))


def test_heartbeat_age_of_the_job_is_that_of_its_freshest_worker():
    found = wall(presences=[presence("a", seen=HOUR - 5.0), presence("b", seen=HOUR - 500.0)])
    assert found["a", "", "heartbeat_age"] == 5.0
    assert found["b", "", "heartbeat_age"] == 500.0
    assert found["", "", "heartbeat_age"] == 5.0


def test_heartbeat_age_carries_the_interval_as_its_scale():
    evaluated = Evaluator(config()).evaluate(report(window=WALL, presences=[presence("a", interval=60.0)]))
    assert values_of(evaluated, "floor")["a", "", "heartbeat_age"] == 60.0


def test_a_worker_that_said_goodbye_has_no_heartbeat():
    assert wall(presences=[presence("a", state="left")]) == {("a", "", "restarts"): 0.0, ("", "", "restarts"): 0.0}


def test_watermark_lag_is_against_the_median_of_the_others():
    marks = {"a": 1000.0, "b": 990.0, "c": 400.0}
    found = wall(presences=[presence(name, watermark=mark) for name, mark in marks.items()])
    assert found["c", "", "watermark_lag"] == 595.0
    assert found["a", "", "watermark_lag"] == 0.0
    assert found["", "", "watermark_lag"] == 595.0


def test_restarts_are_by_hour():
    found = wall(presences=[presence("a", restarts=2), presence("b")])
    assert [found["a", "", "restarts"], found["b", "", "restarts"], found["", "", "restarts"]] == [2.0, 0.0, 2.0]


def test_trace_loss_is_the_share_of_captured_points_that_did_not_arrive():
    found = wall(presences=[presence("a", captured=200, received=150), presence("b", captured=600, received=600)])
    assert found["a", "", "trace_loss"] == 0.25
    assert found["", "", "trace_loss"] == 50 / 800


def test_train_delay_is_a_short_window_metric_with_its_slo_as_scale():
    part = partial("a", summaries=[(Histogram.of([100.0] * 60), "train", "train_delay", "")])
    evaluated = Evaluator(config(slo={"train_delay": 50.0})).evaluate(report(part))
    assert values_of(evaluated)["a", "", "train_delay_p50"] == pytest.approx(100.0, rel=0.02)
    assert values_of(evaluated, "floor")["a", "", "train_delay_p50"] == 50.0

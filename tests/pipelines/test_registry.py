import subprocess
import sys

import numpy as np
import pytest

from streamgauge.pipelines.registry import METRICS, PIPELINES, RULES, metric_of, metrics_of, reference
from streamgauge.pipelines.scoring import losses
from tests.places import ROOT

# issue 2, "The three domains ... At least"; a plain delay or step_time stands for its quantiles
REQUIRED = {
    "sample": """missing_rate default_rate invalid_rate zero_rate mean std min max p05 p50 p95 distinct top_share
        dispersion psi js_distance change_rate iv label_rate label_delay_p50 label_delay_p95 label_delay_p99
        label_arrivals label_overdue label_expired label_silence label_coverage@H queue_delay_p50 queue_delay_p95
        late_rate volume duplicate_rate new_id_rate""",
    "train": """loss nonfinite normalized_entropy auc pcoc ece auc_volatility prediction_mean prediction_psi
        gradient_norm weight_norm update_ratio dead_units""",
    "system": """step_time_p50 step_time_p95 step_time_p99 throughput keep_up train_delay_p50 train_delay_p95
        heartbeat_age watermark_lag restarts straggler trace_loss cpu memory""",
}


@pytest.mark.parametrize("domain", REQUIRED)
def test_every_metric_that_the_issue_lists_is_registered_in_its_domain(domain):
    missing = {name for name in REQUIRED[domain].split() if name not in METRICS or METRICS[name].domain != domain}
    assert missing == set()


def test_every_metric_of_a_pipeline_has_its_domain_and_a_name_of_its_own():
    metrics = [metric for pipeline in PIPELINES for metric in pipeline.metrics]
    assert len(metrics) == len(METRICS)
    assert all(metric.domain == pipeline.domain for pipeline in PIPELINES for metric in pipeline.metrics)


def test_every_rule_names_a_metric_of_its_own_domain_once():
    for pipeline in PIPELINES:
        ruled = [rule.metric for rule in pipeline.rules]
        assert len(ruled) == len(set(ruled))
        assert set(ruled) <= {metric.name for metric in pipeline.metrics}


def test_weights_of_the_domains_are_those_of_the_catalogue():
    weights = {pipeline.domain: pipeline.weight for pipeline in PIPELINES}
    assert weights == {"sample": 0.35, "train": 0.4, "system": 0.25}


def test_the_catalogue_of_metrics_is_complete_in_exactly_one_window_class():
    named = [metric.name for kind in ("short", "long", "wall") for metric in metrics_of(kind)]
    assert sorted(named) == sorted(METRICS)


def test_a_rule_that_needs_a_reference_belongs_to_a_metric_that_has_one():
    ones, nothing = np.ones(1), np.full(1, np.nan)
    for rule in RULES.values():
        if np.isnan(rule.form(ones, nothing, ones * 0.01, ones * 0.01, ones)).any():
            assert METRICS[rule.metric].reference != "none", rule.metric


def test_a_metric_that_is_zero_in_an_empty_window_needs_no_evidence():
    assert {metric.name for metric in METRICS.values() if metric.additive and metric.minimum > 0} == set()


def test_an_unknown_metric_is_named_with_a_suggestion():
    with pytest.raises(KeyError, match="did you mean 'missing_rate'"):
        metric_of("mising_rate")


def test_the_metric_reference_is_up_to_date():
    assert (ROOT / "docs" / "metrics.md").read_text() == reference()


def test_the_metric_reference_is_what_the_module_prints():
    found = subprocess.run(
        [sys.executable, "-m", "streamgauge.pipelines.registry"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout == reference()


def columns(*values):
    return [np.array([value], float) for value in values]


@pytest.mark.parametrize(
    ("form", "x", "reference", "error", "floor", "rows", "excess"),
    [
        (losses.above_reference, 0.5, 0.1, 0.1, 0, 50, 0.1),  # 0.4 less three errors of 0.1
        (losses.above_reference, 0.0, 0.1, 0.0, 0, 50, 0.0),
        (losses.below_reference, 0.6, 0.75, 0.01, 0, 50, 0.12),
        (losses.off_reference, 0.1, 0.5, 0.0, 0, 50, 0.4),
        (losses.over_floor, 0.3, np.nan, 0.0, 0.1, 50, 0.2),
        (losses.over_floor, 0.05, np.nan, 0.0, 0.1, 50, 0.0),
        (losses.ratio_to_floor, 30.0, np.nan, 0.0, 10.0, 1, 3.0),
        (losses.ratio_to_floor, 30.0, np.nan, 0.0, 0.0, 1, np.nan),  # no scale was declared or learnt
        (losses.log_off_right, np.e, np.nan, 0.0, 1.0, 9, 0.0),  # 3/sqrt(9) is noise of 1
        (losses.log_off_right, np.e**2, np.nan, 0.0, 1.0, 9, 1.0),
        (losses.log_off_right, np.e**-2, np.nan, 0.0, 1.0, 9, 1.0),
        (losses.log_off_right, np.e**2, np.e**3, 0.0, 0.0, 9, 0.0),  # labels are late: its own reference is right
        (losses.log_off_right, np.e**2, np.e**4, 0.0, 0.0, 9, 1.0),
        (losses.log_off_right, np.e**2, np.nan, 0.0, 0.0, 9, np.nan),
        (losses.over_usual, 0.3, 0.25, 0.0, 0.1, 50, 0.05),
        (losses.over_usual, 0.3, np.nan, 0.0, 0.1, 50, 0.2),
        (losses.below_reference_and_bound, 0.6, 0.75, 0.01, 0.05, 50, 0.07),
        (losses.log_above_reference, np.e, 1.0, 0.0, 0.0, 9, 1.0),
        (losses.log_above_reference, 1.0, np.e, 0.0, 0.0, 9, 0.0),
        (losses.magnitudes, 100.0, 1.0, 0.0, 0.0, 9, 2.0),
        (losses.entropy_above_reference, 0.9, 0.8, 0.0, 0.0, 50, 0.1),
        (losses.entropy_above_reference, 1.0, 0.8, 0.0, 0.0, 50, np.inf),
        (losses.information_lost, 0.3, 0.5, 0.0, 0.1, 50, 0.5),
        (losses.information_lost, 0.3, 0.25, 0.0, 0.1, 50, 0.0),  # the reference does not stand above its noise
        (losses.shortfall, 0.7, 1.4, 0.0, 0.0, 50, 0.3),  # judged against one
        (losses.shortfall, 0.3, 0.4, 0.0, 0.0, 50, 0.1),  # or against what is normal with late labels
        (losses.absolute, -7.0, np.nan, 1.0, 0.0, 50, 7.0),
    ],
)
def test_form_gives_the_excess_over_noise(form, x, reference, error, floor, rows, excess):
    (found,) = form(*columns(x, reference, error, floor, rows))
    assert found == pytest.approx(excess, nan_ok=True)


def rate(count, seconds=100.0):
    """(value, error, rows) of a counted rate."""
    return count / seconds, np.sqrt(max(count, 1.0)) / seconds, count


@pytest.mark.parametrize("form", [losses.count_off_reference, losses.count_below_reference])
def test_an_empty_window_is_all_bad_where_the_slot_expects_many_rows(form):
    x, error, rows = rate(0)
    (found,) = form(*columns(x, 5.0, error, 0.0, rows))  # 500 expected
    assert found > 1.6


@pytest.mark.parametrize("form", [losses.count_off_reference, losses.count_below_reference])
def test_an_empty_window_says_nothing_where_the_slot_expects_few_rows(form):
    x, error, rows = rate(0)
    (found,) = form(*columns(x, 0.05, error, 0.0, rows))  # 5 expected
    assert np.isnan(found)


def test_twice_the_rows_is_an_excess_of_volume_but_not_of_arrivals():
    x, error, rows = rate(2000)
    off = losses.count_off_reference(*columns(x, 10.0, error, 0.0, rows))
    below = losses.count_below_reference(*columns(x, 10.0, error, 0.0, rows))
    assert off == pytest.approx(np.log(2) - 3 / np.sqrt(2000), abs=1e-3)
    assert below == 0.0


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_no_form_is_negative_and_an_unknown_value_stays_unknown(rule):
    rng = np.random.default_rng(0)
    x, ref, error, floor, rows = rng.random((5, 50)) * np.array([1, 1, 0.1, 1, 99])[:, None]
    excess = rule.form(x, ref, error, floor, rows)
    assert not (excess < 0).any()
    if rule.metric not in ("volume", "label_arrivals"):  # counts are always known
        assert np.isnan(rule.form(x * np.nan, ref, error, floor, rows)).all()

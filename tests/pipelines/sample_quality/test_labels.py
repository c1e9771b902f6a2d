import numpy as np
import pytest

from streamgauge.pipelines.config.schema import DAY, HOUR, Labels
from streamgauge.pipelines.registry import pipelines_of
from streamgauge.pipelines.stream.evaluate import Evaluator
from tests.pipelines.reports import config, evaluate, learn, partial, presence, report, totals, values_of

SLOT = 3 * HOUR
EXPECTED = 30.0 * 3_000 / 3_030  # of 3,000 labels where 1 % are positive, as 3,000 positives have told


def labels(worker="a", **counts):
    return partial(worker, totals("label", **counts))


def test_label_rate_of_the_job_is_all_positives_of_all_labels():
    found = evaluate(labels("a", labels=100, positives=20), labels("b", labels=300, positives=20))
    assert found["a", "", "label_rate"] == 0.2
    assert found["", "", "label_rate"] == 0.1


def test_label_rate_of_few_positives_is_unknown_whatever_the_labels():
    evaluated = Evaluator(config()).evaluate(report(labels(labels=1000, positives=19)))
    assert np.isnan(values_of(evaluated)["a", "", "label_rate"])
    assert values_of(evaluated, "rows")["a", "", "label_rate"] == 19.0


def test_no_positive_among_labels_that_led_to_expect_some_is_known_and_bad():
    evaluator = Evaluator(config())
    for day in range(3):
        learn(evaluator, evaluator.evaluate(report(labels(labels=100_000, positives=1_000), start=day * DAY)))
    gone = evaluator.evaluate(report(labels(labels=3000, positives=0), start=3 * DAY))
    for worker in ("a", ""):
        assert values_of(gone)[worker, "", "label_rate"] == 0.0
        assert values_of(gone, "rows")[worker, "", "label_rate"] == pytest.approx(EXPECTED)
    few = evaluator.evaluate(report(labels(labels=3000, positives=2), start=3 * DAY))
    assert values_of(few)["", "", "label_rate"] == 2 / 3000
    assert values_of(few, "error")["", "", "label_rate"] == pytest.approx(2 / 3000 / EXPECTED**0.5)


def test_few_labels_that_lead_to_expect_few_positives_stay_unknown():
    evaluator = Evaluator(config())
    learn(evaluator, evaluator.evaluate(report(labels(labels=300_000, positives=3_000))))
    few = evaluator.evaluate(report(labels(labels=1000, positives=0), start=DAY))
    assert np.isnan(values_of(few)["", "", "label_rate"])


def test_what_was_not_normal_does_not_change_how_many_positives_are_expected():
    evaluator = Evaluator(config())
    learn(evaluator, evaluator.evaluate(report(labels(labels=300_000, positives=3_000))))
    for day in range(1, 9):
        gone = evaluator.evaluate(report(labels(labels=3000, positives=0), start=day * DAY))
        assert values_of(gone, "rows")["", "", "label_rate"] == pytest.approx(EXPECTED)
        learn(evaluator, gone, "label_rate")


def test_the_expected_positives_survive_a_restart():
    evaluator, again = Evaluator(config()), Evaluator(config())
    learn(evaluator, evaluator.evaluate(report(labels(labels=300_000, positives=3_000))))
    again.restore(evaluator.snapshot())
    assert again.snapshot() == evaluator.snapshot()
    rows = values_of(again.evaluate(report(labels(labels=3000), start=DAY)), "rows")
    assert rows["", "", "label_rate"] == pytest.approx(EXPECTED)


def test_label_arrivals_stop_at_zero():
    evaluator = Evaluator(config())
    learn(evaluator, evaluator.evaluate(report(labels(labels=1080, positives=0))))
    held = evaluator.evaluate(report(labels(due=60, overdue=60), start=SLOT))
    assert values_of(held)["a", "", "label_arrivals"] == 0.0
    assert values_of(held)["a", "", "label_overdue"] == 1.0


@pytest.mark.parametrize(
    ("metric", "counts", "share"),
    [
        ("label_overdue", {"due": 80, "overdue": 20}, 0.25),
        ("label_expired", {"settled": 200, "expired": 10}, 0.05),
        ("label_coverage@H", {"cohort_rows": 100, "cohort_labelled": 97}, 0.97),
        ("label_flip_rate", {"labels": 100, "positives": 30, "flips": 25}, 0.2),
    ],
)
def test_shares_of_the_join_are_divided_once_for_the_job(metric, counts, share):
    found = evaluate(labels("a", **counts), labels("b", **counts))
    assert found["a", "", metric] == share
    assert found["", "", metric] == share


def test_label_silence_goes_on_through_windows_without_labels():
    evaluator, members = Evaluator(config()), [presence("a")]
    learn(evaluator, evaluator.evaluate(report(labels(labels=5, last_label=SLOT - 60.0), presences=members)))
    for windows in (1, 2):
        evaluated = evaluator.evaluate(report(start=windows * SLOT, presences=members))
        learn(evaluator, evaluated)
    found = values_of(evaluated)
    assert [found["a", "", "label_silence"], found["", "", "label_silence"]] == [2 * SLOT + 60.0] * 2


def test_a_worker_that_never_had_a_label_has_no_silence():
    found = evaluate(labels(due=60, overdue=1), presences=[presence("a")])
    assert ("a", "", "label_silence") not in found


def test_label_silence_is_judged_against_the_declared_gap():
    declared = config(labels=Labels(silence=2 * HOUR))
    evaluated = Evaluator(declared).evaluate(report(labels(labels=5, last_label=SLOT - 60.0)))
    assert values_of(evaluated, "floor")["a", "", "label_silence"] == 2 * HOUR


def test_label_silence_learns_the_longest_normal_gap_of_its_hour():
    evaluator = Evaluator(config(pane=10.0))
    for day in range(3):
        for slot in range(8):
            start = day * DAY + slot * SLOT
            gap = 7000.0 if slot == 2 else 50.0 + day
            learn(evaluator, evaluator.evaluate(report(labels(labels=5, last_label=start + SLOT - gap), start=start)))
    quiet = evaluator.evaluate(report(labels(labels=5, last_label=3 * DAY + 3 * SLOT - 1.0), start=3 * DAY + 2 * SLOT))
    busy = evaluator.evaluate(report(labels(labels=5, last_label=3 * DAY + SLOT - 1.0), start=3 * DAY))
    assert values_of(quiet, "floor")["", "", "label_silence"] == 7000.0
    assert values_of(busy, "floor")["", "", "label_silence"] == 52.0


def test_a_silence_that_was_not_normal_does_not_widen_the_gap():
    evaluator = Evaluator(config(pane=10.0))
    for day in range(4):
        gap = 9000.0 if day == 3 else 50.0
        part = labels(labels=5, last_label=day * DAY + SLOT - gap)
        learn(evaluator, evaluator.evaluate(report(part, start=day * DAY)), *(["label_silence"] if day == 3 else []))
    evaluated = evaluator.evaluate(report(labels(labels=5, last_label=4 * DAY), start=4 * DAY))
    assert values_of(evaluated, "floor")["a", "", "label_silence"] == 50.0


def cohort(rows, labelled, positives, worker="a"):
    return labels(worker, cohort_rows=rows, cohort_labelled=labelled, cohort_positives=positives)


def test_the_label_rate_of_a_cohort_is_that_of_its_labelled_samples():
    found = evaluate(cohort(1000, 900, 90), cohort(1000, 900, 180, "b"))
    assert (found["a", "", "label_rate@H"], found["", "", "label_rate@H"]) == (0.1, 0.15)


def test_a_cohort_of_which_few_are_labelled_says_nothing_of_the_rest():
    evaluator = Evaluator(config())
    for day in range(3):
        learn(evaluator, evaluator.evaluate(report(cohort(1000, 950, 95), start=day * DAY)))
    for labelled, is_known in ((800, True), (700, False)):  # 0.8 of the usual 950 are 760
        found = values_of(evaluator.evaluate(report(cohort(1000, labelled, 400), start=3 * DAY)))
        assert found["", "", "label_coverage@H"] == labelled / 1000
        assert np.isfinite(found["", "", "label_rate@H"]) == is_known


def test_invalid_labels_of_a_worker_are_in_their_share_and_make_the_rate_unknown():
    found = evaluate(labels(labels=970, positives=97, invalid_labels=30))
    assert found["", "", "invalid_labels"] == 0.03
    assert np.isnan(found["", "", "label_rate"])


def test_where_negatives_come_by_time_out_cohorts_are_judged_and_the_rest_is_shown():
    for wait in (0.0, 2 * HOUR):
        declared = config(labels=Labels(wait=wait, horizon=4 * HOUR))
        evaluated = Evaluator(declared).evaluate(report(labels(labels=500, positives=50), cohort(1000, 900, 90, "b")))
        pages = {key.metric for key, metric in zip(evaluated.keys, evaluated.metrics, strict=True) if metric.pages}
        rules = {rule.metric for pipeline in pipelines_of(declared) for rule in pipeline.rules}
        judged, shown = ("label_rate@H", "label_rate") if wait else ("label_rate", "label_rate@H")
        assert judged in pages & rules
        assert shown not in pages | rules

"""Laws of the score: bounds, monotony, an exact breakdown, and that what goes missing never raises it."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamgauge.anomaly.types import Score, SeriesKey
from streamgauge.pipelines.config.schema import Feature, JobConfig
from streamgauge.pipelines.detection.closed import Columns
from streamgauge.pipelines.detection.watch import Watch
from streamgauge.pipelines.metrics import Metric, Pipeline, Rule
from streamgauge.pipelines.scoring import losses as forms
from streamgauge.pipelines.scoring.ruled import lost
from streamgauge.pipelines.scoring.scorer import Scorer
from tests.pipelines.windows import SPEC, WALL, closed, config, key, metric

METRICS: dict[str, Metric] = {
    name: metric(name, reference="none", domain=domain)  # type: ignore[arg-type]
    for domain, names in (("sample", "abc"), ("train", "de"), ("system", "fg")) for name in names
}
PIPELINES = (
    Pipeline("sample", 0.35, (), (
        Rule("a", forms.value, 0.0, 1.0, 3.0), Rule("b", forms.value, 0.0, 1.0, 2.0, 0.7),
        Rule("c", forms.value, 0.2, 0.6, 1.0, 0.5),
    )),
    Pipeline("train", 0.40, (), (
        Rule("d", forms.value, 0.0, 1.0, 1.0, 0.1, cap_domain=20.0, cap_overall=40.0),
        Rule("e", forms.value, 0.0, 1.0, 9.0),
    )),
    Pipeline("system", 0.25, (), (Rule("f", forms.value, 0.0, 1.0, 1.0), Rule("g", forms.value, 0.0, 1.0, 2.0))),
)
KEYS = (
    *(key(entity, domain="sample", metric=name) for entity in ("", "feature:x", "feature:y") for name in "abc"),
    *(key("", domain="train", metric=name) for name in "de"),
    *(key("", worker, domain="system", metric=name) for worker in ("w1", "w2") for name in "fg"),
)
LOSSES = st.lists(st.floats(0.0, 1.0), min_size=len(KEYS), max_size=len(KEYS))


class Job:
    """A scorer with the watches whose references say which values are usual."""

    def __init__(self, settings: JobConfig | None = None) -> None:
        self.config = settings or config()
        self.scorer = Scorer(self.config, PIPELINES)
        self.watches = {spec.name: Watch(self.config, spec) for spec in self.config.windows}
        self.index = 0

    def close(self, values: Mapping[SeriesKey, float]) -> dict[str, Score]:
        window = closed(values, METRICS, self.index)
        self.index += 1
        return self.take(window)

    def take(self, window: Columns, told: Collection[SeriesKey] = ()) -> dict[str, Score]:
        watch = self.watches[window.window]
        judged = watch.judge(window)
        scores = {score.domain: score for score in self.scorer.score(window, judged, told=told)}
        if not window.revision:
            watch.learn(window, judged, np.zeros(len(window.keys), bool))
        for score in scores.values():
            assert 0 <= score.micropoints <= 100_000_000
            assert sum(part.micropoints for part in score.parts) == 100_000_000 - score.micropoints
            assert all(part.micropoints > 0 for part in score.parts)
        return scores


def of(*losses: float) -> dict[SeriesKey, float]:
    return dict(zip(KEYS, losses, strict=True))


def one(losses: Mapping[SeriesKey, float]) -> dict[str, int]:
    return {domain: score.micropoints for domain, score in Job().close(losses).items()}


@given(LOSSES)
def test_scores_lie_between_0_and_100_and_breakdowns_add_up_exactly(losses: list[float]) -> None:
    assert set(one(of(*losses))) == {"sample", "train", "system", "overall"}


@given(LOSSES, st.integers(0, len(KEYS) - 1), st.floats(0.0, 1.0))
def test_no_score_rises_when_a_loss_does(losses: list[float], at: int, higher: float) -> None:
    worse = [*losses[:at], max(losses[at], higher), *losses[at + 1 :]]
    before, after = one(of(*losses)), one(of(*worse))
    assert all(after[domain] <= before[domain] for domain in before)


@settings(max_examples=50)
@given(LOSSES, st.lists(st.integers(0, len(KEYS) - 1), unique=True, min_size=1), st.integers(1, 8))
def test_metrics_that_disappear_never_raise_a_score(losses: list[float], gone: list[int], windows: int) -> None:
    job = Job()
    for _ in range(10):
        before = job.close(of(*losses))
    missing = of(*(np.nan if at in gone else loss for at, loss in enumerate(losses)))
    for _ in range(windows):
        after = job.close(missing)
        assert all(after[domain].micropoints <= before[domain].micropoints for domain in before)
        before = after


@settings(max_examples=50)
@given(LOSSES, st.randoms(use_true_random=False))
def test_the_order_of_entities_changes_nothing(losses: list[float], shuffle: random.Random) -> None:
    """Names decide, not the place: permuting which feature has which losses permutes the parts and keeps the score."""
    job = Job()
    values = of(*losses)
    swapped = {
        k._replace(entity={"feature:x": "feature:y", "feature:y": "feature:x"}.get(k.entity, k.entity)): v
        for k, v in values.items()
    }
    shuffled = list(values.items())
    shuffle.shuffle(shuffled)
    scores = job.close(values)
    assert Job().close(dict(shuffled)) == scores
    assert one(swapped) == pytest.approx({d: s.micropoints for d, s in scores.items()}, abs=1)


def dead_feature(count: int) -> dict[SeriesKey, float]:
    names = [key("", metric=name) for name in "abc"]
    names += [key(f"feature:{n:02}", metric=name) for n in range(count) for name in "abc"]
    return {name: float(name.entity == "feature:07") for name in names}


def test_one_dead_feature_of_forty_cannot_hide() -> None:
    assert Job().close(dead_feature(40))["sample"].value <= 70.0


def test_it_costs_little_more_of_four_hundred() -> None:
    assert Job().close(dead_feature(400))["sample"].value <= 70.0


def test_the_parts_name_metric_entity_and_worker_and_the_largest_comes_first() -> None:
    values = {**of(*([0.0] * len(KEYS))), key("feature:y", metric="a"): 0.8, key("", "w2", "system", "g"): 0.3}
    scores = Job().close(values)
    first = scores["overall"].parts[0]
    assert (first.domain, first.entity, first.metric) == ("sample", "feature:y", "a")
    assert [(part.worker, part.metric) for part in scores["system"].parts] == [("w2", "g")]


def test_a_cap_is_attributed_to_the_metric_that_caps() -> None:
    scores = Job().close({**of(*([0.0] * len(KEYS))), key("", domain="train", metric="d"): 1.0})
    assert (scores["train"].value, scores["train"].cap) == (20.0, "d")
    assert (scores["overall"].value, scores["overall"].cap) == (40.0, "d")
    assert [(part.metric, part.why) for part in scores["overall"].parts][-1] == ("d", "cap")


def test_a_missing_metric_holds_its_loss_for_three_expected_windows_then_is_unknown() -> None:
    job, quiet = Job(), of(*([0.0] * len(KEYS)))
    for _ in range(12):
        job.close(quiet)
    gone = {**quiet, key("", domain="train", metric="e"): np.nan}
    scores = [job.close(gone)["train"] for _ in range(5)]
    assert [score.value for score in scores[:3]] == [100.0] * 3
    assert scores[3].value < 100.0
    assert [(part.metric, part.why) for part in scores[3].parts] == [("e", "unknown")]
    assert scores[4].value == scores[3].value


def test_a_metric_that_came_back_is_held_for_three_windows_again() -> None:
    job, quiet = Job(), of(*([0.0] * len(KEYS)))
    for _ in range(12):
        job.close(quiet)
    gone = {**quiet, key("", domain="train", metric="e"): np.nan}
    scores = [job.close(values)["train"].value for values in (gone, gone, gone, quiet, gone, gone, gone)]
    assert scores == [100.0] * 7


def test_a_metric_that_nothing_judges_costs_nothing_once_it_is_back() -> None:
    job, quiet = Job(), {key("", domain="train", metric=name): 0.0 for name in "de"}
    rules = (Rule("d", forms.value, 0.0, 1.0, 1.0), Rule("e", forms.ratio_to_floor, 1.0, 5.0, 9.0))
    job.scorer = Scorer(job.config, (Pipeline("train", 1.0, (), rules),))  # without an SLO `e` has no floor
    for _ in range(12):
        job.close(quiet)
    gone = {**quiet, key("", domain="train", metric="e"): np.nan}
    assert [job.close(gone)["train"].value for _ in range(5)][-1] < 100.0
    assert job.close(quiet)["train"].value == 100.0


def thin(job: Job, values: Mapping[SeriesKey, float], told: Collection[SeriesKey] = ()) -> dict[str, Score]:
    """One more window, with 6 of the 10 rows that a value takes."""
    job.index += 1
    return job.take(closed(dict.fromkeys(values, np.nan), METRICS, job.index - 1, rows=6.0), told)


def test_what_a_burst_lost_is_over_once_the_rows_of_three_more_values_came_without_one() -> None:
    job, broken = Job(), of(*([1.0] * len(KEYS)))
    before = job.close(broken)["sample"].micropoints
    scores = [thin(job, broken)["sample"].micropoints for _ in range(6)]
    assert scores[:5] == [before] * 5  # 3.0 times the rows
    assert scores[5] == 100_000_000


def test_what_something_is_open_of_is_held_however_few_its_rows() -> None:
    job, broken = Job(), of(*([1.0] * len(KEYS)))
    before = job.close(broken)["train"].micropoints
    assert {thin(job, broken, told=KEYS)["train"].micropoints for _ in range(20)} == {before}


def test_few_rows_are_not_missing_however_sure_a_value_was() -> None:
    job, quiet = Job(), of(*([0.0] * len(KEYS)))
    for _ in range(12):
        job.close(quiet)
    assert {thin(job, quiet)["train"].value for _ in range(8)} == {100.0}


def test_coverage_falls_when_what_is_usual_is_missing_and_nights_do_not_drain_it() -> None:
    job, values = Job(), of(*([0.0] * len(KEYS)))
    for index in range(80):
        night = index % 8 in (0, 1)
        job.close({k: np.nan if night and k.metric == "a" else v for k, v in values.items()})
    night = job.close({k: np.nan if k.metric == "a" else v for k, v in values.items()})["sample"]
    assert (night.coverage, night.value) == (1.0, 100.0)
    job.close({k: np.nan if k.metric == "a" else v for k, v in values.items()})
    noon = job.close({k: np.nan if k.metric == "a" else v for k, v in values.items()})["sample"]
    assert noon.coverage == pytest.approx(0.5)
    assert noon.value == 100.0


def test_a_series_that_leaves_takes_its_loss_along_but_a_silent_domain_keeps_it() -> None:
    job, values = Job(), {**of(*([0.0] * len(KEYS))), key("feature:x", metric="a"): 1.0}
    before = job.close(values)["sample"].micropoints
    without = {k: v for k, v in values.items() if k.entity != "feature:x"}
    silent = {k: v for k, v in values.items() if k.domain != "sample"}
    assert job.close(silent)["sample"].micropoints <= before
    assert job.close(without)["sample"].value == 100.0


def test_the_attribution_does_not_flicker() -> None:
    job, calm = Job(), of(*([0.0] * len(KEYS)))
    x, y = key("feature:x", metric="a"), key("feature:y", metric="a")
    tops = []
    for left, right in [(0.5, 0.4), (0.5, 0.51), (0.5, 0.505), (0.5, 0.6)]:
        tops.append(job.close({**calm, x: left, y: right})["sample"].parts[0].entity)
    assert tops == ["feature:x", "feature:x", "feature:x", "feature:y"]


def test_wall_values_count_from_the_next_short_window_on_whatever_closed_first() -> None:
    def wall(index: int, loss: float) -> Columns:
        return closed({key("", domain="system", metric="f"): loss}, METRICS, index, window=WALL)

    short = [closed({key("", metric="a"): 0.0}, METRICS, index) for index in (0, 1)]
    early, late = Job(), Job()
    walls = [wall(0, 0.1), wall(1, 0.2), wall(2, 0.9)]  # the last one ends with the first short window
    told = [early.take(window) for window in (*walls, *short)][-2:]
    other = [late.take(window) for window in (*walls[:2], short[0], walls[2], short[1])]
    assert told == [other[2], other[4]]
    assert told[0]["system"].value == pytest.approx(80.0)
    assert told[1]["system"].value == pytest.approx(10.0)


def test_a_revision_gives_revised_scores_and_is_not_remembered() -> None:
    job, calm = Job(), of(*([0.0] * len(KEYS)))
    job.close(calm)
    before = job.scorer.snapshot()
    revised = closed({**calm, key("", metric="a"): 1.0}, METRICS, 0, revision=1)
    assert job.take(revised)["sample"].value < 70.0
    assert job.take(revised)["sample"].revision == 1
    assert job.scorer.snapshot() == before


def test_restore_continues_with_the_same_bytes() -> None:
    job, generator = Job(), np.random.default_rng(1)
    windows = [of(*np.where(generator.random(len(KEYS)) < 0.2, np.nan, generator.random(len(KEYS)))) for _ in range(20)]
    for values in windows[:10]:
        job.close(values)
    other = Scorer(job.config, PIPELINES)
    other.restore(job.scorer.snapshot())
    for values in windows[10:]:
        window = closed(values, METRICS, job.index)
        judged = job.watches["short"].judge(window)
        assert other.score(window, judged) == job.scorer.score(window, judged)
        job.watches["short"].learn(window, judged, np.zeros(len(window.keys), bool))
        job.index += 1
    assert other.snapshot() == job.scorer.snapshot()


def test_lossy_series_of_a_low_domain_are_frozen() -> None:
    job, calm = Job(), of(*([0.0] * len(KEYS)))
    bad = key("feature:x", metric="a")
    job.close({**calm, bad: 1.0})
    assert [k for k, frozen in zip(KEYS, job.scorer.frozen(KEYS).tolist(), strict=True) if frozen] == [bad]
    job.close({**calm, bad: 0.1})
    assert not job.scorer.frozen(KEYS).any()


def test_anchors_and_importance_of_the_config_count() -> None:
    loose = config(rules={"a": {"bad": 10.0}}, features=(Feature(name="x", kind="id", importance=5.0),))
    values = {**of(*([0.0] * len(KEYS))), key("feature:x", metric="a"): 1.0}
    heavy = config(features=(Feature(name="x", kind="id", importance=5.0),))
    assert Job(loose).close(values)["sample"].value > 90.0
    assert Job(heavy).close(values)["sample"].value < Job().close(values)["sample"].value


def test_an_optional_feature_is_not_scored() -> None:
    values = {**of(*([0.0] * len(KEYS))), key("feature:x", metric="a"): 1.0}
    flaky = config(features=(Feature(name="x", kind="id", optional=True),))
    assert Job(flaky).close(values)["sample"].value == 100.0


def test_what_comes_on_two_days_of_three_is_missed_by_coverage_and_not_by_the_score() -> None:
    job, quiet = Job(), of(*([0.0] * len(KEYS)))
    gone = {**quiet, key("", domain="train", metric="e"): np.nan}
    for index in range(160):
        job.close(quiet if index // 8 % 3 else gone)
    scores = [job.close(gone)["train"] for _ in range(8)]
    assert {score.value for score in scores} == {100.0}
    assert [score.coverage for score in scores] == pytest.approx([0.1] * 8)


def test_one_replaceable_worker_of_a_hundred_costs_little() -> None:
    few = {key("", f"w{n:03}", "system", "f"): float(n == 0) for n in range(4)}
    many = {key("", f"w{n:03}", "system", "f"): float(n == 0) for n in range(100)}
    assert Job().close(few)["system"].value < 40.0
    assert Job().close(many)["system"].value > 90.0


def test_a_loss_is_linear_between_its_anchors_and_unknown_without_a_reference() -> None:
    rule = Rule("missing_rate", forms.above_reference, 0.02, 0.30, 3.0)
    x = np.array([0.01, 0.16, 0.5, np.nan, 0.5])
    reference = np.array([0.0, 0.0, 0.0, 0.0, np.nan])
    zeros = np.zeros(5)
    np.testing.assert_allclose(lost(rule, x, reference, zeros, zeros, zeros), [0.0, 0.5, 1.0, np.nan, np.nan])


def test_spec_of_the_scores_is_the_first_short_window() -> None:
    scores = Job().close(of(*([0.0] * len(KEYS))))
    assert {(score.start, score.end) for score in scores.values()} == {(0.0, SPEC.length)}

"""Planted features are ranked right at a tenth of permutation's predictions; each number is what its words say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from streamgauge.pipelines.feature_selection.droprank import DropRank
from streamgauge.pipelines.feature_selection.effects import agreement, effect, losses
from streamgauge.pipelines.feature_selection.experiment import experiment
from streamgauge.pipelines.feature_selection.influence import influence
from streamgauge.pipelines.feature_selection.masking import bench_mask, permutation
from streamgauge.pipelines.feature_selection.relevance import feature_gauc
from streamgauge.tracer.summaries import hash_values
from tests.pipelines.feature_selection.planted import TIERS, Logistic, accuracy, rows_of

ROWS = 8_000
MASKS = [(name,) for name in TIERS]


def model_and_rows(seed):
    random = np.random.default_rng(seed)
    model = Logistic(*rows_of(random, 20_000, is_training=True))
    return random, model, *rows_of(random, ROWS, is_training=False)


def drop_rank(model, columns, labels, random, passes=8):
    ranks = DropRank(model.names, rate=5.0)
    for _ in range(passes):
        for rows in np.array_split(random.permutation(len(labels)), len(labels) // 250):
            masks = ranks.masks(len(rows), random)
            ranks.learn(model.by_mask({name: column[rows] for name, column in columns.items()}, labels[rows], masks))
    return ranks


def test_planted_features_are_ranked_right_over_20_seeds_at_a_tenth_of_the_predictions_of_permutation():
    found = {"bench_mask": [], "drop_rank": [], "permutation": []}
    for seed in range(20):
        random, model, columns, labels = model_and_rows(seed)
        tried = bench_mask(model.predict, columns, labels, MASKS, random, passes=8)
        rival = permutation(model.predict, columns, labels, MASKS, random, repeats=5)
        assert model.predicted == tried.predictions + rival.predictions
        ranks = drop_rank(model, columns, labels, random)
        assert max(tried.predictions, ranks.rows) <= 0.1 * rival.predictions
        for name, effects in (("bench_mask", tried.effects), ("permutation", rival.effects)):
            found[name].append(accuracy({one.features[0]: one.loss_gap for one in effects}))
        found["drop_rank"].append(accuracy(ranks.keep))
    mean = {name: np.mean(values) for name, values in found.items()}
    assert min(mean["bench_mask"], mean["drop_rank"]) >= 0.95
    assert min(mean["bench_mask"], mean["drop_rank"]) >= mean["permutation"]


def test_what_the_model_leans_on_wrongly_is_called_misleading_and_noise_has_no_effect():
    random, model, columns, labels = model_and_rows(1)
    outcome = experiment(
        model.predict, columns, labels, random, methods=("bench_mask", "influence"), gradients=model.gradients
    )
    verdicts = {row["features"][0]: row["verdict"] for row in outcome.rows}
    assert {verdicts[f"strong{i}"] for i in range(3)} == {"useful"}
    assert {verdicts[f"misleading{i}"] for i in range(2)} == {"misleading"}
    assert sum(verdicts[f"useless{i}"] == "no effect" for i in range(6)) >= 5
    shares = {row["features"][0]: row["influence"] for row in outcome.rows}
    assert shares["misleading0"] > 3 * shares["useless0"]  # a gradient says what is leant on, not what is right
    assert [row["features"][0] for row in outcome.rows][:3] != list(TIERS)[-3:]


def test_twins_masked_together_are_worth_more_than_the_sum_of_each_by_itself():
    random, model, columns, labels = model_and_rows(2)
    both, one, other = bench_mask(
        model.predict, columns, labels, [("twin0", "twin1"), ("twin0",), ("twin1",)], random, passes=3
    ).effects
    assert both.rows == one.rows == ROWS
    assert both.loss_gap > 1.3 * (one.loss_gap + other.loss_gap)


def test_an_effect_is_what_its_words_say():
    random = np.random.default_rng(0)
    base, labels = random.uniform(0.05, 0.95, 400), (random.random(400) < 0.4).astype(float)
    masked = np.clip(base + random.normal(0, 0.1, 400), 0.01, 0.99)
    groups = hash_values(np.arange(400) % 20)
    found = effect(("a",), base, masked, labels, random, groups)
    gap = losses(masked, labels) - losses(base, labels)
    assert found.loss_gap == pytest.approx(gap.mean())
    assert found.misled == pytest.approx((gap < 0).mean())
    assert found.misleading == pytest.approx(np.maximum(0, -gap).mean())
    assert (found.score_mean, found.score_std) == pytest.approx(((masked - base).mean(), (masked - base).std()))
    every = np.sign(base[:, None] - base), np.sign(masked[:, None] - masked)
    exact = (every[0] == every[1])[every[0] != 0].mean()
    assert found.agreement == pytest.approx(exact, abs=0.05)
    assert math.isfinite(found.gauc_gap) and found.gauc_gap != found.auc_gap


def test_ties_are_no_strict_order():
    base = np.array([0.1, 0.2, 0.3, 0.4])
    assert agreement(base, np.zeros(4), np.random.default_rng(0)) == 0.0
    assert math.isnan(agreement(np.zeros(4), base, np.random.default_rng(0)))


def test_a_user_feature_ranks_rows_but_not_those_of_one_user():
    random = np.random.default_rng(3)
    user = random.integers(0, 300, 20_000)
    rate, item = random.random(300)[user] * 0.6, random.random(20_000)
    labels = (random.random(20_000) < 0.5 * rate + 0.4 * item).astype(float)
    groups = hash_values(user)
    assert feature_gauc(rate, labels, random) > 0.58
    assert feature_gauc(rate, labels, random, groups) == pytest.approx(0.5, abs=0.01)
    assert feature_gauc(item, labels, random, groups) > 0.62


def test_an_id_seen_once_says_nothing_by_its_own_label():
    random = np.random.default_rng(4)
    labels = (random.random(5_000) < 0.3).astype(float)
    assert feature_gauc(np.arange(5_000), labels, random) == pytest.approx(0.5, abs=0.02)


def test_influence_counts_what_is_not_finite_as_nothing_and_embeddings_by_dimension():
    found = influence({"a": np.array([np.nan, 2.0]), "b": np.full((2, 4), 0.5)})
    assert found == pytest.approx({"a": 0.5, "b": 0.5})


def test_categories_and_embeddings_are_masked_by_what_is_usual():
    columns = {
        "city": np.array(["NY", "LA", "NY", None] * 25, object), "vector": np.arange(300.0).reshape(100, 3),
        "count": np.arange(100) % 7,
    }  # fmt: skip
    seen = []

    def predict(given):
        seen.append(given)
        return np.full(100, 0.5)

    labels = (np.arange(100) % 2).astype(float)
    bench_mask(predict, columns, labels, [("city",), ("vector",), ("count",)], np.random.default_rng(0))
    changed = {
        name: [row for row in range(100) if np.any(seen[1][name][row] != column[row])]
        for name, column in columns.items()
    }
    assert all(seen[1]["city"][row] == "NY" for row in changed["city"])
    assert all((seen[1]["vector"][row] == columns["vector"].mean(axis=0)).all() for row in changed["vector"])
    assert not set(changed["vector"]) & set(changed["count"])


@pytest.mark.parametrize(("change", "text"), [
    ({"masks": [("nope",)]}, "there is no feature 'nope'"),
    ({"labels": np.zeros(3)}, "has 10 rows, the labels have 3"),
    ({"predict": lambda columns: np.zeros(2)}, "2 predictions for 10 rows"),
    ({"predict": lambda columns: np.full(10, np.nan)}, "outside 0..1, or NaN"),
    ({"methods": ("magic",)}, "there is no method 'magic'"),
    ({"methods": ("influence",)}, "influence needs the model's gradients"),
    ({"passes": 0}, "passes must be >= 1"),
])  # fmt: skip
def test_what_cannot_be_tried_is_told(change, text):
    given = {"predict": lambda columns: np.full(10, 0.5), "columns": {"a": np.arange(10.0)}, "labels": np.ones(10)}
    with pytest.raises(ValueError, match=text):
        experiment(**{**given, "random": np.random.default_rng(0), **change})


def test_droprank_refuses_a_gradient_of_another_batch():
    ranks = DropRank(["a", "b"])
    ranks.masks(4, np.random.default_rng(0))
    with pytest.raises(ValueError, match="has shape"):
        ranks.learn(np.zeros((3, 2)))
    with pytest.raises(ValueError, match="not finite"):
        ranks.learn(np.full((4, 2), np.nan))

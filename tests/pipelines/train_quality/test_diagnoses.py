"""Each diagnosis finds the fault that is planted, by its place, and says nothing of a healthy model."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from streamgauge.pipelines.train_quality.diagnoses import DIAGNOSES, Finding, Traces, by_worker, diagnose
from streamgauge.pipelines.train_quality.diagnoses.activations import effective_rank, probes
from streamgauge.pipelines.train_quality.diagnoses.gradients import gradient_noise, noise_scale
from streamgauge.pipelines.train_quality.diagnoses.weights import blind_spot_map, first_layer, influence
from streamgauge.tracer.frameworks.plain import Traced
from streamgauge.tracer.read import TracedArray
from streamgauge.tracer.selection import Select
from tests.pipelines.train_quality.network import Network, relu, sigmoid, tanh
from tests.tracer.frameworks.job import Job

Fault = Callable[[Network], None]


def found(network: Network, **options: Any) -> dict[str, list[Finding]]:
    by_name: dict[str, list[Finding]] = {}
    for finding in diagnose(network.train(**options)):
        by_name.setdefault(finding.diagnosis, []).append(finding)
    return by_name


@pytest.mark.parametrize(("activation", "rate"), [(relu, 0.1), (relu, 0.02), (tanh, 0.05)])
def test_a_healthy_model_is_told_nothing(activation: Any, rate: float) -> None:
    assert found(Network(activation=activation, rate=rate)) == {}


def _dead(network: Network) -> None:
    network.weights["dense2/bias"][:20] = -50.0


def _saturated(network: Network) -> None:
    network.weights["dense1/kernel"] *= 40.0


def _frozen(network: Network) -> None:
    network.rates["dense2/kernel"] = 1e-7


def _hot(network: Network) -> None:
    network.rates["dense4/kernel"] = 300.0


def _wide(network: Network) -> None:
    network.weights["dense1/kernel"][FIELD] *= 12.0


FIELD = 13  # of the numbers the sixth


def _flat(network: Network) -> None:
    direction = np.random.default_rng(1).normal(size=(1, 8))
    network.weights["table"] = np.random.default_rng(2).normal(size=(400, 1)) * direction
    network.rates["table"] = 0.01


def _growing(network: Network) -> None:
    network.rates["table"] = 1500.0


def _narrow(network: Network) -> None:
    w = network.weights["dense2/kernel"]
    w[:] = np.outer(w[:, 0], np.ones(w.shape[1]))
    network.rates["dense2/kernel"] = 1e-3


def _constant(network: Network) -> None:
    network.weights["dense2/kernel"][:, :12] = 0.0
    network.weights["dense2/bias"][:12] = 1.0
    network.rates["dense2/kernel"] = 0.0


def _dormant(network: Network) -> None:
    network.weights["dense2/kernel"][:, :12] *= 1e-3
    network.rates |= {"dense2/kernel": 1e-3, "dense2/bias": 0.0}


@pytest.mark.parametrize(
    ("fault", "activation", "diagnosis", "place"),
    [
        (_dead, relu, "dead_units", "dense2"),
        (_saturated, tanh, "saturated_units", "dense1"),
        (_saturated, sigmoid, "saturated_units", "dense1"),
        (_frozen, relu, "frozen_weights", "dense2/kernel"),
        (_wide, relu, "weight_concentration", "dense1/kernel"),
        (_flat, relu, "embedding_collapse", "table"),
        (_growing, relu, "embedding_growth", "table"),
        (_narrow, relu, "low_rank", "dense2/kernel"),
        (_narrow, relu, "collapsed_representation", "dense2"),
        (_constant, relu, "constant_units", "dense2"),
        (_dormant, relu, "dormant_units", "dense2"),
    ],
)
def test_a_fault_is_found_at_its_place(fault: Fault, activation: Any, diagnosis: str, place: str) -> None:
    names = found(Network(activation=activation, fault=fault))
    assert place in [finding.name for finding in names.get(diagnosis, [])], names
    assert place in next(finding for finding in names[diagnosis] if finding.name == place).text


@pytest.mark.parametrize(("scale", "places"), [(1.0, []), (4.0, ["dense1", "dense2", "dense3"])])
def test_units_that_act_otherwise_on_held_out_rows_are_told(scale: float, places: list[str]) -> None:
    asked = Select(collection="activations", emit="units"), Select(collection="held_out", emit="units")
    job, network = Job(*asked), Network()
    traced = Traced(job.tracer, network.weights)
    for number in range(1, 101):
        network.step(number, traced, job)
        if number % 25 == 0:
            ids, x, _ = network.batch()
            h = np.c_[network.weights["table"][ids], scale * x]
            for i in range(1, 4):
                h = relu(h @ network.weights[f"dense{i}/kernel"] + network.weights[f"dense{i}/bias"])[0]
                job.tracer.tensors.raw("held_out", f"dense{i}", h)
    told = [one for one in diagnose(job.arrays()) if one.diagnosis == "held_out_units"]
    assert [one.name for one in told] == places


def test_a_learning_rate_that_is_too_high_for_one_layer_is_found_there() -> None:
    names = found(Network(activation=tanh, fault=_hot), steps=40, every=2)
    assert [finding.name for finding in names["hot_updates"]] == ["dense4/kernel"]
    assert "hot_updates" not in found(Network(activation=tanh), steps=40, every=2)


def test_the_gradient_of_deep_sigmoids_vanishes_and_that_of_steep_ones_explodes() -> None:
    names = found(Network(activation=sigmoid, depth=12), steps=60)
    assert names["vanishing_gradient"][0].name == "dense1/kernel"

    def too_steep(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        h, slope = tanh(x)
        return h, 8.0 * slope  # a derivative of one's own that is wrong

    exploding = found(Network(activation=too_steep, depth=8, rate=1e-12), steps=60)["exploding_gradient"]
    assert exploding[0].name == "dense1/kernel"
    assert exploding[0].value > 1e3


def test_a_feature_that_is_constant_leaves_a_blind_spot_of_its_own() -> None:
    def missing(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x = x.copy()
        x[:, 5:7] = 0.0
        return x, y

    network = Network(data=missing)
    arrays = network.train()
    (finding,) = [one for one in diagnose(arrays) if one.diagnosis == "blind_spots"]
    assert (finding.name, finding.value) == ("dense1/kernel", 0.1)
    assert "(13, 14)" in finding.text
    heat = blind_spot_map(Traces("w", arrays), "dense1/kernel", rows=20, columns=4)
    assert heat is not None
    assert heat.shape == (20, 4)
    assert not heat[13:15].any() and (np.delete(heat, [13, 14], axis=0) > 0.0).all()


@pytest.mark.parametrize(
    ("planted", "place"),
    [("input", "age"), ("activation", "dense2"), ("gradient", "dense3/kernel")],
)
def test_the_first_nan_is_found_where_it_began_and_not_where_it_spread(planted: str, place: str) -> None:
    def fault(network: Network) -> None:
        if planted == "activation":
            network.break_output = lambda step, layer, h: h * (np.nan if (step, layer) == (40, 2) else 1.0)
        elif planted == "gradient":
            network.break_gradient = lambda step, name, g: g * (np.nan if (step, name) == (40, place) else 1.0)

    arrays = Network(fault=fault).train(steps=60, every=1)
    if planted == "input":  # the model's own are not columns: one beside them
        bad = arrays[0]._replace(collection="inputs", name="age", step=40, array=np.array([1.0, np.inf]))
        arrays.append(bad)
    (finding,) = [one for one in diagnose(arrays) if one.diagnosis == "first_nonfinite"]
    assert (finding.name, finding.step) == (place, 40)


def test_the_noise_scale_is_that_of_its_definition_and_higher_where_there_is_nothing_to_learn() -> None:
    def random_labels(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return x, (np.sin(1e6 * x[:, 0]) > 0.0).astype(float)

    def undecided(network: Network) -> None:
        network.weights["dense4/kernel"] *= 0.01

    (learning,) = by_worker(Network(rate=1e-9, fault=undecided).train())
    (guessing,) = by_worker(Network(data=random_labels, rate=1e-9, fault=undecided).train())
    assert gradient_noise(guessing) > 4.0 * gradient_noise(learning)
    assert math.isnan(gradient_noise(by_worker(Network().train(steps=50))[0]))
    generator = np.random.default_rng(1)
    scale, count = noise_scale([0.5 + generator.normal(size=10_000) for _ in range(40)])
    assert (round(scale), count) == (4, 40)  # 10,000 of variance over 2,500


def test_probes_rise_with_depth_where_a_model_learns_and_fall_where_a_layer_loses_it() -> None:
    def losing(network: Network) -> None:
        network.break_output = lambda step, layer, h: (
            np.random.default_rng(step).normal(size=h.shape) if layer == 3 else h
        )

    arrays = Network().train(steps=1200, every=40)
    aucs = probes(Traces("w", arrays))
    assert list(aucs) == ["dense1", "dense2", "dense3"]
    assert min(aucs.values()) > 0.75
    names = found(Network(fault=losing), steps=1200, every=40)
    assert [finding.name for finding in names["layer_probes"]] == ["dense3"]
    assert names["layer_probes"][0].value < 0.65


def test_the_influence_of_an_input_is_gradient_times_input_and_nothing_where_it_is_constant() -> None:
    def one_feature(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x = x.copy()
        x[:, 5] = 0.0
        return x, (x[:, 2] > 0.0).astype(float)

    (traces,) = by_worker(Network(data=one_feature).train())
    layer = first_layer(traces)
    shares = influence(traces, layer)
    assert (layer, len(shares), round(shares.sum(), 9)) == ("dense1/kernel", 20, 1.0)
    assert shares.argmax() == 8 + 2  # behind the embedding
    assert shares[8 + 5] == 0.0
    generator = np.random.default_rng(1)
    x, w, delta = generator.normal(size=(9, 4)), generator.normal(size=(4, 3)), generator.normal(size=(9, 3))
    moved = np.abs((x * (delta @ w.T)).sum(axis=0))
    pair = (("weights", w), ("gradients", x.T @ delta))
    arrays = [TracedArray("j", "w", "a", 1, 1.0, kind, "k", array) for kind, array in pair]
    np.testing.assert_allclose(influence(Traces("w", arrays), "k"), moved / moved.sum())


def test_a_rank_is_that_of_the_dimensions_that_are_used() -> None:
    generator = np.random.default_rng(1)
    assert effective_rank(generator.normal(size=(200, 3)) @ generator.normal(size=(3, 40))) < 3.0
    assert effective_rank(np.zeros((4, 4))) == 0.0
    assert effective_rank(np.linalg.qr(generator.normal(size=(16, 16)))[0]) == pytest.approx(16.0)


def test_of_a_worker_that_restarted_only_its_last_life_is_diagnosed() -> None:
    arrays = Network(fault=_dead).train()
    later = [one._replace(incarnation="b", time=one.time + 1e6) for one in Network().train()]
    assert diagnose([*arrays, *later]) == []


@given(
    st.lists(
        arrays_of.arrays(
            st.sampled_from([np.float32, np.float64, np.int64, np.complex64, np.bool_, "<U3"]),
            arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=9),
        ),
        max_size=4,
    ),
    st.sampled_from(["weights", "gradients", "activations", "updates", "outputs", "inputs"]),
    st.sampled_from(["raw", "units", "histogram"]),
)
def test_no_array_that_a_worker_can_send_breaks_a_diagnosis(
    arrays: list[np.ndarray], collection: str, emit: str
) -> None:
    diagnose(
        TracedArray("j", "w", "a", 30 * i, float(i), collection, name, array, emit)
        for i, array in enumerate(arrays)
        for name in ("a", "labels")
    )


def test_what_is_odd_raises_nothing() -> None:
    odd = [np.zeros((0, 3)), np.zeros(()), np.full((70, 4), np.nan), np.ones((200, 3), np.complex64), np.ones(5, bool)]
    arrays = [
        TracedArray("j", "w", "a", step, float(step), collection, f"t{i}", array)
        for step in (1, 50)
        for collection in ("weights", "gradients", "updates", "activations", "inputs", "outputs")
        for i, array in enumerate(odd)
    ]
    assert {finding.diagnosis for finding in diagnose(arrays)} <= {"first_nonfinite", *DIAGNOSES}

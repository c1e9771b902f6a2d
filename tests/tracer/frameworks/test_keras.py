"""The Keras adapter on real TensorFlow: what it measures is right, and off is the model as it was."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
import pytest

from streamgauge.tracer import control
from streamgauge.tracer.selection import Select
from streamgauge.tracer.summaries import decode

tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed (extra `keras`)")
keras = pytest.importorskip("keras", reason="Keras is not installed (extra `keras`)")

from streamgauge.tracer.frameworks.keras import KerasTracer  # noqa: E402 - after the skip
from streamgauge.tracer.frameworks.keras.held_out import held_out  # noqa: E402
from streamgauge.tracer.frameworks.keras.norms import COLUMNS, Summaries  # noqa: E402
from tests.tracer.frameworks.job import EVERY, RAW, ROWS, Job  # noqa: E402
from tests.tracer.frameworks.keras_model import model_of, rows_of  # noqa: E402

pytestmark = pytest.mark.real

def _taped(model: Any, x: Any, y: Any) -> dict[str, Any]:
    """The gradients of one batch by a tape of our own, those of tables summed by row."""
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x=x, y=tf.constant(y), y_pred=model(x, training=True))
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    return {
        variable.path: np.asarray(tf.convert_to_tensor(gradient))
        for variable, gradient in zip(model.trainable_variables, gradients, strict=True)
    }


def test_gradients_weights_and_updates_are_those_of_the_step() -> None:
    job, model = Job(*EVERY, *RAW), model_of()
    x, y = rows_of(ROWS)
    taped = _taped(model, x, y)
    before = {v.path: v.numpy() for v in model.trainable_variables}
    KerasTracer(job.tracer).attach(model).train_on_batch(x, y)
    after = {v.path: v.numpy() for v in model.trainable_variables}
    assert set(taped) == {"table/embeddings", "hidden/kernel", "hidden/bias", "out/kernel", "out/bias"}
    for name, gradient in taped.items():
        rows = np.unique(x) if name.startswith("table") else slice(None)
        (raw,) = job.raw("gradients", name)
        norm = np.linalg.norm
        if name.startswith("table"):
            assert sorted(norm(raw, axis=1)) == pytest.approx(sorted(norm(gradient[rows], axis=1)), rel=1e-5)
        else:
            np.testing.assert_allclose(raw, gradient, rtol=1e-5, atol=1e-8)
            np.testing.assert_array_equal(job.raw("updates", name)[0], after[name] - before[name])
        np.testing.assert_array_equal(job.raw("weights", name)[0], after[name])
        assert job.values("gradient_norm", f"tensor:{name}") == pytest.approx([norm(gradient)], rel=1e-5)
        assert job.values("weight_norm", f"tensor:{name}") == pytest.approx([norm(after[name])], rel=1e-5)
        ratio = norm(after[name] - before[name]) / max(norm(after[name][rows]), 1e-12)
        assert job.values("update_ratio", f"tensor:{name}") == pytest.approx([ratio], rel=1e-4)


@pytest.fixture(scope="module")
def untraced() -> list[Any]:
    """Weights after a training without a tracer."""
    model = model_of(keras.optimizers.Adagrad(0.1))
    x, y = rows_of(10 * ROWS)
    model.fit(x, y, batch_size=ROWS, shuffle=False, verbose=0)
    return list(model.get_weights())


@pytest.mark.parametrize("mode", ["off", "untraced steps", "traced steps"])
def test_training_is_the_same_to_the_bit(mode: str, untraced: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = rows_of(10 * ROWS)
    if mode == "off":
        monkeypatch.setenv("TRACER", "off")
    every = 1 if mode == "traced steps" else 1000
    job = Job(*(Select(collection=select.collection, every=every) for select in EVERY))
    traced = model_of(keras.optimizers.Adagrad(0.1))
    traced.fit(x, y, batch_size=ROWS, shuffle=False, verbose=0, callbacks=[KerasTracer(job.tracer)])
    for expected, found in zip(untraced, traced.get_weights(), strict=True):
        if mode == "traced steps":  # another graph: the compiler may fuse it in another order
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
        else:
            np.testing.assert_array_equal(found, expected)


def test_training_is_the_same_to_the_bit_where_a_plan_is_refused_and_the_tracer_trips(untraced: list[Any]) -> None:
    job, states = Job(Select(collection="weights", every=1000)), set[str]()
    made = control.plan("ctr", "p", 1, issued=0.0, select=[Select(collection="weights", include="none such")])
    job.log.send([("control", "ctr/p", made)])

    def between(batch: int, logs: Any = None) -> None:
        job.tracer.beat()
        states.update(one.state for one in control.decode_status(job.log.latest("status")["ctr/w"]).plans)
        if batch == 5:
            job.tracer.faults.trip("share", "it costs too much")

    watching = keras.callbacks.LambdaCallback(on_train_batch_end=between)
    traced = model_of(keras.optimizers.Adagrad(0.1))
    x, y = rows_of(10 * ROWS)
    traced.fit(x, y, batch_size=ROWS, shuffle=False, verbose=0, callbacks=[KerasTracer(job.tracer), watching])
    assert states == {"rejected"}
    assert job.tracer.is_off
    for expected, found in zip(untraced, traced.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_fit_tells_loss_rows_and_tensors_and_gives_the_model_back() -> None:
    job, model = Job(), model_of()
    x, y = rows_of(25 * ROWS)
    before = model.evaluate(x[:ROWS], y[:ROWS], verbose=0)
    plain = model.make_train_function()
    model.fit(x, y, batch_size=ROWS, epochs=2, shuffle=False, verbose=0, callbacks=[KerasTracer(job.tracer)])
    assert job.values("rows") == [800.0]
    losses = job.values("loss")
    assert len(losses) == 50
    assert losses[0] == pytest.approx(before, rel=1e-5)
    assert len(job.values("gradient_norm", "tensor:hidden/kernel")) == 5  # every tenth of 50 steps
    assert model.train_function is not None
    assert "KerasTracer" not in repr(model.train_function)
    assert plain is None or model.train_function is plain


def test_dead_units_are_counted_on_relu_like_layers() -> None:
    job, model = Job(*EVERY), model_of()
    hidden = model.get_layer("hidden")
    hidden.bias.assign(np.where(np.arange(8) < 3, -100.0, 0.1).astype("float32"))
    traced = KerasTracer(job.tracer).attach(model)
    for _ in range(5):
        traced.train_on_batch(*rows_of(ROWS))
    (units,) = [decode(s) for batch in job.batches() for s in batch.sketches if s.kind == "units"]
    assert (units.rows, units.dead(), len(units.positives)) == (5 * ROWS, 3, 8)  # type: ignore[attr-defined]


def test_a_loss_that_is_not_finite_is_told_with_the_tensors_that_are_not() -> None:
    job, model = Job(*EVERY), model_of(keras.optimizers.SGD(1e30), activation="linear")
    traced = KerasTracer(job.tracer).attach(model)
    for _ in range(6):
        job.now += 1.0
        traced.train_on_batch(*rows_of(ROWS))
        job.tracer.beat()
    facts = {(fact, entity) for batch in job.batches() for fact, entity, _ in batch.hard}
    assert ("nonfinite", "tensor:out/kernel") in facts
    assert ("nonfinite", "loss") in facts


def test_the_first_layer_whose_output_is_not_finite_is_told_first() -> None:
    job, model = Job(*EVERY), model_of(activation="gelu")
    kernel = model.get_layer("hidden").kernel
    kernel.assign(np.where(np.arange(8) == 3, np.inf, kernel.numpy()))
    KerasTracer(job.tracer).attach(model).train_on_batch(*rows_of(ROWS))
    told = [entity for batch in job.batches() for fact, entity, _ in batch.hard if fact == "nonfinite"]
    assert next(entity for entity in told if entity != "loss") == "tensor:hidden"
    assert "tensor:hidden/kernel" in told


def test_a_plan_changes_what_a_running_model_traces() -> None:
    job, model = Job(), model_of()
    traced = KerasTracer(job.tracer).attach(model)
    x, y = rows_of(ROWS)
    for step in range(1, 31):
        if step == 12:
            select = [
                Select(collection="gradients", include="out/", every=4),
                Select(collection="gradients", names=("hidden/bias",), emit="raw", every=5),
            ]
            made = control.plan("ctr", "debug", 1, issued=0.0, select=select)
            job.log.send([("control", "ctr/debug", made)])
        job.now += 1.0
        traced.train_on_batch(x, y)
        job.tracer.beat()
    assert control.decode_status(job.log.latest("status")["ctr/w"]).plans[0].state == "applied"
    assert len(job.values("gradient_norm", "tensor:out/kernel")) == 1 + 4  # step 10; then every fourth to 28
    assert len(job.values("gradient_norm", "tensor:hidden/kernel")) == 1
    assert len(job.values("weight_norm", "tensor:hidden/kernel")) == 3
    assert [array.shape for array in job.raw("gradients", "hidden/bias")] == [(8,)] * 4


def test_train_on_batch_goes_through_the_join() -> None:
    job, model = Job(), model_of()
    x, y = rows_of(ROWS)
    ids = np.arange(ROWS)
    job.tracer.observe({}, ids=ids, predictions=model.predict_on_batch(x)[:, 0])
    KerasTracer(job.tracer).attach(model).train_on_batch(x, y, ids=ids)
    (pairs,) = [decode(s) for batch in job.batches() for s in batch.sketches if s.kind == "label_buckets"]
    assert pairs.rows == ROWS  # type: ignore[attr-defined]
    assert job.values("labels") == [float(ROWS)]


def test_summaries_serve_a_train_function_of_ones_own() -> None:
    model = model_of()
    variables, optimizer = model.trainable_variables, keras.optimizers.SGD(0.5)
    optimizer.build(variables)
    summaries = Summaries(variables)
    x, y = rows_of(ROWS)

    @tf.function
    def train(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x, training=True) - y))
        gradients = tape.gradient(loss, variables)
        before = summaries.before(gradients)
        optimizer.apply(gradients, variables)
        return loss, summaries.measure(before)

    before = {v.path: v.numpy() for v in variables}
    _, packed = train(x, y)
    tensors = summaries.tensors(packed)
    for variable in variables:
        update = np.linalg.norm(variable.numpy() - before[variable.path])
        assert tensors[variable.path].update == pytest.approx(update, rel=1e-5)
        assert tensors[variable.path].gradient == pytest.approx(update / 0.5, rel=1e-4)


@pytest.mark.parametrize(("value", "bad", "norm"), [(1e25, 0, 1e25 * 3), (np.nan, 9, np.nan), (np.inf, 9, np.inf)])
def test_large_and_non_finite_values_take_the_exact_way(value: float, bad: int, norm: float) -> None:
    variable = keras.Variable(np.zeros((3, 3), "float32"), name="v")
    gradient = tf.fill((3, 3), tf.constant(value, tf.float32))
    summaries = Summaries([variable])
    row = dict(zip(COLUMNS, summaries.measure(summaries.before([gradient])).numpy()[0], strict=True))
    assert row["nonfinite"] == bad
    assert row["gradient"] == pytest.approx(norm, rel=1e-6, nan_ok=True)


def test_the_norm_of_a_large_table_is_estimated_within_two_percent() -> None:
    table = np.random.default_rng(3).normal(size=(70_000, 16)).astype("float32")
    variable = keras.Variable(table, name="table")
    gradient = tf.IndexedSlices(tf.ones((3, 16)), tf.constant([5, 9, 5]), tf.constant([70_000, 16]))
    summaries = Summaries([variable])
    tensor = summaries.tensors(summaries.measure(summaries.before([gradient])))[variable.path]
    assert tensor.weight == pytest.approx(np.linalg.norm(table), rel=0.02)
    assert tensor.touched == pytest.approx(np.linalg.norm(table[[5, 9]]), rel=1e-5)
    assert tensor.gradient == pytest.approx(np.sqrt(16 * 4 + 16), rel=1e-5)


def test_the_gradient_of_many_rows_is_estimated_and_none_that_is_not_finite_is_missed() -> None:
    generator = np.random.default_rng(4)
    variable = keras.Variable(generator.normal(size=(60_000, 8)).astype("float32"), name="table")
    rows = generator.integers(0, 60_000, 20_000)
    values = generator.normal(size=(20_000, 8)).astype("float32")
    summed = np.zeros((60_000, 8))
    np.add.at(summed, rows, values)
    summaries = Summaries([variable])
    for bad in (0, 1):
        values[:bad] = np.nan
        gradient = tf.IndexedSlices(tf.constant(values), tf.constant(rows), tf.constant([60_000, 8]))
        tensor = summaries.tensors(summaries.measure(summaries.before([gradient])))[variable.path]
        assert tensor.nonfinite == 8 * bad
        if not bad:
            assert tensor.gradient == pytest.approx(np.linalg.norm(summed), rel=0.05)
            assert tensor.touched == pytest.approx(np.linalg.norm(variable.numpy()[np.unique(rows)]), rel=0.05)


def test_a_step_that_cannot_be_measured_trains_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    job, model = Job(*EVERY), model_of()
    traced = KerasTracer(job.tracer).attach(model)
    x, y = rows_of(ROWS)
    traced.train_on_batch(x, y)
    before = model.get_weights()
    traced._known.clear()
    traced._measured = tf.function(lambda data: tf.constant(1) + tf.constant("a"))
    traced.train_on_batch(x, y)
    assert any((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))
    assert "tensors are not traced" in caplog.text


def test_eager_models_and_several_steps_an_execution_are_traced_too() -> None:
    for options in ({"run_eagerly": True}, {"steps_per_execution": 3}):
        job, model = Job(*EVERY), model_of(**options)
        x, y = rows_of(6 * ROWS)
        model.fit(x, y, batch_size=ROWS, verbose=0, callbacks=[KerasTracer(job.tracer)])
        assert job.values("rows") == [6.0 * ROWS]
        assert len(job.values("gradient_norm", "tensor:hidden/kernel")) == 6


def test_held_out_rows_are_run_where_a_plan_asks_for_it_and_leave_the_model_as_it_is() -> None:
    job, idle, model = Job(Select(collection="held_out", emit="raw", every=7)), Job(), model_of()
    x, _ = rows_of(ROWS)
    before = [v.numpy() for v in model.variables]
    held_out(idle.tracer, model, x)
    held_out(job.tracer, model, x)
    assert idle.raw_names() == []
    hidden = keras.Model(model.input, model.get_layer("hidden").output)(x)
    np.testing.assert_allclose(job.raw("held_out", "hidden")[0], hidden, rtol=1e-6)
    for then, now in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(then, now.numpy())
    assert "call" not in vars(model.get_layer("hidden"))
    held_out(job.tracer, model, "no rows")
    assert job.tracer.counters["fault_held_out"] == 1

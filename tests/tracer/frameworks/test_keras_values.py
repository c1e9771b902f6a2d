"""What the Keras adapter tells of each step is that step's own, whatever Keras keeps as a running mean."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed (extra `keras`)")
keras = pytest.importorskip("keras", reason="Keras is not installed (extra `keras`)")

from streamgauge.tracer.frameworks.keras import KerasTracer  # noqa: E402
from streamgauge.tracer.reductions import histogram  # noqa: E402
from streamgauge.tracer.selection import Select  # noqa: E402
from tests.tracer.frameworks.job import EVERY, ODD, RAW, ROWS, Job  # noqa: E402 - after the skip
from tests.tracer.frameworks.keras_model import model_of, rows_of  # noqa: E402

pytestmark = pytest.mark.real

KERNEL = "tensor:hidden/kernel"


def _dense(optimizer: Any = None, **options: Any) -> Any:
    keras.utils.set_random_seed(1)
    x = keras.Input((4,))
    hidden = keras.layers.Dense(8, activation="relu", name="hidden")(x)
    model = keras.Model(x, keras.layers.Dense(1, activation="sigmoid", name="out")(hidden))
    model.compile(optimizer or keras.optimizers.SGD(0.5), "binary_crossentropy", **options)
    return model


def _batches(count: int) -> tuple[Any, Any]:
    generator = np.random.default_rng(2)
    return (
        generator.normal(size=(count * ROWS, 4)).astype("float32"),
        generator.integers(0, 2, (count * ROWS, 1)).astype("float32"),
    )


def _fit(job: Job, model: Any, count: int, *others: Any, **options: Any) -> None:
    x, y = _batches(count)
    model.fit(
        x, y, batch_size=ROWS, shuffle=False, verbose=0, callbacks=[*others, KerasTracer(job.tracer)], **options
    )  # fmt: skip


def _losses(model: Any, count: int) -> list[float]:
    """The loss of each batch of a plain training, by Keras itself."""
    x, y = _batches(count)
    parts = [slice(i * ROWS, (i + 1) * ROWS) for i in range(count)]
    return [float(model.train_on_batch(x[part], y[part])) for part in parts]


class _LongEpoch(keras.callbacks.Callback):  # type: ignore[misc]
    """The epoch's means as they are after 10^8 rows."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.model._loss_tracker.count.assign(1e8)
        self.model._loss_tracker.total.assign(5e7)


def test_one_loss_that_is_not_finite_leaves_the_later_ones_of_the_epoch_alone() -> None:
    job, model = Job(), _dense()

    def loss(y: Any, p: Any) -> Any:  # not finite where a label is not, its gradient is
        known = tf.where(tf.math.is_finite(y), y, 0.0)
        return keras.losses.binary_crossentropy(known, p) + tf.stop_gradient(tf.reduce_mean(y * 0.0, axis=-1))

    model.compile(keras.optimizers.SGD(0.5), loss)
    x, y = _batches(6)
    y[ROWS] = np.nan
    model.fit(x, y, batch_size=ROWS, shuffle=False, verbose=0, callbacks=[KerasTracer(job.tracer)])
    expected = _losses(_dense(), 6)
    assert len(job.values("loss")) == 5
    assert job.values("loss")[0] == pytest.approx(expected[0], rel=1e-6)
    assert job.values("nonfinite", "loss") == [1.0]


def test_the_gradients_of_the_batch_whose_loss_is_not_finite_are_kept_and_no_others() -> None:
    job, model = Job(*ODD), _dense()
    x, y = _batches(6)
    x[3 * ROWS] = np.inf
    model.fit(x, y, batch_size=ROWS, shuffle=False, verbose=0, callbacks=[KerasTracer(job.tracer)])
    found = job.arrays()
    assert {one.step for one in found} == {4}  # those after it are not finite either: told once
    assert KERNEL.removeprefix("tensor:") in {one.name for one in found if one.collection == "gradients"}


def test_histograms_and_statistics_by_unit_are_those_of_the_step() -> None:
    forms = [Select(collection="gradients", emit="histogram"), Select(collection="activations", emit="units")]
    job = Job(*EVERY, *RAW, *forms)
    model = model_of()
    x, y = rows_of(20 * ROWS)
    model.fit(x, y, batch_size=ROWS, shuffle=False, verbose=0, callbacks=[KerasTracer(job.tracer)])
    found = {(one.emit, one.collection, one.name): one.array for one in job.arrays() if one.step == 10}
    gradient = found["raw", "gradients", "hidden/kernel"]
    np.testing.assert_array_equal(found["histogram", "gradients", "hidden/kernel"], histogram(gradient))
    assert found["units", "activations", "hidden"].shape == (4, 8)
    assert (found["units", "activations", "hidden"][1] > 0.0).any()


def test_losses_and_rows_of_an_endless_epoch_do_not_stand_still() -> None:
    job = Job()
    _fit(job, _dense(), 5, _LongEpoch())
    assert job.values("loss") == pytest.approx(_losses(_dense(), 5), rel=1e-6)
    assert job.values("rows") == [5.0 * ROWS]


def test_norms_are_those_of_the_unscaled_gradient() -> None:
    norms = []
    for scale in (None, 8.0):
        job = Job(*EVERY)
        _fit(job, _dense(keras.optimizers.SGD(0.5, loss_scale_factor=scale)), 3)
        norms.append(job.values("gradient_norm", KERNEL))
        assert job.values("loss") == pytest.approx(_losses(_dense(), 3), rel=1e-5)
    assert norms[1] == pytest.approx(norms[0], rel=1e-5)


def test_under_accumulation_a_step_is_an_update_and_its_gradient_the_mean() -> None:
    job = Job(*EVERY)
    optimizer = keras.optimizers.SGD(0.5, gradient_accumulation_steps=2, loss_scale_factor=4.0)
    _fit(job, _dense(optimizer), 6)
    whole = Job(*EVERY)
    x, y = _batches(6)
    _dense().fit(x, y, batch_size=2 * ROWS, shuffle=False, verbose=0, callbacks=[KerasTracer(whole.tracer)])
    assert job.values("steps") == [3.0]
    assert job.values("rows") == [6.0 * ROWS]
    assert len(job.values("loss")) == 6
    for name in ("gradient_norm", "update_ratio", "weight_norm"):
        assert job.values(name, KERNEL) == pytest.approx(whole.values(name, KERNEL), rel=1e-4)


def test_an_infinite_gradient_under_dynamic_loss_scaling_is_a_skipped_update() -> None:
    job = Job(*EVERY)
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.5), initial_scale=2.0**127)
    x, y = _batches(8)
    model = _dense(optimizer)
    model.fit(30.0 * x, y, batch_size=ROWS, shuffle=False, verbose=0, callbacks=[KerasTracer(job.tracer)])
    assert job.values("skipped_updates") == [float(8 - int(optimizer.iterations))]
    assert 0.0 < job.values("skipped_updates")[0] < 8.0
    assert not [fact for batch in job.batches() for fact in batch.hard]
    assert len(job.values("weight_norm", KERNEL)) == 8
    assert len(job.values("gradient_norm", KERNEL)) == int(optimizer.iterations)


@pytest.mark.parametrize("every", [1, 3, 100])
def test_each_step_of_an_execution_of_several_counts(every: int) -> None:
    job = Job(*(Select(collection=select.collection, every=every) for select in EVERY))
    _fit(job, _dense(steps_per_execution=4), 10)
    assert job.values("steps") == [10.0]
    assert job.values("rows") == [10.0 * ROWS]
    assert job.values("loss") == pytest.approx(_losses(_dense(), 10), rel=1e-5)
    assert len(job.values("gradient_norm", KERNEL)) == 10 // every


class Twice(keras.Model):  # type: ignore[misc]
    """Two optimizers in a train step of one's own, which tells the loss itself."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = keras.layers.Dense(8, activation="relu", name="hidden")
        self.out = keras.layers.Dense(1, name="out")
        self.second = keras.optimizers.SGD(0.1)

    def call(self, x: Any) -> Any:
        return self.out(self.hidden(x))

    def train_step(self, data: Any) -> Any:
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(self(x, training=True) - y))
        first, second = self.hidden.trainable_variables, self.out.trainable_variables
        gradients = tape.gradient(loss, first + second)
        self.optimizer.apply_gradients(zip(gradients[:2], first, strict=True))
        self.second.apply_gradients(zip(gradients[2:], second, strict=True))
        return {"loss": loss}


def test_a_train_step_of_ones_own_with_two_optimizers_is_traced_whole() -> None:
    keras.utils.set_random_seed(1)
    job, model = Job(*EVERY), Twice()
    model.compile(keras.optimizers.SGD(0.1))
    _fit(job, model, 4)
    assert len(job.values("loss")) == 4
    assert len(set(job.values("loss"))) == 4
    for variable in model.trainable_variables:
        assert len(job.values("update_ratio", f"tensor:{variable.path}")) == 4


def test_callbacks_that_may_run_aside_still_do() -> None:
    for hook in ("on_train_batch_begin", "on_train_batch_end", "on_batch_end"):
        assert getattr(KerasTracer, hook) is getattr(keras.callbacks.Callback, hook)


@pytest.mark.parametrize("form", ["keras", "saved model", "checkpoint", "weights"])
def test_nothing_of_the_tracer_is_saved(form: str, tmp_path: Any) -> None:
    path = str(tmp_path / "model")

    class Save(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            assert "streamgauge" not in logs
            if batch != 11:
                return
            if form == "keras":
                self.model.save(path + ".keras")
            elif form == "saved model":
                self.model.export(path, verbose=False)
            elif form == "checkpoint":
                tf.train.Checkpoint(model=self.model).write(path)
            else:
                self.model.save_weights(path + ".weights.h5")

    job = Job()
    x, y = rows_of(12 * ROWS)
    model = model_of(steps_per_execution=4)
    model.fit(x, y, batch_size=ROWS, verbose=0, callbacks=[KerasTracer(job.tracer), Save()])
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert files
    for file in files:
        content = file.read_bytes().lower()
        assert b"streamgauge" not in content and b"kerastracer" not in content, file
    if form == "checkpoint":
        assert not [name for name, _ in tf.train.list_variables(path) if "ring" in name or "streamgauge" in name]

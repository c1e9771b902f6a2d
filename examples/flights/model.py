"""The model of one airport, as in click prediction: hashed embeddings and weather into a small network, plain SGD.

SGD and leaky ReLU on purpose: with a learning rate 1,000 times too high they reach a non-finite loss within 3 to 5
steps (14 of 14 trials), where Adam never does and ReLU dies instead. One thread: three workers share two cores.
"""

from __future__ import annotations

import os
import pathlib
import zlib
from typing import Any, Final, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from scipy.special import expit

from streamgauge.examples.flights.columns import CATEGORICAL, NUMERIC
from streamgauge.tracer.tracer import Tensor

RATE: Final = 0.1
BATCH: Final = 8
_SLOTS: Final = {"carrier": 64, "tailnum": 4096, "dest": 256, "carrier_dest": 1024, "hour": 24, "weekday": 7}
_WIDTH: Final = {"hour": 4, "weekday": 4}
# Rough centre and scale of each number, so that no statistics of the future enter the model.
_CENTRE: Final = {
    "temp": (55, 20), "dewp": (40, 20), "humid": (60, 20), "wind_dir": (200, 100), "wind_speed": (10, 5),
    "wind_gust": (25, 6), "precip": (0, 0.1), "pressure": (1018, 8), "visib": (9, 2), "plane_age": (11, 7),
    "seats": (140, 70), "distance": (1050, 730),
}  # fmt: skip


class Batch(NamedTuple):
    """Model input: `ids` [n, len(CATEGORICAL)], `numbers` [n, 2 len(NUMERIC)], values, then flags of missing ones."""

    ids: NDArray[np.int32]
    numbers: NDArray[np.float32]


def encode(features: dict[str, NDArray[Any]]) -> Batch:
    """Hash the categories, scale the numbers, zero and flag what is missing."""
    ids = np.stack([_hashed(name, features[name]) for name in CATEGORICAL], axis=1)
    values = np.stack([(features[name] - _CENTRE[name][0]) / _CENTRE[name][1] for name in NUMERIC], axis=1)
    missing = np.isnan(values)
    numbers = np.concatenate([np.clip(np.where(missing, 0.0, values), -5, 5), missing], axis=1)
    return Batch(ids, numbers.astype(np.float32))


def _hashed(name: str, values: NDArray[Any]) -> NDArray[np.int32]:
    slots = _SLOTS[name]
    if name in ("hour", "weekday"):
        return values.astype(np.int32) % slots
    return np.array([zlib.crc32(value.encode()) % slots for value in values.tolist()], np.int32)


class Step(NamedTuple):
    """What one training step computed: its mean loss, and by variable the L2 norms of gradient, weight and update."""

    loss: float
    tensors: dict[str, Tensor]


class Model:
    """Embeddings (8 wide, hour and weekday 4), Dense 32, Dense 16, logit; 44,000 parameters; output bias -1.2."""

    def __init__(self, seed: int = 7) -> None:
        """Build and trace the functions once."""
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        keras.utils.set_random_seed(seed)
        self.net = _build()
        self.optimizer = keras.optimizers.SGD(RATE)
        self.optimizer.build(self.net.trainable_variables)
        self.rate = RATE
        self._names = [variable.path for variable in self.net.trainable_variables]

    def predict(self, batch: Batch) -> NDArray[np.float64]:
        """Probability of being late, shape [n]."""
        logits = self._forward(tf.constant(batch.ids), tf.constant(batch.numbers))
        return np.asarray(expit(logits.numpy().astype(float)))

    def train(self, batch: Batch, labels: NDArray[np.float64]) -> Step:
        """One step of SGD on the mean log loss."""
        arguments = (tf.constant(batch.ids), tf.constant(batch.numbers), tf.constant(labels, tf.float32))
        loss, norms = self._step(*arguments)
        gradients, weights = norms.numpy().astype(float).tolist()
        return Step(
            float(loss),
            {name: Tensor(weight=w, gradient=g, update=self.rate * g)  # plain SGD: the update is rate x gradient
             for name, g, w in zip(self._names, gradients, weights, strict=True)},
        )  # fmt: skip

    def set_rate(self, rate: float) -> None:
        """Change the learning rate of the running model."""
        if rate != self.rate:
            self.rate = rate
            self.optimizer.learning_rate.assign(rate)

    def is_finite(self) -> bool:
        """Whether every weight is finite."""
        return all(bool(np.isfinite(weight).all()) for weight in self.net.get_weights())

    def save(self, path: pathlib.Path) -> None:
        """Write the weights, whole or not at all."""
        draft = path.with_name(f".{path.name}.draft.npz")
        np.savez(draft, *self.net.get_weights())
        draft.replace(path)

    def restore(self, path: pathlib.Path) -> None:
        """Read weights that `save` wrote."""
        with np.load(path, allow_pickle=False) as data:
            self.net.set_weights([data[name] for name in data.files])

    @tf.function(reduce_retracing=True, input_signature=[
        tf.TensorSpec([None, len(CATEGORICAL)], tf.int32), tf.TensorSpec([None, 2 * len(NUMERIC)], tf.float32)
    ])  # fmt: skip
    def _forward(self, ids: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
        return self.net([ids, numbers], training=False)[:, 0]

    @tf.function(reduce_retracing=True, input_signature=[
        tf.TensorSpec([None, len(CATEGORICAL)], tf.int32), tf.TensorSpec([None, 2 * len(NUMERIC)], tf.float32),
        tf.TensorSpec([None], tf.float32),
    ])  # fmt: skip
    def _step(self, ids: tf.Tensor, numbers: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            logits = self.net([ids, numbers], training=True)[:, 0]
            loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels, logits))
        variables = self.net.trainable_variables
        gradients = tape.gradient(loss, variables)
        self.optimizer.apply(gradients, variables)
        norms = [[tf.linalg.global_norm([tensor]) for tensor in side] for side in (gradients, variables)]
        return loss, tf.stack(norms)


def _build() -> keras.Model:
    ids = keras.Input((len(CATEGORICAL),), dtype="int32", name="ids")
    numbers = keras.Input((2 * len(NUMERIC),), name="numbers")
    parts = [
        keras.layers.Embedding(_SLOTS[name], _WIDTH.get(name, 8), name=name)(ids[:, i])
        for i, name in enumerate(CATEGORICAL)
    ]
    x = keras.layers.Concatenate(name="inputs")([*parts, numbers])
    for width in (32, 16):
        x = keras.layers.Dense(width, name=f"dense_{width}")(x)
        x = keras.layers.LeakyReLU(name=f"leaky_{width}")(x)
    logit = keras.layers.Dense(1, bias_initializer=keras.initializers.Constant(-1.2), name="logit")(x)
    return keras.Model([ids, numbers], logit)

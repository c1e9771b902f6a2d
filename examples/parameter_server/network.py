"""The network as TensorFlow 1 jobs write it: variables by name, those of the layers in two parts, Adagrad."""

from __future__ import annotations

from typing import Any, Final

import tensorflow as tf

from streamgauge.examples.flights.columns import CATEGORICAL, NUMERIC

WIDTHS: Final = (64, 32, 16, 8)
SLOTS: Final = 4096
v1: Any = tf.compat.v1


class Network:
    """`ids` [n, 6], `numbers` [n, 24] and `late` [n] come in; `loss`, `probability` [n] and `train` go out."""

    def __init__(self) -> None:
        self.ids = v1.placeholder(tf.int32, (None, len(CATEGORICAL)), "ids")
        self.numbers = v1.placeholder(tf.float32, (None, 2 * len(NUMERIC)), "numbers")
        self.late = v1.placeholder(tf.float32, (None,), "late")
        table = v1.get_variable("table", (SLOTS, 8))
        embedded = v1.nn.embedding_lookup(table, self.ids)
        x = tf.concat([tf.reshape(embedded, (-1, 8 * len(CATEGORICAL))), self.numbers], axis=1)
        for i, width in enumerate(WIDTHS, start=1):
            x = tf.nn.relu(_dense(x, f"layer{i}", width))
        logits = _dense(x, "out", 1)[:, 0]
        self.probability = tf.sigmoid(logits)
        self.loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=self.late, logits=logits))
        step = v1.train.get_or_create_global_step()
        self.train = v1.train.AdagradOptimizer(0.05).minimize(self.loss, global_step=step)


def _dense(x: Any, name: str, width: int) -> Any:
    with v1.variable_scope(name):
        halves = v1.fixed_size_partitioner(2)
        weights = v1.get_variable("weights", (int(x.shape[-1]), width), partitioner=halves)
        biases = v1.get_variable("biases", (width,), initializer=v1.zeros_initializer())
    return tf.matmul(x, tf.convert_to_tensor(weights)) + biases

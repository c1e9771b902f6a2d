"""A TensorFlow 1 session: the same network by variables and a `MonitoredTrainingSession`, a graph an arm."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from benchmarks.frameworks.arms import ANEW, ITEMS, WIDTHS, Step, batch, tracers_for
from streamgauge.tracer.frameworks.tensorflow_v1 import TracerHook
from streamgauge.tracer.tracer import Tracer

v1: Any = tf.compat.v1


def arms() -> tuple[dict[str, Step], list[Tracer]]:
    """A session an arm."""
    tracers = tracers_for("layer4/weights:0")
    steps: dict[str, Step] = {"plain": _session(None), ANEW: lambda: _session(None)}
    return steps | {name: _session(tracer) for name, tracer in tracers.items()}, list(tracers.values())


def names() -> list[str]:
    """Of tensors whose gradients are asked for."""
    return [f"layer{i}/weights:0" for i in range(1, 5)]


def _session(tracer: Tracer | None) -> Step:
    (item, history, numbers), labels = batch()
    with tf.Graph().as_default():
        ids, past = v1.placeholder(tf.int32, (None, 1)), v1.placeholder(tf.int32, (None, 20))
        rest, y = v1.placeholder(tf.float32, (None, 13)), v1.placeholder(tf.float32, (None, 1))
        table = v1.get_variable("table", (ITEMS, 16))
        query, seen = v1.nn.embedding_lookup(table, ids), v1.nn.embedding_lookup(table, past)
        share = tf.nn.softmax(tf.matmul(query, seen, transpose_b=True))
        x = tf.concat([query[:, 0], tf.matmul(share, seen)[:, 0], rest], axis=1)
        for i, width in enumerate((*WIDTHS, 1), start=1):
            with v1.variable_scope(f"layer{i}"):
                weights = v1.get_variable("weights", (int(x.shape[-1]), width))
                biases = v1.get_variable("biases", (width,), initializer=v1.zeros_initializer())
            x = tf.matmul(x, weights) + biases
            x = tf.nn.relu(x) if width > 1 else x
        loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=x))
        train = v1.train.GradientDescentOptimizer(0.05).minimize(loss, v1.train.get_or_create_global_step())
        hooks = [] if tracer is None else [TracerHook(tracer, loss=loss, rows=len(labels))]
        one = v1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
        session = v1.train.MonitoredTrainingSession(hooks=hooks, config=one)
    feed = {ids: item, past: history, rest: numbers, y: labels}
    return lambda: session.run([train, loss], feed)

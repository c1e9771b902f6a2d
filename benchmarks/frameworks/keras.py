"""Keras on TensorFlow: embeddings, attention over the history, a small network, plain SGD."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from benchmarks.frameworks.arms import ANEW, ITEMS, WIDTHS, Step, batch, tracers_for
from streamgauge.tracer.frameworks.keras import KerasTracer
from streamgauge.tracer.tracer import Tracer


def arms() -> tuple[dict[str, Step], list[Tracer]]:
    """One model, whose train function each arm puts back."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    model, (x, y) = _model(), batch()
    model.train_on_batch(x, y)
    own = model.train_function
    tracers = tracers_for(model.get_layer("dense4").kernel.path)

    def plain() -> object:
        model.train_function = own
        return model.train_on_batch(x, y)

    def arm(tracer: Tracer) -> Step:
        model.train_function = own
        traced = KerasTracer(tracer).attach(model)
        dispatch = model.train_function

        def step() -> object:
            model.train_function = dispatch
            return traced.train_on_batch(x, y)

        return step

    def anew() -> object:
        model.make_train_function(force=True)
        return lambda: model.train_on_batch(x, y)

    steps: dict[str, Step] = {"plain": plain, ANEW: anew}
    return steps | {name: arm(tracer) for name, tracer in tracers.items()}, list(tracers.values())


def names() -> list[str]:
    """Of tensors whose gradients are asked for."""
    return [f"dense{i}/kernel" for i in range(1, 5)]


def _model() -> Any:
    item, history = keras.Input((1,), dtype="int32"), keras.Input((20,), dtype="int32")
    numbers = keras.Input((13,))
    table = keras.layers.Embedding(ITEMS, 16)
    query, past = table(item), table(history)
    pooled = keras.layers.Attention()([query, past])
    x = keras.layers.Concatenate()([keras.layers.Flatten()(query), keras.layers.Flatten()(pooled), numbers])
    for i, width in enumerate(WIDTHS, start=1):
        x = keras.layers.Dense(width, activation="relu", name=f"dense{i}")(x)
    model = keras.Model([item, history, numbers], keras.layers.Dense(1, activation="sigmoid")(x))
    model.compile(keras.optimizers.SGD(0.05), "binary_crossentropy")
    return model

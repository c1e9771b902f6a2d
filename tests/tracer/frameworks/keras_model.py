"""A small Keras model and rows for it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np


def model_of(optimizer: Any = None, activation: str = "relu", **options: Any) -> Any:
    keras.utils.set_random_seed(1)
    ids = keras.Input((3,), dtype="int32", name="ids")
    x = keras.layers.Embedding(50, 4, name="table")(ids)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(8, activation=activation, name="hidden")(x)
    model = keras.Model(ids, keras.layers.Dense(1, activation="sigmoid", name="out")(x))
    model.compile(optimizer or keras.optimizers.SGD(0.5), "binary_crossentropy", **options)
    return model


def rows_of(count: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    generator = np.random.default_rng(2)
    return generator.integers(0, 50, (count, 3)).astype("int32"), generator.integers(0, 2, (count, 1)).astype("float32")

"""DeepFM (Guo et al. 2017) in Keras: a factorisation machine and a network on the same embeddings, one a history's."""

from __future__ import annotations

from typing import Any, Final

import keras
import numpy as np
from keras import layers, ops

from streamgauge.examples.easyrec.clicks import Clicks

SIZES: Final = {"user": 4096, "item": 128, "position": 8, "gender": 64, "age": 64}
DIMENSION: Final = 8
HISTORY: Final = 10  # items that a user was shown last
START: Final = -5.2  # the logit of the usual click rate: where the bias begins


def deep_fm(seed: int) -> Any:
    """The model: columns of numbers, one affinity and a history a row; one probability a row."""
    keras.utils.set_random_seed(seed)
    inputs = {name: keras.Input((1,), dtype="int32", name=name) for name in SIZES}
    inputs["history"] = keras.Input((HISTORY,), dtype="int32", name="history")
    inputs["affinity"] = keras.Input((1,), name="affinity")
    tables = {name: layers.Embedding(size, DIMENSION, name=f"{name}_embedding") for name, size in SIZES.items()}
    fields = [layers.Reshape((DIMENSION,))(tables[name](inputs[name])) for name in SIZES]
    fields.append(layers.GlobalAveragePooling1D()(tables["item"](inputs["history"])))
    first = [layers.Reshape((1,))(layers.Embedding(size, 1)(inputs[name])) for name, size in SIZES.items()]
    crossed = _crossed(fields)
    deep = layers.Concatenate()([*fields, inputs["affinity"]])
    for units in (32, 16):
        deep = layers.Dense(units, activation="relu")(deep)
    last = layers.Dense(1, bias_initializer=keras.initializers.Constant(START), name="logit")
    probability = layers.Activation("sigmoid")(layers.Add()([*first, crossed, last(deep)]))
    model = keras.Model(inputs, probability)
    model.compile(optimizer=keras.optimizers.Adam(2e-3), loss="binary_crossentropy", weighted_metrics=[])
    return model


def _crossed(fields: list[Any]) -> Any:
    """The second-order term of a factorisation machine: fields of shape [n, dimension] each -> [n, 1]."""
    stacked = ops.stack(fields, axis=1)
    squares = ops.square(ops.sum(stacked, axis=1)) - ops.sum(ops.square(stacked), axis=1)
    return 0.5 * ops.sum(squares, axis=1, keepdims=True)


def inputs_of(rows: Clicks, history: np.ndarray[Any, Any]) -> dict[str, Any]:
    """What the model is given of some impressions."""
    made: dict[str, Any] = {name: getattr(rows, name).astype(np.int32)[:, None] for name in SIZES}
    return made | {"history": history.astype(np.int32), "affinity": rows.affinity.astype(np.float32)[:, None]}

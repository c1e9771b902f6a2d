"""A small Keras model, a tracer on a bus in memory, and what arrived there."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from streamgauge.tracer import arrays, records
from streamgauge.tracer.selection import BOOT, Select
from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import MemoryLog

EVERY = tuple(Select(collection=c, every=1) for c in ("weights", "gradients", "updates", "activations"))
RAW = tuple(Select(collection=c, every=1, emit="raw") for c in ("weights", "gradients", "updates"))
ROWS = 16


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


class Job:
    """A tracer on a bus in memory, and what arrived there."""

    def __init__(self, *select: Select) -> None:
        self.now = 0.0
        self.log = MemoryLog()
        self.tracer = Tracer(
            "ctr", "w", self.log, clock=lambda: self.now, incarnation="a", usage=False, select=select or BOOT
        )

    def batches(self) -> list[records.TraceBatch]:
        self.tracer.flush()
        decoded = [records.decode(message.value) for message in self.log.read("traces", 0, 10_000)]
        return [batch for batch in decoded if isinstance(batch, records.TraceBatch)]

    def values(self, name: str, entity: str = "") -> list[float]:
        found = []
        for batch in self.batches():
            names, points = records.decode_names(batch.names), records.points(batch)
            rows = zip(points.index.tolist(), points.value.tolist(), strict=True)
            found += [value for i, value in rows if (names[i].name, names[i].entity) == (name, entity)]
        return found

    def raw(self, collection: str, name: str) -> list[Any]:
        self.batches()
        messages = [message.value for message in self.log.read("tensors", 0, 10_000)]
        return [
            arrays.assemble([message])
            for message in messages
            if (arrays.decode(message).collection, arrays.decode(message).name) == (collection, name)
        ]

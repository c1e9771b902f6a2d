"""A `fit` of Keras on the backend that KERAS_BACKEND names, traced; what the tracer told as JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

import keras
import numpy as np

from streamgauge.tracer.frameworks.keras import KerasTracer
from streamgauge.tracer.selection import Select
from tests.tracer.frameworks.job import EVERY, RAW, Job

ROWS = 16


def dense(optimizer: Any, **options: Any) -> Any:
    """Two layers, the same weights each time."""
    keras.utils.set_random_seed(1)
    x = keras.Input((4,))
    hidden = keras.layers.Dense(8, activation="relu", name="hidden")(x)
    model = keras.Model(x, keras.layers.Dense(1, activation="sigmoid", name="out")(hidden))
    for i, variable in enumerate(model.trainable_variables):
        variable.assign(np.random.default_rng(i).normal(size=variable.shape))
    jit = False if keras.backend.backend() == "torch" else "auto"
    model.compile(optimizer, "binary_crossentropy", jit_compile=jit, **options)
    return model


def told(
    optimizer: Any, *select: Select, rows: int = ROWS, is_traced: bool = True, **options: Any
) -> dict[str, Any]:
    """What arrives of six batches of 16 rows."""
    generator = np.random.default_rng(2)
    x = generator.normal(size=(6 * ROWS, 4)).astype("float32")
    y = generator.integers(0, 2, (6 * ROWS, 1)).astype("float32")
    job, model = Job(*(select or (*EVERY, *RAW))), dense(optimizer, **options)
    callbacks = [KerasTracer(job.tracer)] if is_traced else []
    history = model.fit(x, y, batch_size=rows, shuffle=False, verbose=0, callbacks=callbacks)
    name = "tensor:hidden/kernel"
    return {
        "loss": job.values("loss"), "epoch": history.history["loss"][0], "rows": job.values("rows"),
        "steps": job.values("steps"), "skipped": job.values("skipped_updates"),
        "gradient": job.values("gradient_norm", name), "ratio": job.values("update_ratio", name),
        "weight": job.values("weight_norm", name), "hard": [fact for b in job.batches() for fact in b.hard],
        "raw": {c: [a.tolist() for a in job.raw(c, "hidden/kernel")] for c in ("weights", "gradients", "updates")},
        "kernel": np.asarray(model.get_layer("hidden").kernel).tolist(),
        "faults": {n: c for n, c in job.tracer.counters.items() if n.startswith("fault")},
    }  # fmt: skip


def main() -> None:
    """Every case, one JSON object."""
    sgd = keras.optimizers.SGD
    third = tuple(Select(collection=select.collection, every=3) for select in EVERY)
    cases = {
        "plain": told(sgd(0.5), is_traced=False),
        "traced": told(sgd(0.5)),
        "third": told(sgd(0.5), *third),
        "scaled": told(sgd(0.5, loss_scale_factor=8.0)),
        "whole": told(sgd(0.5), rows=2 * ROWS),
        "accumulated, third": told(sgd(0.5, gradient_accumulation_steps=2), *third),
        "accumulated": told(sgd(0.5, gradient_accumulation_steps=2)),
        "skipped": told(keras.optimizers.LossScaleOptimizer(sgd(0.5), initial_scale=2.0**123)),
    }
    if keras.backend.backend() == "jax":
        cases["four"] = told(sgd(0.5), steps_per_execution=4)
    print("TOLD", json.dumps(cases))


if __name__ == "__main__":
    sys.exit(main())

"""What a Keras model's layers give for rows that it does not learn from, where a plan asks for `held_out`.

    held_out(tracer, model, x_validation)      # between two fits, or at an epoch's end; as often as the job likes

The neurons that fluctuate on training's rows and not on these, or the other way, are a diagnosis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import keras

from streamgauge.tracer.frameworks.keras.outside import patched, relu_like
from streamgauge.tracer.selection import Entry
from streamgauge.tracer.tracer import Tracer

ROWS: Final = 256  # of those that are given


def held_out(tracer: Tracer, model: Any, x: Any) -> None:
    """Run the model on the first rows of `x`, if a plan asks for what its layers give; nothing is raised."""
    try:
        layers = relu_like(model)
        tracer.tensors.declare([Entry(name=name, collection="held_out") for _, name in layers])
        wanted = [(layer, name) for layer, name in layers if tracer.tensors.takes_raw("held_out", name)]
        if not wanted:
            return
        given: dict[str, Any] = {}
        with patched([(layer, "call", _keeping(layer.call, name, given)) for layer, name in wanted]):
            model(keras.tree.map_structure(lambda rows: rows[:ROWS], x), training=False)
        for name, output in given.items():
            tracer.tensors.raw("held_out", name, keras.ops.convert_to_numpy(output))
    except Exception as error:
        tracer.faults.count("held_out", error)


def _keeping(call: Callable[..., Any], name: str, given: dict[str, Any]) -> Callable[..., Any]:
    def kept(*arguments: Any, **options: Any) -> Any:
        given[name] = output = call(*arguments, **options)
        return output

    return kept

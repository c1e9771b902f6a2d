"""Keras 3 on each of its backends: `KerasTracer` is that of the one that Keras runs on.

    model.fit(data, callbacks=[KerasTracer(tracer)])

Only the backend's own file imports that backend.
"""

from __future__ import annotations

from typing import Any

import keras

__all__ = ["KerasTracer", "Summaries"]

_BACKEND = keras.backend.backend()


def __getattr__(name: str) -> Any:
    """`KerasTracer`; and `Summaries`, where Keras runs on TensorFlow."""
    if name == "Summaries" and _BACKEND == "tensorflow":
        from streamgauge.tracer.frameworks.keras.norms import Summaries

        return Summaries
    if name != "KerasTracer":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r} on the backend {_BACKEND}")
    if _BACKEND == "jax":
        from streamgauge.tracer.frameworks.keras.jax import KerasTracer

        return KerasTracer
    if _BACKEND == "torch":
        from streamgauge.tracer.frameworks.keras.torch import KerasTracer as OnTorch

        return OnTorch
    from streamgauge.tracer.frameworks.keras.tensorflow import KerasTracer as OnTensorFlow

    return OnTensorFlow

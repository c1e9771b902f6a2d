"""For training loops of one's own on NumPy arrays: what the plans ask for is measured, the rest is not touched.

>>> import numpy as np
>>> from streamgauge.tracer.transport import MemoryLog
>>> weight, gradient = np.ones(4), np.full(4, 0.5)
>>> tracer = Tracer("ctr", "w", MemoryLog(), clock=lambda: 0.0)
>>> traced = Traced(tracer, {"dense": weight})
>>> for _ in range(10):  # every tenth step is traced
...     before = traced.before()
...     weight -= 0.1 * gradient
...     tensors = traced.tensors({"dense": gradient}, before)
...     tracer.step(loss=1.0, rows=8, tensors=tensors)
>>> list(tensors)
['dense']
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from streamgauge.tracer.selection import Entry
from streamgauge.tracer.tracer import Tensor, Tracer

Array = NDArray[Any]


class Traced:
    """The parameters of a model, by name; arrays that the job updates in place."""

    def __init__(self, tracer: Tracer, parameters: Mapping[str, Array]) -> None:
        self._tracer = tracer
        self._parameters = dict(parameters)
        tracer.tensors.declare([
            Entry(name=name, collection=collection, shape=array.shape, dtype=str(array.dtype), bytes=array.nbytes)
            for name, array in self._parameters.items()
            for collection in ("weights", "gradients", "updates")
        ])  # fmt: skip

    def before(self) -> dict[str, Array] | None:
        """Copies of the parameters whose update is traced in the step that runs now; None if no tensor is."""
        tracer = self._tracer
        if not tracer.tensors.is_due:
            return None
        return {
            name: array.copy()
            for name, array in self._parameters.items()
            if tracer.tensors.takes("updates", name) or tracer.tensors.takes_raw("updates", name)
        }

    def tensors(self, gradients: Mapping[str, Array], before: Mapping[str, Array] | None) -> dict[str, Tensor]:
        """What `Tracer.step` takes, after the update; nothing where `before` gave None."""
        if before is None:
            return {}
        return {
            name: Tensor(weight, gradients.get(name), weight - before[name] if name in before else None)
            for name, weight in self._parameters.items()
        }

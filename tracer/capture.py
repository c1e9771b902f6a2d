"""What a call of the tracer keeps of its arguments: copies of the selected columns, norms of the selected tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from streamgauge.tracer.events import Array, Measured, Tensor, measure
from streamgauge.tracer.rows import name_of
from streamgauge.tracer.selection import Collection, Entry, Selection

MOST: Final = 10_000  # entries of a catalogue
_PARTS: Final[tuple[tuple[Collection, str], ...]] = (
    ("weights", "weight"),
    ("gradients", "gradient"),
    ("updates", "update"),
    ("activations", "positives"),
)
_NOTHING: Final[dict[str, Any]] = dict.fromkeys(("weight", "gradient", "update", "positives", "touched"))
Emit = Callable[[Collection, str, Any], None]  # takes a raw array that a plan asked for


class Capture:
    """The selected parts of arguments; what is seen for the first time goes to `catalogue`."""

    def __init__(self, catalogue: dict[tuple[str, str], Entry], emit: Emit) -> None:
        self._catalogue = catalogue
        self._emit = emit

    def features(self, features: Mapping[str, ArrayLike], selection: Selection, step: int) -> dict[str, Array]:
        """Copies of the selected columns."""
        columns: dict[str, Array] = {}
        for key, values in features.items():
            name, column = name_of(key), np.array(values).ravel()
            self.list("features", name, column)
            if selection.takes("features", name, step):
                columns[name] = column
            if selection.has_raw("inputs") and selection.takes("inputs", name, step, "raw"):
                self._emit("inputs", name, column)
        return columns

    def tensors(self, tensors: Mapping[str, Tensor], selection: Selection, step: int) -> dict[str, Measured]:
        """Norms and counts of the parts of each tensor that are traced at this step."""
        raw = [selection.has_raw(collection) for collection, _ in _PARTS]
        found: dict[str, Measured] = {}
        for key, tensor in tensors.items():
            name, kept = name_of(key), dict[str, Any]()
            for (collection, part), is_raw in zip(_PARTS, raw, strict=True):
                value = getattr(tensor, part)
                if value is None:
                    continue
                self.list(collection, name, value)
                if selection.takes(collection, name, step):
                    kept[part] = value
                if is_raw and np.ndim(value) and selection.takes(collection, name, step, "raw"):
                    self._emit(collection, name, value)
            if "update" in kept:  # the ratio needs what was updated
                kept["touched"] = tensor.weight if tensor.touched is None else tensor.touched
            if kept:
                found[name] = measure(tensor._replace(**_NOTHING | kept))
        return found

    def list(self, collection: Collection, name: str, value: ArrayLike | None = None) -> None:
        """Put something seen for the first time on the catalogue."""
        if (collection, name) in self._catalogue or len(self._catalogue) >= MOST:
            return
        entry = Entry(name=name, collection=collection)
        if value is not None:
            array = np.asarray(value)
            entry = Entry(
                name=name, collection=collection, shape=array.shape, dtype=str(array.dtype), bytes=array.nbytes
            )
        self._catalogue[collection, name] = entry
        if collection == "features":
            self.list("inputs", name, value)

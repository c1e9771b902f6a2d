"""The traced arrays of one worker as diagnoses read them: by collection and name, step by step; pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.read import TracedArray
from streamgauge.tracer.reductions import units

Floats = NDArray[np.float64]


class Finding(NamedTuple):
    """What a diagnosis says of one tensor of one worker."""

    diagnosis: str
    worker: str
    name: str
    step: int  # the last one that was looked at
    value: float
    text: str  # what it is, with its number, and where to look


class Traces:
    """All arrays of one worker; names are in the order in which a step sends them, which is that of the model."""

    def __init__(self, worker: str, arrays: Iterable[TracedArray]) -> None:
        self.worker = worker
        self._arrays: dict[tuple[str, str], dict[str, dict[int, Floats]]] = {}
        for one in arrays:
            if one.array.dtype.kind not in "iufcb" or not one.array.size:
                continue  # words, nothing
            if one.emit == "units" and (one.array.ndim != 2 or len(one.array) != 4):
                continue
            forms = self._arrays.setdefault((one.collection, one.name), {})
            forms.setdefault(one.emit, {})[one.step] = _numbers(one.array)

    def names(self, collection: str) -> list[str]:
        """Tensors of a collection."""
        return [name for found, name in self._arrays if found == collection]

    def raw(self, collection: str, name: str) -> dict[int, Floats]:
        """Arrays by step."""
        return self._arrays.get((collection, name), {}).get("raw", {})

    def last(self, collection: str) -> Iterator[tuple[str, int, Floats]]:
        """The last raw array of each tensor: name, step, values."""
        for name in self.names(collection):
            found = self.raw(collection, name)
            if found:
                step = max(found)
                yield name, step, found[step]

    def units(self, name: str, collection: str = "activations") -> dict[int, Floats]:
        """Statistics by unit of an activation (`tracer.reductions.units`), by step; from raw arrays where need be."""
        forms = self._arrays.get((collection, name), {})
        made = {step: units(array).astype(np.float64) for step, array in forms.get("raw", {}).items()}
        return made | forms.get("units", {})

    def steps(self) -> list[int]:
        """All steps of which something is known, ascending."""
        return sorted({step for forms in self._arrays.values() for found in forms.values() for step in found})

    def finding(self, diagnosis: str, name: str, step: int, value: float, text: str) -> Finding:
        """A finding of this worker."""
        return Finding(diagnosis, self.worker, name, step, value, text)


def percent(share: float) -> str:
    """A share in words.

    >>> percent(0.934), percent(0.0042)
    ('93 %', '0.4 %')
    """
    return f"{100 * share:.0f} %" if share >= 0.1 or share == 0.0 else f"{100 * share:.1f} %"


def norm(array: Floats) -> float:
    """The L2 norm of the finite values."""
    finite = array[np.isfinite(array)]
    return math.sqrt(float(np.dot(finite.ravel(), finite.ravel())))


def is_matrix(array: Floats) -> bool:
    """Whether an array is the weight of a layer: two or more axes of two or more values."""
    return array.ndim >= 2 and min(array.shape[0], array.shape[-1]) >= 2


def is_table(array: Floats) -> bool:
    """Whether weights are rows of an embedding, by their shape: eight or more rows for each column."""
    return array.ndim == 2 and len(array) >= 8 * array.shape[1] and len(array) >= 64


def _numbers(array: NDArray[np.generic]) -> Floats:
    return np.asarray(np.abs(array) if array.dtype.kind == "c" else array, np.float64)

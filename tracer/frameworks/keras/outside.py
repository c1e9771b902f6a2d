"""What the adapters for Keras share: attaching to `fit`, the catalogue, layers of interest, patching for a while."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import keras

from streamgauge.tracer.selection import Collection, Entry, Selection
from streamgauge.tracer.tracer import Tracer

KEY: Final = "streamgauge"
RELU_LIKE: Final = frozenset({"relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "swish", "prelu"})
COLLECTIONS: Final[tuple[Collection, ...]] = ("weights", "gradients", "updates")


class OutsideTracer(keras.callbacks.Callback):  # type: ignore[misc]
    """A callback that gives the model a train function of its own for as long as `fit` runs.

    It keeps the model itself: Keras' `self.model` would bring the values into the variables at every look.
    """

    def __init__(self, tracer: Tracer) -> None:
        super().__init__()
        self.tracer = tracer
        self._model_of_fit: Any = None
        self._plain: Any = None
        self._names: list[str] = []

    def on_train_begin(self, logs: Any = None) -> None:
        """`fit` begins."""
        if self.tracer.is_closed:
            return
        model = self._model_of_fit = self.model
        self._names = [variable.path for variable in model.trainable_variables]
        self.tracer.tensors.declare([
            Entry(name=v.path, collection=collection, shape=tuple(v.shape), dtype=str(v.dtype), bytes=_bytes(v))
            for v in model.trainable_variables for collection in COLLECTIONS
        ])  # fmt: skip
        self._plain = model.train_function
        model.train_function = self._dispatch

    def on_train_end(self, logs: Any = None) -> None:
        """`fit` is over: the model has its own train function back."""
        model, self._model_of_fit = self._model_of_fit, None
        if model is not None and model.train_function == self._dispatch:
            model.train_function = self._plain

    def _dispatch(self, *arguments: Any) -> Any:
        raise NotImplementedError

    def _raw(self) -> tuple[tuple[str, str], ...]:
        """What is wanted whole, at some step."""
        return self._raw_of(self.tracer.selection)

    def _raw_of(self, selection: Selection) -> tuple[tuple[str, str], ...]:
        return tuple((c, name) for name in self._names for c in COLLECTIONS if selection.covers(c, name, "raw"))

    def _harmless(self, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except Exception as error:
            self.tracer.faults.count("keras", error)
            return None


@contextmanager
def patched(patches: Sequence[tuple[Any, str, Callable[..., Any]]]) -> Iterator[None]:
    """Attributes of Keras objects replaced for a while, past Keras's own tracking of attributes."""
    before = [(target, name, vars(target).get(name)) for target, name, _ in patches]
    for target, name, function in patches:
        object.__setattr__(target, name, function)
    try:
        yield
    finally:
        for target, name, own in before:
            if own is None:
                object.__delattr__(target, name)
            else:
                object.__setattr__(target, name, own)


def relu_like(model: Any) -> list[tuple[Any, str]]:
    """Layers that end in something like a ReLU, by their path."""
    found = []
    for layer in _layers(model):
        activation = getattr(layer, "activation", None)
        kind = type(layer).__name__.lower().replace("leakyrelu", "leaky_relu")
        if {getattr(activation, "__name__", ""), kind} & RELU_LIKE:
            found.append((layer, layer.path or layer.name))  # not built yet: no path
    return found


def inner_of(optimizer: Any) -> Any:
    """The optimizer inside one that scales the loss, or itself."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def _bytes(variable: Any) -> int:
    size = {"float64": 8, "int64": 8, "float16": 2, "bfloat16": 2}.get(str(variable.dtype), 4)
    return int(math.prod(variable.shape)) * size


def _layers(model: Any) -> Iterator[Any]:
    for layer in getattr(model, "layers", ()):
        yield layer
        yield from _layers(layer)

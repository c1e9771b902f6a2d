"""What of a TensorFlow 1 graph can be traced: its variables, their gradients and updates, activations, by their names.

Everything here reads the graph; `tracer.frameworks.graph_probes` adds to it.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import tensorflow as tf

SCOPE: Final = "streamgauge"
RELU_LIKE: Final = frozenset({"Relu", "Relu6", "LeakyRelu", "Elu", "Selu"})
_GRADIENTS: Final = re.compile(r"(^|/)gradients(_\d+)?/")
_UPDATES: Final = re.compile(
    r"(Resource)?(Sparse)?Apply\w+|(Resource)?Scatter(Add|Sub|Update)|Assign(Add|Sub)(VariableOp)?"
)
_DEPTH: Final = 24  # operations between a gradient and the update, at most: clipping takes about six


class Part(NamedTuple):
    """One variable, or one part of a partitioned one, and the operation that updates it."""

    name: str  # as in the graph: "layer1/weights/part_1:0"
    variable: Any
    update: Any  # the operation
    scope: str  # of the optimizer's call: what is updated together
    gradient: Any | None  # before clipping
    indices: Any | None  # of a sparse gradient
    read: Any | None  # what the gradient was computed from; None: nothing that stays as it was is at hand
    is_shared: bool  # on a parameter server, where others update it, too


def parts_of(graph: Any) -> list[Part]:
    """The trainable variables that something in the graph updates, by name; partitioned ones part by part."""
    variables = graph.get_collection(tf.compat.v1.GraphKeys.TRAINABLE_VARIABLES)
    found = {v.name: part for v in variables if (part := _part_of(v)) is not None}
    return [found[name] for name in sorted(found)]


def activations_of(graph: Any) -> dict[str, Any]:
    """Outputs of ReLU-like operations and those in the collection `activations`, by name."""
    listed = graph.get_collection(tf.compat.v1.GraphKeys.ACTIVATIONS)
    outputs = [tensor for tensor in listed if isinstance(tensor, tf.Tensor)]
    outputs += [
        operation.outputs[0]
        for operation in graph.get_operations()
        if operation.type in RELU_LIKE and not _GRADIENTS.search(operation.name)
    ]
    return {
        tensor.name: tensor
        for tensor in sorted(outputs, key=lambda tensor: str(tensor.name))
        if (tensor.shape.rank or 0) >= 2 and tensor.shape[-1] and tensor.dtype.is_floating
    }


def groups_of(graph: Any, name: str) -> tuple[str, ...]:
    """The collections of the graph that hold a variable or tensor of this name."""
    keys = [key for key in graph.get_all_collection_keys() if isinstance(key, str)]
    held = {key: {getattr(item, "name", None) for item in graph.get_collection_ref(key)} for key in keys}
    return tuple(sorted(key for key, names in held.items() if name in names))


def has_collectives(graph: Any) -> bool:
    """Whether workers wait for each other inside a step: all-reduce of TensorFlow's own or of Horovod."""
    return any(operation.type.startswith(("Collective", "Horovod")) for operation in graph.get_operations())


def reaches(operations: list[Any], wanted: set[Any]) -> set[Any]:
    """Those of `wanted` that running `operations` runs, too."""
    seen, queue = set(operations), deque(operations)
    while queue:
        operation = queue.popleft()
        for other in _before(operation):
            if other not in seen:
                seen.add(other)
                queue.append(other)
    return seen & wanted


def _part_of(variable: Any) -> Part | None:
    handle = variable.handle if _is_resource(variable) else variable._ref()
    updates = [op for op in handle.consumers() if _UPDATES.fullmatch(op.type)]
    if not updates:
        return None
    update = updates[0]
    gradient = _input_of(update, "grad", "delta", "updates", "value")
    indices = _input_of(update, "indices")
    if gradient is not None:
        gradient = _nearest(gradient, lambda tensor: _fits(tensor, variable, is_sparse=indices is not None))
    if indices is not None:
        indices = _nearest(indices, lambda tensor: tensor.dtype.is_integer and tensor.shape.rank == 1)
    if gradient is not None and not _GRADIENTS.search(gradient.op.name) and "Scatter" in update.type:
        gradient = None  # the step, not the gradient
    read = _read_of(variable, gradient) if _is_resource(variable) and indices is None else None
    scope = update.name.split("/update")[0]
    return Part(variable.name, variable, update, scope, gradient, indices, read, "/job:ps" in (variable.device or ""))


def _is_resource(variable: Any) -> bool:
    return bool(variable.dtype.base_dtype == variable.dtype and hasattr(variable, "handle"))


def _input_of(operation: Any, *names: str) -> Any | None:
    arguments = [argument.name for argument in operation.op_def.input_arg]
    return next((operation.inputs[arguments.index(name)] for name in names if name in arguments), None)


def _fits(tensor: Any, variable: Any, *, is_sparse: bool) -> bool:
    shape, whole = tensor.shape, variable.shape
    if tensor.dtype != variable.dtype.base_dtype or shape.rank is None:
        return False
    if is_sparse:  # rows of a table
        return bool(shape.rank == whole.rank and shape[1:].is_compatible_with(whole[1:]))
    return bool(shape.is_compatible_with(whole))


def _nearest(tensor: Any, fits: Callable[[Any], bool]) -> Any:
    """Going back from a tensor, the first one that the gradient computation made: what clipping has not touched.

    The tensor itself where there is none.
    """
    seen, queue = {tensor.op}, deque([(tensor, 0)])
    while queue:
        one, depth = queue.popleft()
        if _GRADIENTS.search(one.op.name) and fits(one):
            return one
        for other in one.op.inputs:
            if other.op not in seen and depth < _DEPTH:
                seen.add(other.op)
                queue.append((other, depth + 1))
    return tensor


def _read_of(variable: Any, gradient: Any | None) -> Any | None:
    """A read of the variable that its gradient depends on, so that it comes before the update by construction."""
    if gradient is None:
        return None
    reads = {op for op in variable.handle.consumers() if op.type == "ReadVariableOp"}
    found = sorted(reaches([gradient.op], reads), key=lambda op: str(op.name))
    return found[0].outputs[0] if found else None


def _before(operation: Any) -> Iterator[Any]:
    for tensor in operation.inputs:
        yield tensor.op
    yield from operation.control_inputs

"""Reverse-mode derivatives of the few operations that `network` is made of: arrays that remember where they come from.

Only what a small network needs, in numpy, so that it learns within the stream without a framework. Checked against
differences in the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Back = Callable[[Floats], Sequence[Floats]]  # from the derivative by the result to those by its parents


class Node:
    """An array [..., n] and how it was made; `gradient` is there after `derive`.

    >>> x = Node(np.array([[1.0, 2.0]]))
    >>> derive(mean(multiply(x, x)))
    >>> x.gradient.tolist()
    [[1.0, 2.0]]
    """

    __slots__ = ("back", "gradient", "parents", "value")

    def __init__(self, value: Floats, parents: tuple[Node, ...] = (), back: Back | None = None) -> None:
        self.value, self.parents, self.back = value, parents, back
        self.gradient: Floats = np.zeros(0)


def derive(loss: Node) -> None:
    """The derivative of a scalar by everything it was made of."""
    order = _ordered(loss)
    for node in order:
        node.gradient = np.zeros_like(node.value)
    loss.gradient = np.ones_like(loss.value)
    for node in order:
        if node.back is not None:
            for parent, part in zip(node.parents, node.back(node.gradient), strict=True):
                parent.gradient = parent.gradient + part


def linear(x: Node, weight: Node, bias: Node) -> Node:
    """Of x [m, i]: x @ weight [i, o] + bias [o]."""

    def back(g: Floats) -> Sequence[Floats]:
        return g @ weight.value.T, x.value.T @ g, g.sum(axis=0)

    return Node(x.value @ weight.value + bias.value, (x, weight, bias), back)


def add(x: Node, y: Node) -> Node:
    """Of equal shapes."""
    return Node(x.value + y.value, (x, y), lambda g: (g, g))


def multiply(x: Node, y: Node) -> Node:
    """Element by element; y may be [m, 1]."""

    def back(g: Floats) -> Sequence[Floats]:
        by_y = g * x.value
        return g * y.value, by_y if y.value.shape == x.value.shape else by_y.sum(axis=1, keepdims=True)

    return Node(x.value * y.value, (x, y), back)


def scale(x: Node, factor: float, offset: float = 0.0) -> Node:
    """A number times x, plus a number."""
    return Node(factor * x.value + offset, (x,), lambda g: (factor * g,))


def tanh(x: Node) -> Node:
    """Hyperbolic tangent."""
    value = np.tanh(x.value)
    return Node(value, (x,), lambda g: (g * (1.0 - np.square(value)),))


def sigmoid(x: Node) -> Node:
    """The logistic function."""
    value = 0.5 * (1.0 + np.tanh(0.5 * x.value))
    return Node(value, (x,), lambda g: (g * value * (1.0 - value),))


def log(x: Node) -> Node:
    """Natural logarithm of what is at least 1e-9."""
    safe = np.maximum(x.value, 1e-9)
    return Node(np.log(safe), (x,), lambda g: (g / safe,))


def joined(parts: Sequence[Node]) -> Node:
    """Side by side, along the last axis."""
    ends = np.cumsum([part.value.shape[1] for part in parts])[:-1]
    return Node(
        np.concatenate([part.value for part in parts], axis=1), tuple(parts), lambda g: np.split(g, ends, axis=1)
    )


def column(x: Node, place: int) -> Node:
    """One column, [m, 1]."""

    def back(g: Floats) -> Sequence[Floats]:
        whole = np.zeros_like(x.value)
        whole[:, place : place + 1] = g
        return (whole,)

    return Node(x.value[:, place : place + 1], (x,), back)


def dot(x: Node, y: Node) -> Node:
    """Of rows, [m, 1]."""
    return Node((x.value * y.value).sum(axis=1, keepdims=True), (x, y), lambda g: (g * y.value, g * x.value))


def softmax(x: Node, width: int) -> Node:
    """Within groups of `width` columns."""
    grouped = x.value.reshape(len(x.value), -1, width)
    power = np.exp(grouped - grouped.max(axis=2, keepdims=True))
    value = power / power.sum(axis=2, keepdims=True)

    def back(g: Floats) -> Sequence[Floats]:
        by = g.reshape(value.shape)
        return ((value * (by - (by * value).sum(axis=2, keepdims=True))).reshape(x.value.shape),)

    return Node(value.reshape(x.value.shape), (x,), back)


def mean(x: Node) -> Node:
    """Over all elements."""
    return Node(np.array(x.value.mean()), (x,), lambda g: (np.full_like(x.value, float(g) / x.value.size),))


def _ordered(last: Node) -> list[Node]:
    """Every node that `last` was made of, each before its parents."""
    found: list[Node] = []
    seen: set[int] = set()
    stack = [(last, False)]
    while stack:
        node, is_done = stack.pop()
        if is_done:
            found.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack += [(parent, False) for parent in node.parents]
    return found[::-1]

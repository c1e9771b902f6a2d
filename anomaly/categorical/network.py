"""An adversarial autoencoder with recurrence and attention over scales, the idea of AMAD (Gao et al. 2019, 1907.06582).

A block is the root of the share of each bucket, feature by feature. It is encoded together with its means over longer
scales; a recurrent unit carries what came before, and says by attention which scale counts; a short code is decoded to
the shares of every feature again, and a discriminator keeps the codes like draws of a normal law (Makhzani et al.
2015). Only the abstract of the paper was at hand: its idea is built here, not its code, and no number of it is quoted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from streamgauge.anomaly.categorical import tape
from streamgauge.anomaly.categorical.tape import Floats, Node

HIDDEN: Final = 32
CODE: Final = 6
SCALES: Final = (1.0, 8.0, 56.0)  # blocks that a mean is over
ADVERSARY: Final = 0.02  # weight of being like a normal law
_RATE: Final = 0.003
_FIRST, _SECOND = 0.9, 0.99
Weights = dict[str, Floats]
Nodes = dict[str, Node]
OF_ADVERSARY: Final = ("judge", "judge+", "verdict", "verdict+")


def fresh(size: int, generator: np.random.Generator) -> Weights:
    """First weights for blocks of `size` buckets."""
    sizes = {
        "encode": (size, HIDDEN), "update": (2 * HIDDEN, HIDDEN), "reset": (2 * HIDDEN, HIDDEN),
        "propose": (2 * HIDDEN, HIDDEN), "ask": (HIDDEN, HIDDEN), "code": (2 * HIDDEN, CODE),
        "widen": (CODE, HIDDEN), "decode": (HIDDEN, size), "judge": (CODE, HIDDEN), "verdict": (HIDDEN, 1),
    }  # fmt: skip
    weights = {name: generator.normal(0.0, (1.0 / shape[0]) ** 0.5, shape) for name, shape in sizes.items()}
    return weights | {f"{name}+": np.zeros(shape[1]) for name, shape in sizes.items()}


def nodes(weights: Weights) -> Nodes:
    """The weights as what derivatives are taken by."""
    return {name: Node(value) for name, value in weights.items()}


def step(at: Nodes, scaled: Sequence[Floats], memory: Node, width: int) -> tuple[Node, Node, Node]:
    """One block of a batch: the decoded shares [m, size], the code [m, CODE] and the memory after it [m, HIDDEN].

    `scaled` holds the block and its means over longer scales, each [m, size].
    """
    encoded = [tape.tanh(_layer(at, "encode", Node(one))) for one in scaled]
    asked = _layer(at, "ask", memory)
    likeness = tape.joined([tape.scale(tape.dot(one, asked), HIDDEN**-0.5) for one in encoded])
    attention = tape.softmax(likeness, len(scaled))
    context = tape.multiply(encoded[0], tape.column(attention, 0))
    for place, one in enumerate(encoded[1:], 1):
        context = tape.add(context, tape.multiply(one, tape.column(attention, place)))
    code = _layer(at, "code", tape.joined([context, memory]))
    wide = tape.tanh(_layer(at, "widen", code))
    shares = tape.softmax(_layer(at, "decode", wide), width)
    return shares, code, _recalled(at, encoded[0], memory)


def losses(at: Nodes, sequence: Sequence[Sequence[Floats]], width: int) -> tuple[Node, list[Node]]:
    """What successive blocks of a batch cost, entropy and adversary, and their codes."""
    memory, total, codes = Node(np.zeros((len(sequence[0][0]), HIDDEN))), Node(np.array(0.0)), list[Node]()
    for scaled in sequence:
        shares, code, memory = step(at, scaled, memory, width)
        likely = tape.multiply(tape.log(shares), Node(np.square(scaled[0])))
        total = tape.add(total, tape.scale(tape.mean(likely), -float(width)))
        total = tape.add(total, tape.scale(tape.mean(tape.log(judged(at, code))), -ADVERSARY))
        codes.append(code)
    return tape.scale(total, 1.0 / len(sequence)), codes


def judged(at: Nodes, code: Node) -> Node:
    """How much codes [m, CODE] look like draws of a normal law, 0..1, [m, 1]."""
    return tape.sigmoid(_layer(at, "verdict", tape.tanh(_layer(at, "judge", code))))


def exposed(at: Nodes, codes: Floats, drawn: Floats) -> Node:
    """What it costs the discriminator to take codes for drawn ones and the other way round."""
    true = tape.mean(tape.log(judged(at, Node(drawn))))
    false = tape.mean(tape.log(tape.scale(judged(at, Node(codes)), -1.0, 1.0)))
    return tape.scale(tape.add(true, false), -1.0)


class Adam:
    """Steps of gradient descent, each weight at its own rate (Kingma and Ba 2015)."""

    def __init__(self, weights: Weights) -> None:
        self.first = {name: np.zeros_like(value) for name, value in weights.items()}
        self.second = {name: np.zeros_like(value) for name, value in weights.items()}
        self.steps = 0

    def tables(self) -> tuple[Weights, Weights]:
        """What it remembers of the gradients."""
        return self.first, self.second

    def restore(self, tables: Sequence[Weights], steps: int) -> None:
        """Continue where these were kept."""
        self.first, self.second = tables
        self.steps = steps

    def descend(self, weights: Weights, at: Nodes, *, of_adversary: bool) -> None:
        """Move the weights of one side in place, by the gradients of their nodes."""
        self.steps += 1
        rate = _RATE * (1.0 - _SECOND**self.steps) ** 0.5 / (1.0 - _FIRST**self.steps)
        for name, node in at.items():
            if (name in OF_ADVERSARY) == of_adversary and node.gradient.shape == node.value.shape:
                self.first[name] += (1.0 - _FIRST) * (node.gradient - self.first[name])
                self.second[name] += (1.0 - _SECOND) * (np.square(node.gradient) - self.second[name])
                weights[name] -= rate * self.first[name] / (np.sqrt(self.second[name]) + 1e-8)


def _layer(at: Nodes, name: str, x: Node) -> Node:
    return tape.linear(x, at[name], at[f"{name}+"])


def _recalled(at: Nodes, encoded: Node, memory: Node) -> Node:
    """A gated recurrent unit (Cho et al. 2014)."""
    both = tape.joined([encoded, memory])
    update, reset = tape.sigmoid(_layer(at, "update", both)), tape.sigmoid(_layer(at, "reset", both))
    proposed = tape.tanh(_layer(at, "propose", tape.joined([encoded, tape.multiply(memory, reset)])))
    kept = tape.multiply(memory, tape.scale(update, -1.0, 1.0))
    return tape.add(kept, tape.multiply(proposed, update))

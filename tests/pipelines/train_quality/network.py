"""A small network that really trains, in NumPy, and tells a tracer everything that diagnoses read."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from streamgauge.tracer import read
from streamgauge.tracer.frameworks.plain import Traced
from streamgauge.tracer.selection import Collection, Select
from tests.tracer.frameworks.job import Job

Array = np.ndarray[Any, np.dtype[np.float64]]
FIELDS, ROWS, DIM = 12, 64, 8
KINDS: tuple[Collection, ...] = ("weights", "gradients", "updates", "activations", "outputs", "inputs")


def relu(x: Array) -> tuple[Array, Array]:
    return np.maximum(x, 0.0), (x > 0.0).astype(np.float64)


def tanh(x: Array) -> tuple[Array, Array]:
    return np.tanh(x), 1.0 - np.tanh(x) ** 2


def sigmoid(x: Array) -> tuple[Array, Array]:
    p = 1.0 / (1.0 + np.exp(-np.clip(x, -50, 50)))
    return p, p * (1.0 - p)


class Network:
    """An embedding and numbers, then layers of 32, 24 and 16 units, logistic loss, plain SGD.

    A fault is planted by the arguments, by `fault` (changes the network before it trains) or by `data`.
    """

    def __init__(
        self, *, activation: Callable[[Array], tuple[Array, Array]] = relu, depth: int = 3, rate: float = 0.1,
        fault: Callable[[Network], None] | None = None,
        data: Callable[[Array, Array], tuple[Array, Array]] | None = None,
    ) -> None:  # fmt: skip
        self.random = np.random.default_rng(3)
        widths = [FIELDS + DIM, *(32, 24, 16, *[16] * 20)[:depth], 1]
        self.weights: dict[str, Array] = {"table": 0.1 * self.random.normal(size=(400, DIM))}
        for i, (n, m) in enumerate(itertools.pairwise(widths), start=1):
            self.weights[f"dense{i}/kernel"] = self.random.normal(size=(n, m)) * np.sqrt(2.0 / n)
            self.weights[f"dense{i}/bias"] = np.zeros(m)
        self.depth, self.activation, self.rate, self.data = depth, activation, rate, data
        self.rates: dict[str, float] = {}  # factors of the rate, by name
        self.truth = self.random.normal(size=FIELDS)
        self.break_gradient: Callable[[int, str, Array], Array] = lambda step, name, gradient: gradient
        self.break_output: Callable[[int, int, Array], Array] = lambda step, layer, output: output
        if fault is not None:
            fault(self)

    def batch(self) -> tuple[Array, Array, Array]:
        """Rows of the table, numbers and labels."""
        ids, x = self.random.integers(0, 400, ROWS), self.random.normal(size=(ROWS, FIELDS))
        score = x @ self.truth + 0.5 * np.sin(3.0 * x[:, 0]) * x[:, 1]
        y = (self.random.random(ROWS) < 1.0 / (1.0 + np.exp(-score))).astype(np.float64)
        return (ids, *(self.data(x, y) if self.data else (x, y)))

    def step(self, number: int, traced: Traced, job: Job) -> None:
        """One batch, forward and back, told."""
        ids, x, y = self.batch()
        before, w = traced.before(), self.weights
        inputs, slopes, h = [], [], np.c_[w["table"][ids], x]
        for i in range(1, self.depth + 1):
            inputs.append(h)
            h, slope = self.activation(h @ w[f"dense{i}/kernel"] + w[f"dense{i}/bias"])
            h = self.break_output(number, i, h)
            slopes.append(slope)
            job.tracer.tensors.raw("activations", f"dense{i}", h)
        inputs.append(h)
        p = sigmoid(h @ w[f"dense{self.depth + 1}/kernel"] + w[f"dense{self.depth + 1}/bias"])[0][:, 0]
        with np.errstate(invalid="ignore"):
            loss = float(-np.mean(np.log(np.where(y > 0.5, np.maximum(p, 1e-12), np.maximum(1.0 - p, 1e-12)))))
        gradients, delta = {}, (p - y)[:, None] / ROWS
        for i in range(self.depth + 1, 0, -1):
            gradients[f"dense{i}/kernel"], gradients[f"dense{i}/bias"] = inputs[i - 1].T @ delta, delta.sum(axis=0)
            delta = delta @ w[f"dense{i}/kernel"].T
            delta = delta * slopes[i - 2] if i > 1 else delta
        gradients["table"] = np.zeros_like(w["table"])
        np.add.at(gradients["table"], ids, delta[:, :DIM])
        for name in w:
            gradients[name] = self.break_gradient(number, name, gradients[name])
            w[name] -= self.rates.get(name, 1.0) * self.rate * gradients[name]
        job.tracer.step(
            loss=loss, rows=ROWS, tensors=traced.tensors({name: gradients[name] for name in w}, before),
            predictions=p, labels=y,
        )  # fmt: skip

    def train(self, steps: int = 300, every: int = 10) -> list[read.TracedArray]:
        """Train, and what arrived on the topic `tensors`."""
        job = Job(
            Select(collection="metrics", every=1), *(Select(collection=k, emit="raw", every=every) for k in KINDS)
        )
        traced = Traced(job.tracer, self.weights)
        found: list[read.TracedArray] = []
        for number in range(1, steps + 1):
            with np.errstate(all="ignore"):
                self.step(number, traced, job)
            if number % 50 == 0:
                job.tracer.flush()
        job.tracer.flush()
        messages = [message.value for message in job.log.read("tensors", 0, 100_000)]
        found += read.gather(messages)
        return found

"""What the tracer costs a training step: processor time of the whole process against the same model without it.

A DIN-like click model, reduced; arms take turns in one process in an order that is drawn anew each round (traced ones
ten steps at a time, of which one is traced; off step by step) and are compared within the round. `value` is the
relative difference of CPU time in percent, with the 95 % interval of its trimmed mean (bootstrap over rounds).
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from benchmarks.rows import Row, cheaper, reading

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import MemoryLog, Message

ROWS: Final = 1024
BLOCK: Final = 10  # steps: one of them is traced
ROUNDS: Final = 60
PAIRS: Final = 800  # single steps, off against plain
ITEMS: Final = 200_000
Step = Callable[[], object]


class DeadBus:
    """Refuses everything at once, as a broker does that is gone."""

    def send(self, messages: Sequence[tuple[str, str, bytes]]) -> None:
        """Always fails."""
        raise ConnectionError("no broker")

    def read(self, topic: str, offset: int, limit: int) -> list[Message]:
        """Always fails."""
        raise ConnectionError("no broker")

    def latest(self, topic: str) -> Mapping[str, bytes]:
        """Always fails."""
        raise ConnectionError("no broker")

    def close(self) -> None:
        """Nothing to close."""


def run(args: argparse.Namespace) -> Iterable[Row]:
    """Per-tensor summaries every 10 steps; off; on a dead bus."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    arms, tracers = _arms()
    share = 5 if args.quick else 1
    off = {name: arms[name] for name in ("plain", "off")}
    traced = {name: arms[name] for name in ("plain", "traced", "dead bus")}
    steps = _interleave(off, PAIRS // share, 1)
    blocks = _interleave(traced, ROUNDS // share, BLOCK)
    for tracer in tracers:
        tracer.close(0.5)
    yield reading("tracer step without", float(np.median(steps["plain"]) * 1e3), "ms CPU")
    for arm in ("traced", "dead bus"):
        yield from _compare(arm, blocks[arm], blocks["plain"])
    yield from _compare("off", steps["off"], steps["plain"])


def _compare(arm: str, spent: NDArray[np.float64], plain: NDArray[np.float64]) -> Iterator[Row]:
    extra = (spent - plain) / np.median(plain)
    low, mean, high = _interval(extra)
    for name, value in (("", mean), (" 95 % low", low), (" 95 % high", high)):
        yield cheaper(f"tracer {arm}{name}", 100.0 * (1.0 + value), "% of its CPU", 100.0, "the same step without")


def _interval(extra: NDArray[np.float64]) -> tuple[float, float, float]:
    """95 % bootstrap interval and value of the trimmed mean (10 % at each end: other processes' bursts)."""
    generator = np.random.default_rng(0)
    cut = len(extra) // 10
    samples = np.sort(generator.choice(extra, (4000, len(extra))), axis=1)[:, cut : len(extra) - cut].mean(axis=1)
    low, high = np.quantile(samples, [0.025, 0.975])
    return float(low), float(np.sort(extra)[cut : len(extra) - cut].mean()), float(high)


def _interleave(arms: Mapping[str, Step], rounds: int, block: int) -> dict[str, NDArray[np.float64]]:
    """CPU seconds of `block` steps of each arm in each round."""
    generator = np.random.default_rng(1)
    for step in arms.values():
        for _ in range(2 * BLOCK):
            step()
    spent: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(rounds):
        for name in generator.permutation(list(arms)).tolist():
            begin = time.process_time()
            for _ in range(block):
                arms[name]()
            spent[name].append(time.process_time() - begin)
    return {name: np.array(values) for name, values in spent.items()}


def _arms() -> tuple[dict[str, Step], list[Tracer]]:
    from streamgauge.tracer.frameworks.keras import KerasTracer

    model, (x, y) = _model(), _rows()
    model.train_on_batch(x, y)
    own = model.train_function
    os.environ["TRACER"] = "off"
    off = Tracer("bench", "off", MemoryLog())
    del os.environ["TRACER"]
    tracers = {"traced": Tracer("bench", "w", MemoryLog()), "dead bus": Tracer("bench", "d", DeadBus()), "off": off}

    def plain() -> object:
        model.train_function = own
        return model.train_on_batch(x, y)

    def arm(tracer: Tracer) -> Step:
        model.train_function = own
        traced = KerasTracer(tracer).attach(model)
        dispatch = model.train_function

        def step() -> object:
            model.train_function = dispatch
            return traced.train_on_batch(x, y)

        return step

    return {"plain": plain} | {name: arm(tracer) for name, tracer in tracers.items()}, list(tracers.values())


def _model() -> Any:
    """Item and history embeddings, attention over the history, 13 numbers, a small network."""
    import keras

    item, history = keras.Input((1,), dtype="int32"), keras.Input((20,), dtype="int32")
    numbers = keras.Input((13,))
    table = keras.layers.Embedding(ITEMS, 16)
    query, past = table(item), table(history)
    pooled = keras.layers.Attention()([query, past])
    x = keras.layers.Concatenate()([keras.layers.Flatten()(query), keras.layers.Flatten()(pooled), numbers])
    for width in (512, 256, 128, 64):
        x = keras.layers.Dense(width, activation="relu")(x)
    model = keras.Model([item, history, numbers], keras.layers.Dense(1, activation="sigmoid")(x))
    model.compile(keras.optimizers.SGD(0.05), "binary_crossentropy")
    return model


def _rows() -> tuple[list[NDArray[Any]], NDArray[np.float32]]:
    generator = np.random.default_rng(2)
    x = [
        generator.integers(0, ITEMS, (ROWS, 1)).astype(np.int32),
        generator.integers(0, ITEMS, (ROWS, 20)).astype(np.int32),
        generator.normal(size=(ROWS, 13)).astype(np.float32),
    ]
    return x, generator.integers(0, 2, (ROWS, 1)).astype(np.float32)

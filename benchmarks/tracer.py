"""What the tracer costs a training step: processor time of the whole process against the same model without it.

A DIN-like click model with tables of a million rows, in Keras, in a TensorFlow 1 session and in PyTorch (which has an
environment of its own: `make newest` makes it). Arms take turns in one process in an order that is drawn anew each
round (traced ones ten steps at a time, of which one is traced; off step by step) and are compared within the round.
`value` is the processor time in percent of the step without, with the 95 % interval of its trimmed mean (bootstrap).
Before that the traced set changes while steps go on (`benchmarks.frameworks.changing`).
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from benchmarks.rows import Row, cheaper, reading, waited

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
from numpy.typing import NDArray

from benchmarks.frameworks.arms import ANEW, CHANGING, Step, bus
from benchmarks.frameworks.changing import Changed, changes

BLOCK: Final = 10  # steps: one of them is traced
ROUNDS: Final = 60
PAIRS: Final = 800  # single steps, off against plain
FRAMEWORKS: Final = ("keras", "tensorflow_v1", "torch")
OURS: Final = "statistics_every_10"
RIVAL: Final = "wandb.watch every 10"
ACKNOWLEDGED: Final = 2.0  # seconds, at the median
FIRSTS: Final = 5  # first steps of the framework's own
NEWEST: Final = pathlib.Path(__file__).parents[1] / ".venv-newest/bin/python"


def run(args: argparse.Namespace) -> Iterable[Row]:
    """Each framework in a process of its own, so that none pays for another's threads and memory."""
    for framework in FRAMEWORKS:
        has_it = framework != "torch" or importlib.util.find_spec("torch") is not None
        python = sys.executable if has_it else str(NEWEST)
        if not pathlib.Path(python).exists():
            print(f"{framework}: no environment, `make newest` makes it", file=sys.stderr)
            continue
        command = [python, "-m", "benchmarks.tracer", framework, *(["--quick"] if args.quick else [])]
        out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        yield from (json.loads(line) for line in out.splitlines() if line.startswith("{"))


def measured(framework: str, *, is_quick: bool) -> Iterator[Row]:
    """The rows of one framework."""
    module = importlib.import_module(f"benchmarks.frameworks.{framework}")
    arms, tracers = module.arms()
    rival = arms.pop(RIVAL, None)
    share = 10 if is_quick else 1
    yield from _changed(framework, module.names(), arms, 10 if is_quick else 40)
    off = {"off": arms.pop("off"), "plain": arms["plain"]}
    steps = _interleave(off, PAIRS // share, 1)
    blocks = _interleave(arms, ROUNDS // share, BLOCK)
    yield reading(f"{framework}.plain", float(np.median(steps["plain"]) * 1e3), "ms CPU")
    yield from _compare(f"{framework}.off", steps["off"], steps["plain"])
    for arm in sorted(arms.keys() - {"plain"}):
        yield from _compare(f"{framework}.{arm}", blocks[arm], blocks["plain"])
    if rival is not None:
        yield _beside(framework, {"plain": arms["plain"], OURS: arms[OURS], RIVAL: rival}, ROUNDS // share)
    for tracer in tracers:
        tracer.close(0.5)


def _changed(framework: str, names: list[str], arms: dict[str, Step], count: int) -> Iterator[Row]:
    """What is traced changes: until the worker says so, and the longest step beside a first one of the framework's."""
    anew: Callable[[], Step] = arms.pop(ANEW)  # type: ignore[assignment]
    step, found, first = arms.pop(CHANGING), list[Changed](), list[float]()
    for change in changes(bus(), step, names, count):
        found.append(change)
        if len(first) < FIRSTS:
            own = anew()
            begin = time.perf_counter()
            own()
            first.append(time.perf_counter() - begin)
    yield waited(f"{framework}.acknowledged", float(np.median([one.wait for one in found])), "s", ACKNOWLEDGED)
    longest = max(one.longest for one in found)
    yield cheaper(f"{framework}.longest step of a change", longest, "s", float(np.median(first)), "its own first step")


def _beside(framework: str, arms: Mapping[str, Step], rounds: int) -> Row:
    """Ours beside the rival, after everything else: what it runs in threads and keeps in memory burdens all arms."""
    blocks = _interleave(arms, rounds, BLOCK)
    ours, theirs = (100.0 * float(blocks[name].mean() / blocks["plain"].mean()) for name in (OURS, RIVAL))
    return cheaper(f"{framework}.{OURS}, beside the rival", ours, "% of its CPU", theirs, RIVAL)


def _compare(arm: str, spent: NDArray[np.float64], plain: NDArray[np.float64]) -> Iterator[Row]:
    extra = (spent - plain) / np.median(plain)
    low, mean, high = _interval(extra)
    for name, value in (("", mean), (" 95 % low", low), (" 95 % high", high)):
        yield cheaper(f"{arm}{name}", 100.0 * (1.0 + value), "% of its CPU", 100.0, "the same step without")


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


if __name__ == "__main__":
    for line in measured(sys.argv[1], is_quick="--quick" in sys.argv):
        print(json.dumps(line), flush=True)

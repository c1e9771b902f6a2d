"""What the arms share: the rows, the tracers of each arm, a bus that takes everything and one that is dead."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.selection import BOOT, Collection, Select
from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import MemoryLog, Message

ROWS: Final = 1024
ITEMS: Final = 1_000_000
WIDTHS: Final = (512, 256, 128, 64)
Step = Callable[[], object]
CHANGING: Final = "changing"
ANEW: Final = "anew"  # gives a step that the framework has to prepare when it is called


class Sink:
    """Takes everything at once and keeps nothing."""

    def send(self, messages: Sequence[tuple[str, str, bytes]]) -> None:
        """Sent."""

    def read(self, topic: str, offset: int, limit: int) -> list[Message]:
        """Nothing."""
        return []

    def latest(self, topic: str) -> Mapping[str, bytes]:
        """No plans."""
        return {}

    def close(self) -> None:
        """Nothing to close."""


class DeadBus(Sink):
    """Refuses everything at once, as a broker does that is gone."""

    def send(self, messages: Sequence[tuple[str, str, bytes]]) -> None:
        """Always fails."""
        raise ConnectionError("no broker")

    def latest(self, topic: str) -> Mapping[str, bytes]:
        """Always fails."""
        raise ConnectionError("no broker")


def tracers_for(matrix: str) -> dict[str, Tracer]:
    """By arm; `matrix` is the 128x64 weight, by its name in the framework."""
    os.environ["TRACER"] = "off"
    off = Tracer("bench", "off", MemoryLog())
    del os.environ["TRACER"]
    kinds: tuple[Collection, ...] = ("weights", "gradients")
    raw = [Select(collection=kind, names=(matrix,), emit="raw", every=1) for kind in kinds]
    raw += [select for select in BOOT if select.collection == "metrics"]
    never = [Select(collection="weights", every=10**9), *raw[2:]]
    return {
        "off": off,
        "untraced steps": Tracer("bench", "u", Sink(), share=1.0, select=never),
        "statistics_every_10": Tracer("bench", "s", Sink(), share=1.0),
        "statistics_every_10, bus dead": Tracer("bench", "d", DeadBus(), share=1.0),
        "raw_every_1": Tracer("bench", "r", Sink(), share=1.0, select=raw),
        CHANGING: Tracer("bench", "c", bus(), share=1.0),
    }


@functools.cache
def bus() -> MemoryLog:
    """Where the tracer of the arm `CHANGING` gets its plans, and answers."""
    return MemoryLog()


def batch() -> tuple[list[NDArray[Any]], NDArray[np.float32]]:
    """One batch: an item, a history of 20 and 13 numbers a row; labels."""
    generator = np.random.default_rng(2)
    x = [
        generator.integers(0, ITEMS, (ROWS, 1)).astype(np.int32),
        generator.integers(0, ITEMS, (ROWS, 20)).astype(np.int32),
        generator.normal(size=(ROWS, 13)).astype(np.float32),
    ]
    return x, generator.integers(0, 2, (ROWS, 1)).astype(np.float32)

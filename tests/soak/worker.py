"""A training job's worker for the soak: lives on stream time that runs with the wall's, and notes what was sent.

After each successful send it appends `incarnation sequence` of the furthest record to a file, which survives `kill -9`:
what stands there, the tracer has said to be on the bus.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer import codec
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.records import Kind, TraceBatch
from streamgauge.tracer.tracer import Labels, Tracer
from streamgauge.tracer.transport import Message, Transport

JOB: Final = "soak"
PANE: Final = 10.0
BEGIN: Final = 1_700_000_400.0  # of stream time
ROWS: Final = 20  # a pane
_HOUR: Final = 3600.0


class Noted:
    """A transport that notes what it has sent."""

    def __init__(self, transport: Transport, notes: Path) -> None:
        self._transport, self._notes = transport, notes.open("a", buffering=1)

    def send(self, messages: Sequence[tuple[str, str, bytes]]) -> None:
        """Send, then note the last record of it."""
        self._transport.send(messages)
        sent = [value for topic, _, value in messages if topic == "traces"]
        batches = [codec.decode(value) for value in sent[-1:] if codec.peek(value).kind == Kind.TRACE]
        for batch in batches:
            assert isinstance(batch, TraceBatch)
            self._notes.write(f"{batch.incarnation} {batch.sequence}\n")

    def read(self, topic: str, offset: int, limit: int) -> list[Message]:
        """As the transport does."""
        return self._transport.read(topic, offset, limit)

    def latest(self, topic: str) -> Mapping[str, bytes]:
        """As the transport does."""
        return self._transport.latest(topic)

    def close(self) -> None:
        """Close both."""
        self._transport.close()
        self._notes.close()


class Worker:
    """One life of a worker."""

    def __init__(self, name: str, transport: Transport, number: int) -> None:
        self.number = number  # of the pane that it lives in
        self._now = BEGIN + number * PANE
        self._random = np.random.default_rng([*name.encode(), number])
        self._waiting: list[tuple[NDArray[Any], NDArray[Any]]] = []  # ids and labels that are not known yet
        self.tracer = Tracer(
            JOB, name, transport, clock=lambda: self._now, pane=PANE, interval=60 * PANE, modulus=16, salt=b"soak",
            features={"age": "numeric", "city": "categorical", "item": "id"},
            labels=Labels(horizon=_HOUR, margin=_HOUR, timeout=_HOUR),
        )  # fmt: skip

    def live(self) -> None:
        """Live through one pane, and send what is known of it."""
        chance, begin = self._random, BEGIN + self.number * PANE
        self._now = begin + 1.0
        ids = (np.arange(ROWS) + self.number * ROWS).astype(np.int64)
        truth = chance.random(ROWS) < 0.2
        features = {
            "age": np.where(chance.random(ROWS) < 0.05, np.nan, chance.normal(40.0, 12.0, ROWS)),
            "city": chance.choice(["a", "b", "c", "d"], ROWS), "item": chance.integers(0, 500, ROWS),
        }  # fmt: skip
        self.tracer.observe(features, ids=ids, time=np.full(ROWS, begin), predictions=chance.random(ROWS))
        self._waiting.append((ids, truth))
        if len(self._waiting) > 6:
            self._now = begin + 5.0
            known, labels = self._waiting.pop(0)
            self.tracer.label(known, labels)
            loss = math.nan if self.number % 1000 == 777 else float(chance.gamma(20.0, 0.02))
            self.tracer.step(loss=loss, ids=known, labels=labels, rows=ROWS)
        self.number += 1
        self._now = BEGIN + self.number * PANE
        self.tracer.idle()
        self.tracer.beat()


def main(argv: list[str] | None = None) -> int:
    """Live until SIGTERM, or until the soak is gone; the last record says goodbye."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--origin", type=float, required=True, help="wall time at which stream time began")
    parser.add_argument("--rate", type=float, required=True, help="panes a second")
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--log", type=Path, help="the embedded log")
    parser.add_argument("--bootstrap", help="or the brokers")
    parser.add_argument("--prefix", default="")
    args = parser.parse_args(argv)
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stopping.append(number))
    begun = max(0, int((time.time() - args.origin) * args.rate))
    worker = Worker(args.name, Noted(_transport(args), args.notes), begun)
    soak = os.getppid()
    behind = 0.0  # seconds: a worker that this machine cannot run on time is late for its job's wall windows
    while not stopping and os.getppid() == soak:
        ahead = args.origin + (worker.number + 1) / args.rate - time.time()
        behind = max(behind, -ahead)
        time.sleep(max(0.0, ahead))
        worker.live()
    is_sent = worker.tracer.flush(60.0) and worker.tracer.close(60.0)
    lost = {name: count for name, count in worker.tracer.counters.items() if count and name.startswith("dropped")}
    sent = worker.tracer.counters["sent"]
    print(f"{args.name}: sent {sent}, lost {lost or 'nothing'}, at most {behind:.1f} s behind", file=sys.stderr)
    return 0 if is_sent and not lost else 1


def _transport(args: argparse.Namespace) -> Transport:
    if args.log:
        return LocalLog(args.log)
    from streamgauge.tracer.kafka.transport import KafkaTransport

    return KafkaTransport(args.bootstrap, prefix=args.prefix)


if __name__ == "__main__":
    sys.exit(main())

"""One airport's job in real time, in Keras' own loop: flights that landed, over and over, on Kafka or the embedded log.

    python -m streamgauge.examples.flights.live --airport LGA --log streamgauge-data/log.db --cache /tmp/flights

What it traces is changed while it runs, from the page or by `streamgauge trace --job flights-live --list`. While the
file that `--broken` names is there its learning rate is 10,000 times too high: soon the loss is not finite.
"""

from __future__ import annotations

import argparse
import pathlib
import time
from collections.abc import Iterator
from typing import Final

import keras
import numpy as np
from numpy.typing import NDArray

from streamgauge.examples.flights.data import load
from streamgauge.examples.flights.model import RATE, Batch, Model, encode
from streamgauge.tracer.frameworks.keras import KerasTracer
from streamgauge.tracer.kafka.transport import KafkaTransport
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import Transport

JOB: Final = "flights-live"
ROWS: Final = 64  # of a batch
SPOILT: Final = 1e4  # times the learning rate


def main(argv: list[str] | None = None) -> None:
    """Train until the time is up."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--airport", required=True)
    parser.add_argument("--bootstrap", help="Kafka's brokers; else --log")
    parser.add_argument("--prefix", default="", help="of the topics")
    parser.add_argument("--log", type=pathlib.Path, help="the embedded log")
    parser.add_argument("--cache", required=True, type=pathlib.Path, help="prepared flights")
    parser.add_argument("--seconds", type=float, default=3600.0, help="how long to train")
    parser.add_argument("--pause", type=float, default=0.02, help="seconds between steps")
    parser.add_argument("--progress", type=pathlib.Path, help="file that holds the number of steps done")
    parser.add_argument("--broken", type=pathlib.Path, help="file that is there while the learning rate is wrong")
    args = parser.parse_args(argv)
    kafka, path = args.bootstrap, args.log
    transport: Transport = KafkaTransport(kafka, prefix=args.prefix) if kafka else LocalLog(path)
    tracer = Tracer(JOB, args.airport, transport, pane=1.0)
    train(tracer, args)
    tracer.close()


def train(tracer: Tracer, args: argparse.Namespace) -> None:
    """Keras' loop, batch by batch."""
    net, optimizer = Model().net, keras.optimizers.SGD(RATE)
    net.compile(optimizer, keras.losses.BinaryCrossentropy(from_logits=True))
    traced = KerasTracer(tracer).attach(net)
    end = time.monotonic() + args.seconds
    for done, (batch, late) in enumerate(batches(args.airport, args.cache), start=1):
        is_broken = args.broken is not None and args.broken.exists()
        optimizer.learning_rate.assign(RATE * SPOILT if is_broken else RATE)
        traced.train_on_batch([batch.ids, batch.numbers], late)
        if args.progress and done % 10 == 0:
            args.progress.write_text(str(done))
        if time.monotonic() > end:
            return
        time.sleep(args.pause)


def batches(airport: str, cache: pathlib.Path) -> Iterator[tuple[Batch, NDArray[np.float32]]]:
    """The flights of an airport that landed, in order, over and over; inputs and labels [ROWS, 1]."""
    flights = load(airport, cache)
    known = np.flatnonzero(~np.isnan(flights.late))
    inputs = encode({name: column[known] for name, column in flights.features.items()})
    late = flights.late[known].astype(np.float32)[:, None]
    while True:
        for start in range(0, len(known) - ROWS, ROWS):
            rows = slice(start, start + ROWS)
            yield Batch(inputs.ids[rows], inputs.numbers[rows]), late[rows]


if __name__ == "__main__":
    main()

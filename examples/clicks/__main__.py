"""Runs one worker until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

from streamgauge.examples.clicks.job import FEATURES, Job
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.termination import apart
from streamgauge.tracer.tracer import Labels, Tracer
from streamgauge.tracer.transport import Transport

_TURN = 0.2  # seconds


def main(argv: Sequence[str] | None = None) -> int:
    """The worker's life; 0 after a goodbye."""
    args = _parser().parse_args(argv)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, apart(stopping.set))
    tracer = Tracer(
        args.job, args.worker, _transport(args), features=FEATURES, salt=args.job,
        labels=Labels(horizon=60.0, margin=10.0, timeout=60.0),
    )  # fmt: skip
    job = Job(tracer, zlib.crc32(args.worker.encode()), args.rate, args.fault)
    while not stopping.wait(_TURN):
        job.turn(time.time())
        if args.alive is not None:
            args.alive.touch()
    return 0 if tracer.close() else 1


def _parser() -> argparse.ArgumentParser:
    prog = "python -m streamgauge.examples.clicks"
    parser = argparse.ArgumentParser(prog=prog, description="One worker of the job `clicks`.")
    parser.add_argument("--job", default="clicks", help="(clicks)")
    parser.add_argument("--worker", required=True, help="its name, such as w0")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--kafka", metavar="HOST:PORT", help="brokers that take the traces")
    where.add_argument("--log", metavar="FILE", help="the log.db of a pipeline on this machine")
    parser.add_argument("--rate", type=float, default=200.0, help="impressions a second (200)")
    parser.add_argument("--fault", type=_fault, help="EVERY:LENGTH in seconds, such as 1800:300: the age is missing")
    parser.add_argument("--alive", type=Path, metavar="FILE", help="touched each turn, for a health check")
    return parser


def _transport(args: argparse.Namespace) -> Transport:
    if args.log:
        return LocalLog(args.log)
    from streamgauge.tracer.kafka.transport import KafkaTransport

    return KafkaTransport(args.kafka)


def _fault(text: str) -> tuple[float, float]:
    every, _, length = text.partition(":")
    found = (float(every), float(length or "nan"))
    if not 0.0 < found[1] < found[0]:
        raise argparse.ArgumentTypeError(f"must be EVERY:LENGTH with LENGTH below EVERY, got {text}")
    return found


if __name__ == "__main__":
    sys.exit(main())

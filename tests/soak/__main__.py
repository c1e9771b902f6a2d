"""`python -m tests.soak`: the real pipeline for half an hour at five times the demo's rate, a fault every minute."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tests.soak.faults import FAULTS
from tests.soak.soak import Asked, Result, log, soak

_FLAT = 1.0  # megabytes a minute that a warm pipeline may grow by: 30 in half an hour
_FLAT_DISK = 5.0  # megabytes that its state may grow by in all: a write-ahead file more or less


def main(argv: list[str] | None = None) -> int:
    """0 when everything is accounted for, the store is that of an uninterrupted run, and memory is flat."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--speed", type=float, default=5.0, help="times the demo's rate of records (5)")
    parser.add_argument("--engine", choices=["embedded", "faust", "flink"], default="embedded")
    parser.add_argument("--kafka", dest="brokers", type=int, default=1, metavar="N", help="real brokers (1)")
    parser.add_argument("--local", dest="brokers", action="store_const", const=0, help="the embedded log")
    parser.add_argument("--every", type=float, default=60.0, help="seconds between faults (60)")
    parser.add_argument("--seed", type=int, default=1, help="of the faults (1)")
    parser.add_argument("--only", action="append", default=[], choices=list(FAULTS), help="this fault, and no other")
    parser.add_argument("--data", type=Path, help="an empty folder to keep everything in")
    parser.add_argument("--json", action="store_true", help="the result as one JSON object")
    args = parser.parse_args(argv)
    if args.engine != "embedded" and not args.brokers:
        parser.error(f"engine {args.engine} needs Kafka")
    asked = Asked(
        args.minutes * 60.0, args.speed, args.engine, args.brokers, args.every, seed=args.seed, only=tuple(args.only)
    )
    folder = args.data or Path(tempfile.mkdtemp(prefix="streamgauge-soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    log(f"soak: {args.minutes:g} minutes, engine {args.engine}, in {folder}")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # what was started is ended
    result = soak(asked, folder, log)
    if result.slope is not None and asked.seconds >= 600.0 and result.slope > _FLAT:
        result.problems.append(f"memory grows by {result.slope:.2f} MB a minute")
    if result.disk_growth is not None and asked.seconds >= 600.0 and result.disk_growth > _FLAT_DISK:
        result.problems.append(f"state on disk grew by {result.disk_growth:.1f} MB")
    print(json.dumps(result._asdict()) if args.json else table(result), flush=True)
    if result.problems:
        log(f"everything is kept in {folder}")
    elif args.data is None:
        shutil.rmtree(folder, ignore_errors=True)
    return int(bool(result.problems))


def grown(megabytes: float | None) -> str:
    """From the second quarter to the last, in words."""
    return "too short to tell" if megabytes is None else f"{megabytes:+.1f} MB from the second quarter to the last"


def table(result: Result) -> str:
    """The result for people."""
    slope = "too short to tell" if result.slope is None else f"{result.slope:+.2f} MB a minute"
    rows = [
        ("records on the log", f"{result.records} of {result.incarnations} incarnations"),
        ("counted", ", ".join(f"{name} {count}" for name, count in result.counts.items() if count)),
        ("stored", ", ".join(f"{kind} {count}" for kind, count in result.stored.items())),
        ("faults", str(len(result.faults))),
        *((f"  {one['second']:g} s", f"{one['fault']}: {one['struck']}, {one['seconds']} s") for one in result.faults),
        ("starts of the pipeline", str(result.starts)),
        ("most before the engine", f"{result.most_waiting} messages; drained in {result.drained_in} s at the end"),
        ("memory", f"at most {result.memory:.0f} MB; {slope} when warm"),
        ("state on disk", f"at most {result.disk:.1f} MB; {grown(result.disk_growth)}"),
        ("verdict", "; ".join(result.problems) or "nothing lost, the store is that of an uninterrupted run"),
    ]
    return "\n".join(f"{name:<24}{value}" for name, value in rows)


if __name__ == "__main__":
    sys.exit(main())

"""One airport's worker process: takes orders from the driver, a JSON line each, answers when its records are sent.

Orders: {"do": "hour", "start": s, "faults": [...]}, where a snapshot is due with "save": path and "model": bool; and
{"do": "close"}. Every answer is {"at": clock, "steps": n}. The driver kills and starts workers as orchestrators do.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import sys
from typing import Final

from streamgauge.examples.flights.columns import CATEGORICAL, HOUR, NUMERIC
from streamgauge.examples.flights.data import load
from streamgauge.examples.flights.job import Clock, Job
from streamgauge.examples.flights.model import Model
from streamgauge.tracer.features import FeatureKind
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.selection import Collection
from streamgauge.tracer.tracer import Labels, Select, Tracer
from streamgauge.tracer.transport import Transport

_FLUSH: Final = 30.0  # seconds
_TRACED: Final[tuple[Collection, ...]] = ("weights", "gradients", "updates", "features", "metrics")


def main(argv: list[str] | None = None) -> int:
    """Live until told to close or until the driver is gone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--airport", required=True)
    parser.add_argument("--log", required=True, type=pathlib.Path, help="the embedded log")
    parser.add_argument("--cache", required=True, type=pathlib.Path, help="prepared flights")
    parser.add_argument("--begin", required=True, type=float, help="stream time of the first hour")
    parser.add_argument("--restore", type=pathlib.Path, help="a snapshot to continue from")
    args = parser.parse_args(argv)
    clock = Clock()
    clock.now = args.begin
    tracer = traced(args.airport, LocalLog(args.log), clock)
    job = Job(load(args.airport, args.cache), Model(), tracer, clock)
    job.begin(args.begin)
    if args.restore:
        job.restore(args.restore)
    _answer(job)
    for line in sys.stdin:
        order = json.loads(line)
        if order["do"] == "close":
            tracer.close()
            break
        job.hour(order["start"], tuple(order["faults"]))
        if not tracer.flush(_FLUSH):
            print(f"{args.airport}: records of {order['start']} are not on the bus after {_FLUSH} s", file=sys.stderr)
            return 1
        if "save" in order:
            job.save(pathlib.Path(order["save"]), model=order["model"])
        _answer(job)
    return 0


def traced(airport: str, transport: Transport, clock: Clock) -> Tracer:
    """What one airport's worker tells: features, labels, every step's loss and tensors, in stream time."""
    return Tracer(
        job="flights", worker=airport, transport=transport, clock=clock, pane=HOUR, interval=HOUR,
        features=_kinds(), labels=Labels(horizon=24 * HOUR, margin=3 * HOUR, timeout=24 * HOUR), salt=b"flights",
        select=[Select(collection=name, every=1) for name in _TRACED],
    )  # fmt: skip


def _kinds() -> dict[str, FeatureKind]:
    kinds: dict[str, FeatureKind] = dict.fromkeys(NUMERIC, "numeric")
    return {**kinds, **dict.fromkeys(CATEGORICAL, "id")}


def _answer(job: Job) -> None:
    print(json.dumps({"at": job.clock.now, "steps": job.steps}), flush=True)


if __name__ == "__main__":
    sys.exit(main())

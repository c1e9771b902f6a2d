"""A job whose samples are seen by one worker and whose labels are learnt by another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np

from streamgauge.pipelines.config.schema import HOUR, JobConfig, Labels, WindowSpec
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.outputs import Change, Output, PointColumns
from streamgauge.tracer import codec
from streamgauge.tracer.labels import Labels as Declared
from streamgauge.tracer.records import Open
from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import MemoryLog

T0: Final = 1_764_547_200.0  # 1 December 2025, 00:00 UTC
TURN: Final = 60.0  # seconds between steps
DELAY: Final = 600.0  # mean seconds to a label
WINDOWS: Final = (
    WindowSpec(name="short", kind="short", length=600.0, slide=600.0),
    WindowSpec(name="long", kind="long", length=HOUR, slide=600.0),
)
Values = dict[tuple[str, float], float]  # of the job itself, by metric and end of the window


def config(across: int, **changes: object) -> JobConfig:
    """A job of an hour's horizon."""
    labels = Labels(horizon=HOUR, timeout=2 * HOUR, margin=HOUR / 2, across=across, hold=300.0)
    given = {"name": "ctr", "pane": TURN, "tick": TURN, "windows": WINDOWS, "labels": labels, **changes}
    return JobConfig(**given)  # type: ignore[arg-type]


def play(
    job: JobConfig, hours: float, *, apart: bool, labelled: float = 1.0, rows: int = 200, weighed: bool = False
) -> list[bytes]:
    """The job's log: a worker sees samples, another (or the same) learns their labels; a share of them never comes.

    With `weighed` it trains on them as they come, and those that are divisible by 3 weigh 5.
    """
    random, now, log = np.random.default_rng(7), [T0], MemoryLog()
    rule = job.labels
    declared = Declared(
        horizon=rule.horizon, margin=rule.margin, timeout=rule.timeout, across=rule.across, hold=rule.hold
    )
    names = ("sees", "learns") if apart else ("sees",)
    tracers = [
        Tracer("ctr", name, log, clock=lambda: now[0], pane=TURN, labels=declared, incarnation="a", usage=False,
               shards=job.shards)
        for name in names
    ]  # fmt: skip
    waiting = [np.zeros(0, np.int64), np.zeros(0), np.zeros(0)]  # ids, labels, when they are known
    for turn in range(int(hours * HOUR / TURN)):
        now[0] = T0 + turn * TURN + 1.0
        p = random.beta(1.0, 4.0, rows)
        ids, y = np.arange(rows) + turn * 100_000, (random.random(rows) < p).astype(float)
        known = np.where(random.random(rows) < labelled, now[0] + random.exponential(DELAY, rows), np.inf)
        tracers[0].observe({"bid": p}, ids=ids, time=now[0], due=now[0] + DELAY, predictions=p)
        waiting = [np.concatenate(parts) for parts in zip(waiting, (ids, y, known), strict=True)]
        due = waiting[2] <= now[0]
        if due.any():
            tracers[-1].label(waiting[0][due], waiting[1][due])
            if weighed:
                weights = np.where(waiting[0][due] % 3 == 0, 5.0, 1.0)
                tracers[-1].step(ids=waiting[0][due], labels=waiting[1][due], weights=weights)
        waiting = [column[~due] for column in waiting]
        for tracer in tracers:
            tracer.step(rows=0)
            tracer.beat()
    for tracer in tracers:
        tracer.close()
    opening = codec.encode(Open(job="ctr", start=T0, shards=job.shards))
    return [opening, *(one.value for one in log.read("traces", 0, 10_000_000))]


def told(run: Callable[[list[bytes]], list[Output]], records: list[bytes]) -> tuple[Values, list[Change]]:
    """What a pipeline says of the job, revisions left out."""
    values: Values = {}
    changes = []
    for output in (outputs.decode(one.value) for one in run(records) if one.topic == "scores"):
        if isinstance(output, Change):
            changes.append(output)
        elif isinstance(output, PointColumns) and not output.revision:
            for key, value in zip(msgspec.msgpack.decode(output.keys), np.frombuffer(output.value), strict=True):
                if not key[0] and not key[2]:
                    values[key[3], output.end] = float(value)
    return values, changes

"""A calibrated model whose clicks come soon and whose negatives come by time-out, under traffic with a daily cycle."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import msgspec
import numpy as np

from streamgauge.anomaly.types import Anomaly, Score
from streamgauge.pipelines.config.schema import DAY, HOUR, JobConfig, Labels, WindowSpec
from streamgauge.pipelines.stream.operators import Operator
from streamgauge.pipelines.stream.stage2 import Stage2
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.outputs import PointColumns
from streamgauge.tracer import codec
from streamgauge.tracer.records import Open
from streamgauge.tracer.tracer import Labels as Declared
from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import MemoryLog

T0: Final = 1_764_547_200.0  # 1 December 2025, 00:00 UTC
TURN: Final = 600.0  # seconds between steps
ROWS: Final = 250.0  # a turn, mean over the day
CLICK: Final = 300.0  # mean seconds to a click
MARGIN: Final = 1_800.0  # that negatives may come later than the wait
WINDOWS: Final = (
    WindowSpec(name="short", kind="short", length=HOUR, slide=HOUR),
    WindowSpec(name="long", kind="long", length=3 * HOUR, slide=HOUR),
)


class Told(NamedTuple):
    """What a job's pipeline said."""

    scores: list[Score]  # overall, in order
    anomalies: list[Anomaly]
    values: dict[str, list[float]]  # of the job itself, by metric, window by window


def config(wait: float, *, declared: bool = True, **changes: object) -> JobConfig:
    """A job with this time-out."""
    labels = Labels(horizon=wait + MARGIN, wait=wait if declared else 0.0, timeout=2 * wait, margin=HOUR)
    given = {"name": "ctr", "pane": TURN, "tick": TURN / 2, "windows": WINDOWS, "labels": labels, **changes}
    return JobConfig(**given)  # type: ignore[arg-type]


def play(wait: float, ratio: float, days: int, *, declared: bool = True, wrong_from: float = math.inf) -> Told:
    """Days of traffic whose peak is `ratio` times its trough; from `wrong_from` on predictions are half too low."""
    random = np.random.default_rng([int(wait), int(ratio)])
    job = config(wait, declared=declared)
    now = [T0]
    log = MemoryLog()
    labels = Declared(horizon=job.labels.horizon, margin=HOUR, timeout=job.labels.timeout)
    tracer = Tracer("ctr", "w", log, clock=lambda: now[0], pane=TURN, labels=labels, incarnation="a", usage=False)
    waiting = [np.zeros(0, np.int64), np.zeros(0), np.zeros(0)]  # ids, labels, when they are known
    swing = (ratio - 1.0) / (ratio + 1.0)
    for turn in range(int(days * DAY / TURN)):
        now[0] = T0 + turn * TURN
        traffic = ROWS * (1.0 + swing * math.sin(2.0 * math.pi * turn * TURN / DAY))
        p = random.beta(1.0, 9.0, random.poisson(traffic))
        y = random.random(len(p)) < p
        ids = np.arange(len(p)) + turn * 100_000
        told = p / 2.0 if turn * TURN >= wrong_from else p
        tracer.observe({"bid": random.normal(size=len(p))}, ids=ids, time=now[0], due=now[0] + wait, predictions=told)
        came = ids, y.astype(float), now[0] + np.where(y, random.exponential(CLICK, len(p)), wait)
        waiting = _known(tracer, [np.concatenate(parts) for parts in zip(waiting, came, strict=True)], now[0])
        tracer.beat()
    tracer.close()
    return _judged(job, [message.value for message in log.read("traces", 0, 10_000_000)])


def _known(tracer: Tracer, waiting: list[np.ndarray], now: float) -> list[np.ndarray]:
    """Learn what is known now; the rest waits."""
    ids, y, at = waiting
    due = at <= now
    if due.any():
        tracer.label(ids[due], y[due])
        tracer.step(ids=ids[due], rows=int(due.sum()))
    return [ids[~due], y[~due], at[~due]]


def _judged(job: JobConfig, records: list[bytes]) -> Told:
    operator, told = Operator(job, Stage2(job)), Told([], [], {})
    opening = codec.encode(Open(job="ctr", start=T0))
    for output in (outputs.decode(one.value) for one in operator.on_records([opening, *records])):
        if isinstance(output, Score) and output.domain == "overall" and not output.revision:
            told.scores.append(output)
        elif isinstance(output, Anomaly):
            told.anomalies.append(output)
        elif isinstance(output, PointColumns) and not output.revision:
            for key, value in zip(msgspec.msgpack.decode(output.keys), np.frombuffer(output.value), strict=True):
                if not key[0] and not key[2]:
                    told.values.setdefault(key[3], []).append(float(value))
    return told

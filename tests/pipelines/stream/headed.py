"""A model with two heads, clicks and conversions over clicks, and a twin of each: what its pipeline says of all."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import msgspec
import numpy as np

from streamgauge.anomaly.types import Score
from streamgauge.pipelines.config.schema import HOUR, JobConfig, Labels, Task, WindowSpec
from streamgauge.pipelines.stream.operators import Operator
from streamgauge.pipelines.stream.stage2 import Stage2
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.outputs import PointColumns
from streamgauge.tracer import codec
from streamgauge.tracer.labels import Labels as Declared
from streamgauge.tracer.records import Open
from streamgauge.tracer.tasks import Head
from streamgauge.tracer.tasks import Task as OfTracer
from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import MemoryLog

T0: Final = 1_764_547_200.0  # 1 December 2025, 00:00 UTC
TURN: Final = 300.0  # seconds between steps
ROWS: Final = 400
BOUGHT: Final = 900.0  # seconds from a click to what is known of the purchase
WINDOWS: Final = (
    WindowSpec(name="short", kind="short", length=HOUR, slide=HOUR),
    WindowSpec(name="long", kind="long", length=HOUR, slide=HOUR),
)
LABELS: Final = {"horizon": HOUR, "timeout": 2 * HOUR, "margin": TURN}
NAMES: Final = {"cvr": "positives", "twin": "all"}


class Told(NamedTuple):
    """What the pipeline said of the job as a whole."""

    scores: list[Score]  # overall, in order
    values: dict[tuple[str, str], list[float]]  # by entity and metric, window by window
    log: list[bytes]


class Turn(NamedTuple):
    """The rows of one turn."""

    ids: np.ndarray
    p: np.ndarray  # of a click
    click: np.ndarray
    q: np.ndarray  # of a purchase after it
    bought: np.ndarray


def config(**changes: object) -> JobConfig:
    labels = Labels(**LABELS)
    tasks = tuple(Task(name=name, of=of, expected=BOUGHT, labels=labels) for name, of in NAMES.items())
    given = {"name": "ctr", "pane": TURN, "tick": TURN / 2, "windows": WINDOWS, "labels": labels, "tasks": tasks}
    return JobConfig(**given | changes)


def turns(hours: float, seed: int = 1) -> list[Turn]:
    random, found = np.random.default_rng(seed), []
    for turn in range(int(hours * HOUR / TURN)):
        p, q = random.beta(2.0, 4.0, ROWS), random.beta(2.0, 3.0, ROWS)
        click = random.random(ROWS) < p
        ids = np.arange(ROWS) + turn * 10_000
        found.append(Turn(ids, p, click, q, click & (random.random(ROWS) < q)))
    return found


def play(hours: float, *, wrong_from: float = math.inf, seed: int = 1) -> Told:
    """Clicks are known after one turn, purchases `BOUGHT` later; from `wrong_from` on purchases are told five-fold."""
    now, log = [T0], MemoryLog()
    labels = Declared(**LABELS)
    tasks = [OfTracer(name=name, of=of, expected=BOUGHT, labels=labels) for name, of in NAMES.items()]  # type: ignore[arg-type]
    tracer = Tracer(
        "ctr", "w", log, clock=lambda: now[0], pane=TURN, labels=labels, tasks=tasks, incarnation="a", usage=False
    )
    rows, late = turns(hours, seed), int(BOUGHT / TURN)
    for i, turn in enumerate(rows):
        now[0] = T0 + i * TURN
        q = np.minimum(5.0 * turn.q, 1.0) if i * TURN >= wrong_from else turn.q
        heads = {"cvr": Head(predictions=q), "twin": Head(predictions=turn.p)}
        tracer.observe({"bid": turn.p}, ids=turn.ids, time=now[0], due=now[0] + BOUGHT, predictions=turn.p, tasks=heads)
        if i >= 1:
            known = rows[i - 1]
            tracer.label(known.ids, known.click)
            tracer.label(known.ids, known.click, task="twin")
            tracer.step(loss=0.4, ids=known.ids, tasks={"twin": Head()})
        if i >= 1 + late:
            clicked = rows[i - 1 - late]
            ids = clicked.ids[clicked.click]
            tracer.label(ids, clicked.bought[clicked.click], task="cvr")
            tracer.step(tasks={"cvr": Head(ids=ids, loss=0.6)})
        tracer.beat()
    tracer.close()
    return judged(config(), [message.value for message in log.read("traces", 0, 10_000_000)])


def judged(job: JobConfig, records: list[bytes]) -> Told:
    operator, told = Operator(job, Stage2(job)), Told([], {}, records)
    opening = codec.encode(Open(job="ctr", start=T0))
    for output in (outputs.decode(one.value) for one in operator.on_records([opening, *records])):
        if isinstance(output, Score) and output.domain == "overall" and not output.revision:
            told.scores.append(output)
        elif isinstance(output, PointColumns) and not output.revision:
            for key, value in zip(msgspec.msgpack.decode(output.keys), np.frombuffer(output.value), strict=True):
                if not key[0]:
                    told.values.setdefault((key[2], key[3]), []).append(float(value))
    return told

"""A job too big for one key: 500 workers in eight shards and a second stage say what one operator would."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from streamgauge.pipelines.config.schema import Config, JobConfig, WindowSpec
from streamgauge.pipelines.engines.combining import combining
from streamgauge.pipelines.engines.embedded import Engine
from streamgauge.pipelines.engines.parts import combiner_of, operator_of
from streamgauge.tracer import codec
from streamgauge.tracer.records import Name, Tick, TraceBatch, key_of, shard_of
from streamgauge.tracer.transport import MemoryLog
from tests.engines import answers
from tests.engines.answers import Answer

WORKERS: Final = 500
SHARDS: Final = 8
PANES: Final = 6
PANE: Final = 10.0
START: Final = 1_700_000_040.0
NAMES: Final = codec.encode_names([
    Name("train", "loss", ""), Name("train", "rows", ""), Name("train", "gradient_norm", "tensor:a"),
    Name("sample", "rows", ""),
])  # fmt: skip
WINDOWS: Final = (
    WindowSpec(name="short", kind="short", length=20, slide=20),
    WindowSpec(name="wall", kind="wall", length=20, slide=20),
)


def log_of(shards: int) -> Iterator[tuple[str, str, bytes]]:
    """Six panes; one worker meets something non-finite, another falls silent, a third joins late."""
    random = np.random.default_rng(1)
    for pane in range(PANES):
        start = START + pane * PANE
        for number in range(WORKERS):
            values = np.array([random.gamma(2.0), 50.0, random.gamma(1.0), 50.0])
            if (number == 7 and pane >= 2) or (number == 9 and pane < 3):
                continue
            worker = f"worker:{number}"
            shard = shard_of(worker, shards)
            yield "traces", key_of("big", shard, shards), codec.encode(TraceBatch(
                job="big", worker=worker, shard=shard, shards=shards, incarnation="a", sequence=pane + 1, pane=start,
                pane_length=PANE, interval=PANE, watermark=start + PANE, names=NAMES,
                index=np.arange(4, dtype="<u2").tobytes(), value=values.tobytes(), captured=4 * (pane + 1),
                hard=(("nonfinite", "tensor:a", 3.0),) if (number, pane) == (3, 2) else (),
            ))  # fmt: skip
        for shard in range(shards):
            tick = Tick(job="big", shard=shard, time=start + PANE)
            yield "traces", key_of("big", shard, shards), codec.encode(tick)


def said(shards: int) -> frozenset[Answer]:
    """What the pipeline says of the job."""
    job = JobConfig(name="big", pane=PANE, windows=WINDOWS, shards=shards, max_series=100_000)
    config, log = Config(jobs=(job,)), MemoryLog()
    log.send(list(log_of(shards)))
    engine, combiner = Engine(config, log, operator_of), combining(config, log, combiner_of)
    while engine.step() or combiner.step():
        pass
    return answers.of(
        message for topic in ("scores", "anomalies", "dead-letters") for message in log.read(topic, 0, 10**9)
    )


def test_five_hundred_workers_in_eight_shards_give_the_answer_of_one_operator() -> None:
    assert {shard_of(f"worker:{number}", SHARDS) for number in range(WORKERS)} == set(range(SHARDS))
    whole, parts = said(1), said(SHARDS)
    assert b"nonfinite" in b"".join(answer.said for answer in whole if answer.topic == "anomalies")
    assert {answer.topic for answer in whole} == {"scores", "anomalies"}
    assert parts == whole

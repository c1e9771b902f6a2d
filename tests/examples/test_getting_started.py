"""Each part of `docs/getting-started.md` runs as it stands, and its job gets a score with the features in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamgauge.anomaly.types import Score
from streamgauge.pipelines.bridge import rows
from streamgauge.pipelines.bridge.blocks import Blocks, Sample, fields_of
from streamgauge.pipelines.config.loading import parse
from streamgauge.pipelines.stream.operators import Operator
from streamgauge.pipelines.stream.stage2 import Stage2
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.outputs import DeadLetter, PointColumns
from streamgauge.tracer import codec
from streamgauge.tracer.records import Tick
from tests.examples.started import blocks, names, run

PLAIN, LATER = blocks("python", "Plain Python")


def judged(records: list[bytes]) -> list[object]:
    """What the pipeline says once the job's minutes are over."""
    (job,) = parse(blocks("toml")[0]).jobs
    newest = max(codec.decode(record).pane for record in records)  # type: ignore[union-attr]
    tick = codec.encode(Tick(job=job.name, time=newest + 180.0))
    return [outputs.decode(one.value) for one in Operator(job, Stage2(job)).on_records([*records, tick])]


@pytest.mark.parametrize(
    ("block", "wanted"),
    [
        (PLAIN, {("loss", ""), ("profile", "feature:age"), ("profile", "feature:city"), ("prediction", "")}),
        (LATER, {("loss", ""), ("profile", "feature:age"), ("profile", "feature:city"), ("prediction", "")}),
        *((block, {("profile", "feature:age"), ("profile", "feature:city")}) for block in blocks("python", "river")),
        *((block, {("loss", ""), ("gradient_norm", "tensor:clicks/hidden/kernel"), ("profile", "feature:city")})
          for block in blocks("python", "Keras")),
    ],
    ids=["plain", "later", "river", "keras"],
)  # fmt: skip
def test_a_block_runs_and_its_job_gets_a_score(
    block: str, wanted: set[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    records = run(block, tmp_path)
    assert wanted <= names(records)
    told = judged(records)
    assert not [one for one in told if isinstance(one, DeadLetter)]
    assert [one for one in told if isinstance(one, Score) and one.domain == "overall"]
    assert any(b"missing_rate" in one.keys for one in told if isinstance(one, PointColumns))


def test_the_rows_on_kafka_are_read_as_the_page_says() -> None:
    toml = blocks("toml")[0] + blocks("toml", "Rows on Kafka")[0]
    config = parse(toml)
    (one,), (job,), (message,) = config.bridges, config.jobs, blocks("json", "Rows on Kafka")
    faults: list[str] = []
    read = rows.decoder_of(one.format, fields_of(one, job))
    made = Blocks(one, job, "clicks/0", read, fault=lambda where, error: faults.append(where))
    sent = json.loads(message)["shown_at"] / 1000.0 + 2.0
    found = [*made.add([Sample(i, sent + i, message.encode()) for i in range(40)]), made.pass_silence(sent + 120.0)]
    records = [output.value for block in found for output in block.outputs if output.topic == "traces"]
    assert not faults
    assert {("profile", "feature:age"), ("profile", "feature:city"), ("prediction", "")} <= names(records)

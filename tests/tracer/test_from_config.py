"""A tracer by the pipeline's file: what is declared once is what both sides know."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamgauge.pipelines.config.loading import load
from streamgauge.tracer import codec, records
from streamgauge.tracer.from_config import ConfigFault, read
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import MemoryLog

TEXT = """
data = "watched"

[[jobs]]
name = "ctr"
pane = "5s"
labels = { horizon = "1h", margin = 60, timeout = "2h", silence = "5m" }

[[jobs.features]]
name = "tags"
kind = "id"
separator = ","
weight = "|"

[[jobs.features]]
name = "age"
kind = "numeric"
high = 120
importance = 3
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "streamgauge.toml"
    path.write_text(TEXT)
    return path


def test_what_the_pipeline_is_told_the_tracer_knows(file: Path) -> None:
    (job,), (found, _) = load(file).jobs, read(file)
    assert (found["job"], found["pane"], found["shards"]) == (job.name, job.pane, job.shards)
    assert [(one.name, one.kind, one.high) for one in found["features"]] == [
        ("tags", "id", None), ("age", "numeric", 120.0),
    ]  # fmt: skip
    assert [(one.separator, one.weight) for one in found["features"]] == [(",", "|"), ("", "")]
    labels = found["labels"]
    assert (labels.horizon, labels.margin, labels.timeout) == (
        job.labels.horizon, job.labels.margin, job.labels.timeout,
    )  # fmt: skip


def test_its_records_go_where_the_pipeline_reads(file: Path) -> None:
    tracer = Tracer.from_config(file, "w0")
    tracer.step(loss=0.3)
    assert tracer.close()
    log = LocalLog(file.parent / "watched" / "log.db")
    assert {codec.peek(message.value).job for message in log.read("traces", 0, 10)} == {"ctr"}


def test_what_is_given_takes_precedence_over_the_file(file: Path) -> None:
    log = MemoryLog()
    tracer = Tracer.from_config(file, "w0", transport=log, pane=2.0)
    tracer.step(loss=0.3)
    assert tracer.close()
    batch = codec.decode(log.read("traces", 0, 1)[0].value)
    assert isinstance(batch, records.TraceBatch)
    assert batch.pane_length == 2.0


@pytest.mark.parametrize(("text", "job", "words"), [
    ("", None, "name one of its jobs; known are none"),
    ("[jobs.a]\n[jobs.b]", None, "name one of its jobs; known are a, b"),
    ("[jobs.a]", "b", "it has no job 'b'; known are a"),
    ("[jobs.a]\npane = \"x\"", None, "'x' is no duration"),
    ("jobs =", None, "cannot read"),
])  # fmt: skip
def test_a_file_that_does_not_fit_is_told_with_its_remedy(
    tmp_path: Path, text: str, job: str | None, words: str
) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(ConfigFault, match=words):
        Tracer.from_config(path, "w0", job=job)

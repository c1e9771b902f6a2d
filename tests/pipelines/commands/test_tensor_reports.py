"""`tensors diagnose` and `tensors tensorboard`: what a real training told, from the embedded log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamgauge.pipelines.cli import main
from streamgauge.tracer import read
from streamgauge.tracer.frameworks.plain import Traced
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.reductions import histogram
from streamgauge.tracer.selection import BOOT, Select
from tests.pipelines.train_quality.network import Network
from tests.tracer.frameworks.job import Job

STEPS = 60


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Job]:
    """A job whose second layer is dead; what it told lies in an embedded log."""
    folder = tmp_path_factory.mktemp("job")
    (folder / "streamgauge.toml").write_text(f'data = "{folder / "data"}"\nport = 1\n[jobs.ctr]\npane = 10\n')
    (folder / "data").mkdir()
    raw = [Select(collection=kind, emit="raw", every=20) for kind in ("weights", "activations")]
    job = Job(*BOOT, *raw, Select(collection="gradients", emit="histogram", every=20))
    network = Network(fault=lambda network: network.weights["dense2/bias"].__setitem__(slice(0, 20), -50.0))
    traced = Traced(job.tracer, network.weights)
    for number in range(1, STEPS + 1):
        network.step(number, traced, job)
        job.now += 1.0
        job.tracer.beat()
    job.tracer.flush()
    log = LocalLog(folder / "data" / "log.db")
    for topic in ("traces", "tensors"):
        log.send([(topic, m.key, m.value) for m in job.log.read(topic, 0, 100_000)])
    log.close()
    return str(folder / "streamgauge.toml"), job


def test_a_diagnosis_names_the_dead_layer(played: tuple[str, Job], capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["tensors", "diagnose", "--job", "ctr", "--config", played[0]])
    text = capsys.readouterr().out
    assert code == 1
    assert "83 % of the units of dense2 are dead (never positive up to step 60)" in text
    main(["tensors", "diagnose", "--job", "ctr", "--json", "--config", played[0]])
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["name"] for one in told if one["diagnosis"] == "dead_units"] == ["dense2"]


@pytest.mark.real
def test_tensorboards_own_reader_reads_each_step_and_histogram(
    played: tuple[str, Job], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    from tensorboard.util.tensor_util import make_ndarray

    config, job = played
    assert main(["tensors", "tensorboard", "--job", "ctr", "--to", str(tmp_path), "--config", config]) == 0
    assert "tensorboard --logdir" in capsys.readouterr().out
    events: Any = reader.EventAccumulator(str(tmp_path / "w" / "a"), size_guidance={"tensors": 0})
    events.Reload()
    losses = [(one.step, float(make_ndarray(one.tensor_proto))) for one in events.Tensors("loss")]
    assert [step for step, _ in losses] == list(range(1, STEPS + 1))
    assert [loss for _, loss in losses] == pytest.approx(job.values("loss"), rel=1e-6)
    norms = events.Tensors("gradient_norm/dense1/kernel")
    assert [one.step for one in norms] == [10, 20, 30, 40, 50, 60]
    arrays = list(read.gather(m.value for m in job.log.read("tensors", 0, 100_000)))
    for collection, name in (("weights", "dense1/kernel"), ("gradients", "dense1/kernel")):
        (kept,) = [one for one in arrays if (one.collection, one.name, one.step) == (collection, name, 40)]
        bins = kept.array if kept.emit == "histogram" else histogram(kept.array)
        found = {one.step: make_ndarray(one.tensor_proto) for one in events.Tensors(f"{collection}/{name}")}
        np.testing.assert_array_equal(found[40][:, 2][found[40][:, 2] > 0], bins[:, 2][bins[:, 2] > 0])
    plugins = {events.SummaryMetadata(tag).plugin_data.plugin_name for tag in events.Tags()["tensors"]}
    assert plugins == {"scalars", "histograms"}


def test_an_empty_log_makes_no_event_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "streamgauge.toml").write_text(f'data = "{tmp_path}"\nport = 1\n[jobs.ctr]\npane = 10\n')
    LocalLog(tmp_path / "log.db").close()
    config = str(tmp_path / "streamgauge.toml")
    assert main(["tensors", "tensorboard", "--job", "ctr", "--to", str(tmp_path / "out"), "--config", config]) == 1
    assert "nothing in" in capsys.readouterr().out

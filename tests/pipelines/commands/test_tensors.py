"""Raw tensors are listed, printed, compared and exported from the log as the workers sent them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from streamgauge.pipelines.cli import main
from streamgauge.tracer import arrays
from streamgauge.tracer.arrays import Chunk
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.read import gather
from tests.tracer.frameworks.job import RAW, Job

PARTS = ("layer1/weights/part_0:0", "layer1/weights/part_1:0")


def _chunks(worker: str, step: int, name: str, array: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> list[bytes]:
    about = Chunk(
        job="ctr", worker=worker, incarnation="a", step=step, time=0.0, collection="weights", name=name, data=b""
    )  # fmt: skip
    return arrays.chunks(array, about, size=200)


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "streamgauge.toml"
    path.write_text(f'data = "{tmp_path / "data"}"\nport = 1\n[jobs.ctr]\npane = 10\n')
    (tmp_path / "data").mkdir()
    log = LocalLog(tmp_path / "data" / "log.db")
    for step in (10, 20):
        for worker in ("w:0", "w:1"):
            for i, name in enumerate(PARTS):
                array = np.full((8, 16), step + i, np.float32)
                log.send([("tensors", f"ctr/{worker}", chunk) for chunk in _chunks(worker, step, name, array)])
    whole = _chunks("../../out", 10, "/etc/x", np.ones(3, np.float32))
    log.send([("tensors", "ctr/x", chunk) for chunk in [b"no chunk", *whole]])
    log.send([("tensors", "ctr/x", _chunks("w:0", 30, "torn", np.ones(900, np.float32))[0])])
    return str(path)


def _said(capsys: pytest.CaptureFixture[str], config: str, *arguments: str) -> tuple[int, str]:
    code = main(["tensors", *arguments, "--job", "ctr", "--config", config])
    return code, capsys.readouterr().out


def test_a_list_names_what_is_whole_and_a_partitioned_tensor_by_its_own_name(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = _said(capsys, config, "list", "--tensor", "layer1/weights", "--worker", "w:1", "--step", "20")
    assert code == 0
    assert text.splitlines() == [f"w:1 step 20 weights {name} float32 8x16" for name in PARTS]
    assert "torn" not in _said(capsys, config, "list")[1]
    assert _said(capsys, config, "list", "--tensor", "nothing")[0] == 1


def test_a_difference_is_the_last_step_less_the_first(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = _said(capsys, config, "diff", "--tensor", PARTS[0], "--worker", "w:0", "--json")
    told = json.loads(text)
    assert (code, told["from"], told["step"]) == (0, 10, 20)
    assert told["change"] == pytest.approx(10.0 * np.sqrt(128))
    assert told["relative"] == pytest.approx(1.0)


def test_values_are_printed(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, text = _said(capsys, config, "print", "--tensor", PARTS[1], "--worker", "w:0", "--step", "10")
    assert "min 11 mean 11 max 11" in text


def test_an_export_stays_in_its_folder(config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "out"
    assert _said(capsys, config, "export", "--to", str(folder))[0] == 0
    files = sorted(path for path in tmp_path.rglob("*.npy"))
    assert len(files) == 9
    assert all(folder in path.parents for path in files)
    exported = np.load(folder / "w_0" / "layer1_weights_part_0_0.weights.20.npy", allow_pickle=False)
    np.testing.assert_array_equal(exported, np.full((8, 16), 20, np.float32))


def test_the_reader_gives_what_a_tracer_sent_in_any_order_of_chunks() -> None:
    job = Job(*RAW)
    array = np.random.default_rng(0).normal(size=(400, 300))
    job.tracer.tensors.raw("weights", "table", array)
    job.tracer.flush()
    messages = [message.value for message in job.log.read("tensors", 0, 100)]
    assert len(messages) > 1
    (one,) = gather(reversed(messages))
    np.testing.assert_array_equal(one.array, array)
    assert list(gather(messages[1:])) == []

"""Event files of others: of Keras 3's callback as it wrote them, as PyTorch writes them, and damaged ones."""

from pathlib import Path

import numpy as np
import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from streamgauge.pipelines.adapters.tensorboard import curves
from streamgauge.pipelines.imports.recorded import series_of

KERAS = Path(__file__).parent / "recorded" / "keras"


def simple(folder: Path, values: list[float], tag: str = "eval/auc") -> Path:
    """As `torch.utils.tensorboard.SummaryWriter.add_scalar` has it: `simple_value`, no metadata."""
    writer = EventFileWriter(str(folder))
    for step, value in enumerate(values):
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
        writer.add_event(Event(step=step, wall_time=1000.0 + step, summary=summary))
    writer.close()
    return next(folder.iterdir())


def test_of_keras_the_validation_is_the_reference() -> None:
    found = list(curves(KERAS))
    ours = {(one.run, one.tag): one for one in found}
    assert {("train", "epoch_auc"), ("validation", "epoch_auc"), ("validation", "epoch_loss")} <= set(ours)
    series = series_of(found, {})
    assert {labels[3] for labels in series} == {"auc", "loss"}
    np.testing.assert_array_equal(series["", "train", "", "auc"], ours["validation", "epoch_auc"].value)
    assert len(series["", "train", "", "auc"]) == 32


def test_scalars_without_metadata_are_read_and_what_is_not_finite_is_left_out(tmp_path: Path) -> None:
    simple(tmp_path / "a", [0.5, float("nan"), 0.75])
    (found,) = curves(tmp_path)
    assert (found.run, found.tag, found.step.tolist(), found.value.tolist()) == ("a", "eval/auc", [0, 2], [0.5, 0.75])


@pytest.mark.parametrize("end", [0, 5, 11, 150, 300])
def test_a_file_that_was_cut_off_gives_what_came_before(tmp_path: Path, end: int) -> None:
    path = simple(tmp_path, [i / 8 for i in range(30)])
    path.write_bytes(path.read_bytes()[:end])
    values = [one.value.tolist() for one in curves(tmp_path)]
    assert not values or values[0] == [i / 8 for i in range(len(values[0]))]
    assert end < 300 or values


def test_bytes_that_are_no_event_file_give_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.tfevents").write_bytes(b"\xff" * 500)
    assert list(curves(tmp_path)) == []

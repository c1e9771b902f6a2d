import numpy as np
import pytest

from streamgauge.pipelines.config.schema import HOUR, JobConfig, WindowSpec
from streamgauge.pipelines.imports.recorded import Curve, histories, metric_of, series_of

JOB = JobConfig(name="ctr", windows=(
    WindowSpec(name="m", kind="short", length=60.0, slide=60.0),
    WindowSpec(name="h", kind="long", length=HOUR, slide=60.0),
))  # fmt: skip
NOW = 1_764_331_230.0


def curve(tag, values, run="a", last=100.0):
    n = len(values)
    return Curve(run, tag, np.arange(n), last + np.arange(n, dtype=float) - n, np.asarray(values, float))


def test_names_of_the_field_say_which_metric_they_are():
    found = {tag: metric_of(tag) for tag in ("loss", "val_loss", "epoch_auc", "eval/Log-Loss", "AUC", "lr", "f1")}
    assert found == {
        "loss": "loss", "val_loss": "loss", "epoch_auc": "auc", "eval/Log-Loss": "log_loss", "AUC": "auc", "lr": None,
        "f1": None,
    }  # fmt: skip


def test_of_several_the_held_out_one_is_taken_and_runs_follow_each_other():
    given = [curve("auc", [0.9]), curve("val_auc", [0.7, 0.8], "late", 200.0), curve("val_auc", [0.5, 0.6])]
    assert {labels: values.tolist() for labels, values in series_of(given, {}).items()} == {
        ("", "train", "", "auc"): [0.5, 0.6, 0.7, 0.8]
    }
    asked = series_of(given, {"auc": "auc"})
    assert asked["", "train", "", "auc"].tolist() == [0.9]


def test_points_are_the_last_windows_side_by_side_whatever_time_lay_between_them():
    series = series_of([curve("auc", np.arange(40) / 40.0), curve("loss", [3.0, 2.0, 1.0])], {})
    short, long = histories(series, JOB, NOW)
    assert (short.window, short.labels, short.values[:, 0].tolist()) == ("m", (("", "train", "", "loss"),), [3, 2, 1])
    assert (long.window, len(long.starts), float(long.values[-1, 0])) == ("h", 40, 39 / 40)
    assert np.diff(long.starts).tolist() == [HOUR] * 39
    assert long.starts[-1] + HOUR <= NOW < long.starts[-1] + HOUR + 60.0


def test_a_metric_of_the_shorter_run_is_unknown_before_it():
    series = series_of([curve("auc", [0.5] * 3), curve("pcoc", [1.0] * 2)], {})
    (long,) = histories(series, JOB, NOW)
    assert np.isnan(long.values[:, 1]).tolist() == [True, False, False]


@pytest.mark.parametrize(("asked", "text"), [({"auc": "nope"}, "recorded are loss"), ({"volume": "loss"}, "no metric"),
                                             ({"acu": "loss"}, "no metric")])  # fmt: skip
def test_what_is_not_there_is_told_with_what_is(asked, text):
    with pytest.raises(ValueError, match=text):
        series_of([curve("loss", [1.0])], asked)

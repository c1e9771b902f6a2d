"""Found slices over a real store: by the command and by value names; windows that overlap count once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from streamgauge.anomaly.types import Score
from streamgauge.pipelines.adapters.sqlite.store import SqliteStore
from streamgauge.pipelines.cli import main
from streamgauge.pipelines.config.loading import load
from streamgauge.pipelines.service.stores import store_path
from streamgauge.pipelines.wire.outputs import Profiles
from streamgauge.tracer.summaries import ValueErrors, code_of, encode

T0, HOUR, HOURS = 1_764_288_000.0, 3600.0, 24
OSLO = f"{code_of('oslo', b''):016x}"
FILE = """
data = "{data}"
port = 1
[jobs.ctr]
features = [
  {{ name = "city", kind = "categorical" }},
  {{ name = "age", kind = "numeric" }},
]
evaluation = {{ find = {find} }}
"""


def window(hour: float) -> Profiles:
    """1,000 rows: in Oslo positives come half as often as predicted, below the age of 3 three times as often."""
    random = np.random.default_rng(int(hour * 10))
    city, age, p = random.integers(0, 3, 1000), random.integers(0, 40, 1000).astype(float), random.beta(2, 18, 1000)
    codes = np.array([code_of("rome", b""), code_of("oslo", b""), code_of("lima", b"")], np.uint64)[city]
    y = random.random(1000) < p * np.where(city == 1, 0.5, 1.0) * np.where((age >= 1) & (age < 3), 3.0, 1.0)
    sketches = [
        encode(ValueErrors.of(codes, p, y, np.ones(1000)), "train", "by_value", "feature:city"),
        encode(ValueErrors.of(age, p, y, np.ones(1000)), "train", "by_value", "feature:age"),
        encode(ValueErrors.of(age, p, p > 0.5, np.ones(1000)), "train", "by_value", "task:cvr/feature:age"),
    ]
    start = T0 + hour * HOUR
    return Profiles(
        job="ctr", worker="", window="long", start=start, end=start + HOUR, revision=0, number=int(hour * 10) + 1,
        sketches=tuple(sketches),
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "streamgauge.toml"
    path.write_text(FILE.format(data=tmp_path / "data", find='["city", "age"]'))
    (tmp_path / "data").mkdir()
    store = SqliteStore(store_path(load(path)))
    store.write([window(at) for hour in range(HOURS) for at in (hour, hour + 0.5)])
    at = {"job": "ctr", "domain": "overall", "start": T0, "end": T0 + HOURS * HOUR}
    store.write([Score(**at, micropoints=97_000_000, coverage=1.0)])
    store.close()
    return path


def test_the_command_tells_what_is_off_worst_first(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["slices", "--job", "ctr", "--since", "1d", "--config", str(file)]
    assert main([*asked, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["windows"], found["features"], found["found"]) == (HOURS, 2, len(found["rows"]))
    names = [(row["feature"], row["value"]) for row in found["rows"]]
    assert {("age", "1 to 1.5"), ("age", "2 to 3"), ("city", OSLO)} <= set(names)
    assert names[0][0] == "age" and found["rows"][0]["difference"] > 1.0
    oslo = found["rows"][names.index(("city", OSLO))]
    assert oslo["rows"] == pytest.approx(8_000, rel=0.05)
    assert oslo["difference"] == pytest.approx(0.5 / 0.93 - 1.0, abs=0.08)
    assert len([value for value in oslo["history"] if value is not None]) == 12
    assert main(asked) == 1
    text = capsys.readouterr().out
    assert "features are off beyond chance (Holm, 5 %), 24 windows" in text and f"city = {OSLO}" in text
    assert main([*asked, "--task", "cvr", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["features"] == 1


def test_a_job_that_looks_for_none_says_how(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(FILE.format(data=file.parent / "data", find="[]"))
    assert main(["slices", "--job", "ctr", "--config", str(file)]) == 2
    assert 'name features: [jobs.evaluation] find = ["country"]' in capsys.readouterr().err

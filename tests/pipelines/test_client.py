"""`streamgauge.connect`: the same frames of a running pipeline and of its data folder."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import streamgauge
from streamgauge.anomaly.types import Score
from streamgauge.pipelines.adapters.sqlite.store import SqliteStore
from streamgauge.pipelines.client import ConnectError
from streamgauge.pipelines.config.loading import parse
from streamgauge.pipelines.service import assembly
from streamgauge.pipelines.service.run import Service

T0 = 1_764_331_200.0  # 2025-11-28 12:00 UTC


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with three minutes of scores."""
    made = tmp_path_factory.mktemp("data")
    store = SqliteStore(made / "store.db")
    store.write([
        Score(job="ctr", domain=domain, start=end - 60.0, end=end, micropoints=micropoints, coverage=1.0)
        for end, micropoints in ((T0 + 60.0, 90_000_000), (T0 + 120.0, 50_000_000), (T0 + 180.0, 97_000_000))
        for domain in ("overall", "sample")
    ])  # fmt: skip
    store.close()
    return made


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """The same, served."""
    config = parse(f'data = "{folder.as_posix()}"\nport = 0\nconsole = false\nself.enabled = false\n[jobs.ctr]\n')
    service = Service(config, assembly.parts_of(config))
    yield service.start(assembly.guard_of(config))
    service.stop()
    assert threading.active_count() < 50


@pytest.fixture(params=["folder", "address"])
def gauge(request: pytest.FixtureRequest) -> Any:
    return streamgauge.connect(request.getfixturevalue(request.param))


def test_scores_are_a_row_a_window_with_times(gauge: Any) -> None:
    frame = gauge.scores("ctr")
    assert frame["overall"].tolist() == [90.0, 50.0, 97.0]
    assert str(frame["time"].iloc[0]) == "2025-11-28 12:01:00+00:00"


def test_a_range_may_be_written_as_people_do(gauge: Any) -> None:
    assert gauge.scores("ctr", "2025-11-28T12:02:00+00:00")["overall"].tolist() == [50.0, 97.0]


def test_jobs_and_incidents_are_frames_too(gauge: Any) -> None:
    assert gauge.jobs()["job"].tolist() == ["ctr"]
    assert len(gauge.incidents()) == 0
    assert len(gauge.series("ctr")) == 0


@pytest.mark.parametrize("frames", ["pandas", "polars"])
def test_where_nothing_was_told_the_frames_have_their_columns(folder: Any, frames: Any) -> None:
    pytest.importorskip(frames)
    gauge = streamgauge.connect(folder, frames=frames)
    found = gauge.incidents(start=1.0, end=2.0)
    assert list(found.columns)[:4] == ["id", "job", "status", "start"]
    assert len(found) == 0
    assert "datetime" in str(found["start"].dtype).lower()
    assert list(gauge.series("nobody").columns)[1:5] == ["worker", "domain", "entity", "metric"]


def test_what_is_not_there_is_told_with_its_remedy(gauge: Any, tmp_path: Path) -> None:
    with pytest.raises(ConnectError, match="has no series 'volume'"):
        gauge.points("ctr", "volume")
    with pytest.raises(ConnectError, match="unknown label 'wroker'"):
        gauge.series("ctr", wroker="w0")
    with pytest.raises(ConnectError, match="neither the address of a pipeline nor a data folder"):
        streamgauge.connect(tmp_path)
    with pytest.raises(ConnectError, match="no pipeline answers at"):
        streamgauge.connect("http://127.0.0.1:1")

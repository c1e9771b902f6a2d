"""The first hour of a job with real clicks: what breaks from minute ten on is told once, in its own page, and over.

The faults come one after the other, then all at once. Nothing is known of the job before but its declarations.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from streamgauge.anomaly.types import Notification
from streamgauge.pipelines.adapters.notifiers import alertmanager
from streamgauge.pipelines.adapters.sqlite.query import SqliteQuery
from streamgauge.pipelines.detection.phases import with_phase
from streamgauge.pipelines.paging.pager import KINDS
from streamgauge.pipelines.service import assembly
from streamgauge.pipelines.service.replay import replay
from streamgauge.pipelines.wire import outputs
from streamgauge.tracer.local.log import LocalLog
from tests.first_hour.clicks import clicks
from tests.first_hour.job import MINUTE, T0, TIMEOUT, Fault, config, play
from tests.servers import through_alertmanager
from tests.servers.jars import ServerMissing

FAULTS: Final = (
    Fault("null", 10, 14, feature="age"),
    Fault("held", 16, 21),
    Fault("nan", 25, 26, "w1"),
    Fault("killed", 30, 33, "w2"),
    Fault("null", 40, 46, "w0", "item"),  # from here on one into the other
    Fault("nan", 41, 42, "w1"),
    Fault("held", 43, 49),
    Fault("killed", 44, 48, "w2"),
)  # fmt: skip
MARGIN: Final = 10.0  # of the labels, as the job declares it
GRACE: Final = 45.0  # that the pager waits for a cause to show
WINDOW: Final = 60.0


def root_of(fault: Fault) -> str:
    """The place that the page must name."""
    place = {"null": f"feature:{fault.feature}", "held": "labels", "nan": "model", "killed": "heartbeat"}[fault.kind]
    return f"{place}@{fault.worker}" if fault.worker else place


def begin(fault: Fault) -> float:
    """When it can first be seen: a label that is held back is overdue when its time has passed."""
    return T0 + fault.start * MINUTE + (TIMEOUT + MARGIN if fault.kind == "held" else 0.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the pipeline's log and store are after the hour."""
    live, stored = tmp_path_factory.mktemp("live"), tmp_path_factory.mktemp("stored")
    settings = config(stored)
    log = LocalLog(live / "log.db")
    play(clicks(), log, settings, FAULTS)
    for _ in replay(settings, log, assembly.parts_of(settings)):
        pass
    return stored


@pytest.fixture(scope="module")
def hour(folder: Path) -> SqliteQuery:
    """The store after the hour."""
    return SqliteQuery(folder / "store.db")


@pytest.fixture(scope="module")
def incidents(hour: SqliteQuery) -> list[dict[str, Any]]:
    """Every incident, oldest first."""
    return sorted(hour.incidents("clicks", 0.0, 4e9, 100), key=lambda one: float(one["root"]["start"]))


def told_of(incidents: list[dict[str, Any]], fault: Fault) -> dict[str, Any]:
    """The one incident of a fault."""
    mine = [
        one for one in incidents
        if one["root"]["node"] == root_of(fault) and abs(one["root"]["start"] - begin(fault)) <= 2 * WINDOW
    ]  # fmt: skip
    assert len(mine) == 1, [(one["root"]["node"], one["text"]) for one in incidents]
    return mine[0]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.kind} at minute {fault.start}")
def test_each_fault_has_its_own_page_within_two_windows(incidents: list[dict[str, Any]], fault: Fault) -> None:
    told = told_of(incidents, fault)
    assert told["root"]["severity"] in ("page", "page-now")
    assert begin(fault) <= told["time"] <= begin(fault) + 2 * WINDOW + GRACE


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.kind} at minute {fault.start}")
def test_each_is_over_when_it_is_and_not_before(incidents: list[dict[str, Any]], fault: Fault) -> None:
    told, end = told_of(incidents, fault), T0 + fault.end * MINUTE
    assert told["status"] == "resolved"
    assert end - WINDOW <= told["root"]["end"] <= end + 2 * WINDOW
    assert told["last"] >= end


def test_nothing_else_is_told_and_each_only_once(incidents: list[dict[str, Any]]) -> None:
    assert sorted(one["root"]["node"] for one in incidents) == sorted(root_of(fault) for fault in FAULTS)
    assert {one["notifications"] for one in incidents} == {2}  # it fires, it is over


def test_alertmanager_restarted_in_the_middle_tells_each_once_and_that_it_is_over(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alertmanager, "EVERY", 1.0)  # for so long an end waits after a restart
    records = [outputs.decode(one.value, KINDS) for one in LocalLog(folder / "log.db").read("alerts", 0, 10_000)]
    told = [one for one in records if isinstance(one, Notification)]
    try:
        heard = through_alertmanager.send(told, tmp_path)
    except ServerMissing as missing:
        pytest.skip(str(missing))
    assert heard == through_alertmanager.wanted(told)
    assert heard.total() == 2 * len(FAULTS)


def test_the_job_says_that_it_is_learning_then_young(hour: SqliteQuery) -> None:
    (job,) = config(Path()).jobs
    (row,) = hour.jobs()
    early = with_phase(row | {"end": T0 + 5 * MINUTE, "band": "healthy"}, job)
    assert (early["band"], early["warm_up"]["phase"]) == ("learning", "learning")
    assert with_phase(row, job)["warm_up"]["phase"] == "young"


def test_a_cold_model_costs_no_points(hour: SqliteQuery) -> None:
    lines = hour.scores("clicks", T0, T0 + 10 * MINUTE, 100)
    assert {round(line["score"]) for line in lines} == {100}


def test_with_nothing_open_the_score_is_well_again(hour: SqliteQuery) -> None:
    for begin, end in ((28.5, 30), (38, 40), (56, 60)):  # minutes, between two faults and after the last
        lines = hour.scores("clicks", T0 + begin * MINUTE, T0 + end * MINUTE, 100)
        assert {line["band"] for line in lines} == {"healthy"}, [(line["end"], line["score"]) for line in lines]

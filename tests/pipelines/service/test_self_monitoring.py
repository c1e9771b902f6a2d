"""The pipeline's own job: what a look tells, that it stays small and cannot feed itself, and where there is none."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streamgauge.anomaly.types import Anomaly, Score
from streamgauge.pipelines.adapters.http.security import Guard
from streamgauge.pipelines.config.loading import load
from streamgauge.pipelines.config.own_job import own_job, with_own_job
from streamgauge.pipelines.config.schema import Config, JobConfig, Own, WindowSpec
from streamgauge.pipelines.engines.parts import operator_of
from streamgauge.pipelines.process_metrics import Consumption, Delivery, Passage, Passed, ProcessMetrics
from streamgauge.pipelines.service import assembly
from streamgauge.pipelines.service.run import Service
from streamgauge.pipelines.service.self_monitoring import MOST_JOBS, MOST_REASONS, SelfMonitor
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.outputs import Counters, PointColumns
from streamgauge.tracer import codec
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.records import Tick, TraceBatch
from streamgauge.tracer.transport import MemoryLog
from tests.places import ROOT

START = 1_800_000_000.0  # a multiple of every window here
CALM = ProcessMetrics(
    time=START, unready=(), lags={"engine": 0, "writer": 3}, consumers={"engine": Consumption(True, 0)},
    notifiers={"console": Delivery(0, 0, 0)}, dead={}, jobs={}, state={"engine": 1000}, disk={"log": 5, "store": 7},
    clients=2,
)  # fmt: skip


def passed(records_: int, at: float, **counts: int) -> Passed:
    points = 10 * records_
    told = {"records": records_, "points": points, "late": 0, "duplicate": 0, "superseded": 0, "lost": 0} | counts
    return Passed(counts=told, counted_at=at, closed=at, closes=1, close_time=2.0, close_total=2.0)


class Story:
    """An observer on a clock of the test's, and the operator of its job over what it sends."""

    def __init__(self, *names: str) -> None:
        self.config = with_own_job(Config(jobs=tuple(JobConfig(name=name) for name in names)))
        job = own_job(self.config)
        assert job is not None
        self.now, self.log, self.operator = START, MemoryLog(), operator_of(job, 0)
        self.observer = SelfMonitor(
            self.config, job, self.log, lambda: self.process_metrics, lambda: self.now, lambda seconds: None
        )  # fmt: skip
        self.process_metrics, self.told, self._read = CALM, list[Any](), 0

    def look(self, process_metrics: ProcessMetrics, passes: float = 10.0) -> None:
        """Time passes, then there is one look at `vitals`."""
        self.now += passes
        self.process_metrics = process_metrics._replace(time=self.now)
        self.observer.step()
        tick = codec.encode(Tick(job="streamgauge", time=math.floor(self.now)))
        self.log.send([("traces", "streamgauge", tick)])
        for message in self.log.read("traces", self._read, 10_000):
            self._read = message.offset + 1
            self.told += [outputs.decode(out.value) for out in self.operator.on_records([message.value])]

    def batches(self) -> list[TraceBatch]:
        sent = (codec.decode(message.value) for message in self.log.read("traces", 0, 10_000))
        return [one for one in sent if isinstance(one, TraceBatch)]

    def points(self) -> dict[tuple[str, str], float | None]:
        """The last known value of each of the job's own series."""
        columns = [one for one in self.told if isinstance(one, PointColumns)]
        points = (point for one in columns for point in one.points() if point.metric.startswith("pipeline_"))
        return {(point.metric, point.entity): point.value for point in points if point.value is not None}

    def scores(self) -> list[float]:
        return [one.value for one in self.told if isinstance(one, Score) and one.domain == "system"]


def test_looks_become_scored_series_of_the_catalogue() -> None:
    story = Story("ctr")
    for minute in range(3):
        jobs = {"ctr": passed(60 * (minute + 1), START + 60 * (minute + 1), late=6 * (minute + 1), lost=minute + 1)}
        for _ in range(6):
            story.look(CALM._replace(jobs=jobs))
    points = story.points()
    assert points["pipeline_records", "job:ctr"] == 1.0  # 60 records in a window of 60 s
    assert points["pipeline_late", "job:ctr"] == pytest.approx(6 / 600)
    assert points["pipeline_lost", "job:ctr"] == pytest.approx(1 / 61)
    assert points["pipeline_dropped", "job:ctr"] == 0.0
    assert points["pipeline_close_time", "job:ctr"] == 2.0
    assert points["pipeline_waiting", "consumer:writer"] == 3.0
    assert points["pipeline_state", "consumer:engine"] == 1000.0
    assert points["pipeline_disk", "disk:store"] == 7.0
    assert points["pipeline_clients", "http"] == 2.0
    assert not [key for key in points if key[1].startswith("scalar:")]
    assert story.scores()[0] == 100.0
    assert 95.0 < min(story.scores()) < 99.0  # lost records cost a little


def test_a_consumer_that_fails_costs_points_and_pages() -> None:
    story = Story("ctr")
    for _ in range(6):
        story.look(CALM)
    for _ in range(18):
        story.look(CALM._replace(consumers={"engine": Consumption(True, 3)}))
    assert story.points()["pipeline_failing", "consumer:engine"] == 1.0
    assert story.scores()[-1] < 60.0
    found = [one for one in story.told if isinstance(one, Anomaly)]
    assert {(one.metric, one.entity) for one in found} == {("pipeline_failing", "consumer:engine")}


def test_notifications_that_do_not_arrive_cost_points_and_never_page_about_themselves() -> None:
    story = Story("ctr")
    for failed in range(24):
        store = {"rejected": 2 * failed}
        notifiers = {"console": Delivery(0, failed, 2)}
        story.look(CALM._replace(notifiers=notifiers, dead={"not delivered": failed}, store=store))
    assert story.points()["pipeline_untold", "notifier:console"] == 12.0  # a new one and one that waits, each look
    assert story.points()["pipeline_dead", "reason:not delivered"] == 6.0
    assert story.points()["pipeline_dead", "reason:refused by the store"] == 12.0
    assert story.scores()[-1] < 80.0
    assert not [one for one in story.told if isinstance(one, Anomaly)]


def test_its_own_records_are_left_out_of_what_it_tells() -> None:
    story = Story("ctr")
    for minute in range(2):
        own = passed(1000 * minute, START + 60 * minute, late=900 * minute)
        for _ in range(6):
            story.look(CALM._replace(jobs={"streamgauge": own}))
    assert not [entity for _, entity in story.points() if entity.startswith("job:")]


def test_a_look_is_one_record_with_bounded_series_however_much_flows() -> None:
    names = [f"job{i:04}" for i in range(3 * MOST_JOBS)]
    story = Story(*names)
    for minute in range(4):
        at = START + 60.0 * minute
        jobs = {name: passed(10**6 * minute, at, late=minute) for name in names}
        dead = {f"reason {i}": 5 * minute for i in range(4 * MOST_REASONS)}
        story.look(CALM._replace(jobs=jobs, dead=dead), passes=60.0)
    series = {(name.name, name.entity) for batch in story.batches() for name in codec.decode_names(batch.names)}
    jobs_told = {entity for _, entity in series if entity.startswith("job:")}
    assert len(jobs_told) == MOST_JOBS + 1
    assert len({entity for _, entity in series if entity.startswith("reason:")}) == MOST_REASONS + 1
    assert len(series) < 12 * MOST_JOBS
    assert len([batch for batch in story.batches() if len(batch.index)]) == 4
    points = story.points()
    assert points["pipeline_records", "job:others"] == pytest.approx(2 * MOST_JOBS * 1e6 / 60)
    assert points["pipeline_dead", "reason:others"] == 3 * MOST_REASONS * 5


def test_what_passed_the_writer_is_of_configured_jobs_and_never_goes_back() -> None:
    clock = START + 63.0
    passage = Passage(["ctr"], lambda: clock)
    score = Score(job="ctr", domain="overall", start=START, end=START + 60, micropoints=90_000_000, coverage=1.0)
    for one in (
        score, msgspec.structs.replace(score, end=START + 30, micropoints=0),
        msgspec.structs.replace(score, revision=1, micropoints=0), msgspec.structs.replace(score, job="another's"),
        Counters(job="ctr", number=2, time=START + 60, counts={"records": 7}),
        Counters(job="ctr", number=1, time=START, counts={"records": 3}),
        Counters(job="another's", number=1, time=START, counts={"records": 3}),
    ):  # fmt: skip
        passage.note(one)
    assert set(passage.jobs) == {"ctr"}
    seen = passage.jobs["ctr"]
    assert (seen.counts, seen.closes, seen.close_time, seen.scores) == ({"records": 7}, 1, 3.0, {"overall": 90.0})


def test_time_of_a_driver_gives_no_close_times() -> None:
    passage = Passage(["flights"], None)
    passage.note(Score(job="flights", domain="overall", start=0.0, end=60.0, micropoints=0, coverage=1.0))
    assert math.isnan(passage.jobs["flights"].close_time)
    assert passage.jobs["flights"].closes == 1


def test_there_is_no_own_job_in_the_demo_nor_where_it_is_switched_off() -> None:
    demo = load(ROOT / "examples" / "flights" / "streamgauge.toml")
    for config in (demo, Config(own=Own(enabled=False)), Config(own=Own(enabled=False), jobs=demo.jobs)):
        assert with_own_job(config) == config
        assert own_job(config) is None


def test_a_job_of_its_name_in_the_file_is_taken_as_it_is() -> None:
    mine = JobConfig(name="watcher", pane=5.0)
    config = Config(own=Own(name="watcher"), jobs=(mine,))
    assert with_own_job(config) == config
    assert own_job(config) is mine


def running(tmp_path: Path, clock: str) -> tuple[Service, Config]:
    windows = tuple(
        WindowSpec(name=kind, kind=kind, length=2.0, slide=2.0)  # type: ignore[arg-type]
        for kind in ("short", "wall")
    )
    jobs = tuple(JobConfig(name=name, pane=1.0, tick=0.5, windows=windows) for name in ("ctr", "streamgauge"))
    config = Config(data=str(tmp_path), port=0, console=False, clock=clock, jobs=jobs)  # type: ignore[arg-type]
    service = Service(config, assembly.parts_of(config))
    service.start(Guard("127.0.0.1"))
    return service, config


def test_a_running_pipeline_is_scored_as_one_of_its_jobs_and_says_goodbye(tmp_path: Path) -> None:
    service, config = running(tmp_path, "wall")
    wanted = {"pipeline_waiting", "pipeline_failing", "pipeline_disk", "cpu"}
    query = assembly.parts_of(config).open_query()
    try:
        deadline, scored, series = time.monotonic() + 60, set[str](), set[str]()
        while not (scored and wanted <= series) and time.monotonic() < deadline:
            time.sleep(0.1)
            scored = {one["domain"] for one in query.scores("streamgauge", 0.0, 4e9)}
            series = {one["metric"] for one in query.series("streamgauge", {})}
        assert service.health()["consumers"]["own"]["alive"]
    finally:
        service.stop()
        query.close()
    assert scored == {"system", "overall"}
    assert wanted <= series
    log = LocalLog(tmp_path / "log.db")
    sent = [codec.decode(message.value) for message in log.read("traces", 0, 1000)]
    log.close()
    batches = [one for one in sent if isinstance(one, TraceBatch)]
    assert {one.job for one in batches} == {"streamgauge"}
    assert batches[-1].final


def test_a_pipeline_on_a_drivers_time_writes_no_record_of_its_own(tmp_path: Path) -> None:
    service, _ = running(tmp_path, "log")
    names = set(service.health()["consumers"])
    deadline = time.monotonic() + 10
    while not service.health()["ready"] and time.monotonic() < deadline:
        time.sleep(0.05)
    service.stop()
    log = LocalLog(tmp_path / "log.db")
    sent = [codec.decode(message.value) for message in log.read("traces", 0, 1000)]
    log.close()
    assert "own" not in names
    assert not [one for one in sent if isinstance(one, TraceBatch | Tick)]

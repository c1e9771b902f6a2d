"""Which store a configuration means; the same run reads the same from both, and goes on while InfluxDB is down."""

from __future__ import annotations

import contextlib
import json
import random
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from streamgauge.pipelines.adapters.http.security import Guard
from streamgauge.pipelines.adapters.influx.api import InfluxApi
from streamgauge.pipelines.adapters.influx.query import InfluxQuery
from streamgauge.pipelines.adapters.sqlite.query import SqliteQuery
from streamgauge.pipelines.config.faults import ConfigError
from streamgauge.pipelines.config.schema import HOUR, Config, Influx, JobConfig, Paging, Retention, WindowSpec
from streamgauge.pipelines.ports import Query
from streamgauge.pipelines.service import assembly, stores
from streamgauge.pipelines.service.replay import replay
from streamgauge.pipelines.service.run import Service
from streamgauge.tracer.codec import encode
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.records import Tick
from streamgauge.tracer.transport import MemoryLog
from tests.pipelines.adapters.sqlite.records import columns
from tests.pipelines.service.test_run import record
from tests.pipelines.stream import logs
from tests.servers.influx import InfluxServer
from tests.waiting import until

PATIENCE = 60.0
EVER = (0.0, 4e9)
T = 1_360_000_800.0
WINDOWS = tuple(
    WindowSpec(name=kind, kind=kind, length=20.0, slide=20.0)  # type: ignore[arg-type]
    for kind in ("short", "wall")
)


def job(name: str = "j") -> JobConfig:
    return JobConfig(name=name, windows=WINDOWS, paging=Paging(grace=0.0, max_wait=0.0, group=0.0), tick=1.0)


def test_the_store_is_embedded_unless_there_is_an_influx_table() -> None:
    influx = Influx(url="http://127.0.0.1:1", bucket="b")
    places = [
        stores.place(Config(data="d", store=store, influx=influx if has else None))  # type: ignore[arg-type]
        for store, has in (("auto", False), ("auto", True), ("sqlite", True), ("influx", True), ("both", True))
    ]
    bucket = "bucket b of http://127.0.0.1:1"
    assert places == ["d/store.db", bucket, "d/store.db", bucket, f"d/store.db and {bucket}"]


def test_a_token_that_cannot_be_read_is_a_fault_at_the_start(tmp_path: Path) -> None:
    influx = Influx(url="http://127.0.0.1:1", token_file=str(tmp_path / "none"))
    with pytest.raises(ConfigError, match=r"influx\.token_file: cannot read .*none; write the token into it"):
        stores.open_store(Config(data=str(tmp_path), influx=influx))


@pytest.mark.parametrize("kind", ["both", "sqlite", "influx"])
def test_what_is_embedded_forgets_by_the_configured_retention(tmp_path: Path, kind: str) -> None:
    keep, influx = Retention(raw=HOUR, r10=HOUR, r60=HOUR), Influx(url="http://127.0.0.1:1")
    config = Config(data=str(tmp_path), store=kind, influx=influx, retention=keep)  # type: ignore[arg-type]
    store, purge = stores.open_store(config), stores.Purge()
    store.write([columns(T + 60 * i, [1.0, 2.0]) for i in range(600)])
    while purge(store):
        pass
    waiting = store.health().get("waiting", 0)
    store.close()
    assert waiting == (0 if kind == "sqlite" else 1800)
    if kind != "influx":
        query = SqliteQuery(tmp_path / "store.db")
        number = query.series("ctr", {})[0]["id"]
        spans = (T, T + HOUR), (T + 9 * HOUR, T + 10 * HOUR)
        levels = [query.points(number, *span, 10**6)["level"] for span in spans]
        query.close()
        assert levels == ["r3600", "raw"]  # of long ago only hours are left


def answers(query: Query, jobs: list[str]) -> dict[str, Any]:
    """Everything that can be asked, with series by their labels."""
    labels = ("worker", "domain", "entity", "metric")
    found: dict[str, Any] = {"jobs": query.jobs(), "dead": query.dead_letters(), "all": query.incidents(None, *EVER)}
    for name in jobs:
        every = query.series(name, {}, 5000)
        numbers = {tuple(row[label] for label in labels): row.pop("id") for row in every}
        ends = sorted({score["end"] for score in query.scores(name, *EVER)})
        middle, last = (ends[len(ends) // 2], ends[-1] + 1) if ends else EVER
        incidents = query.incidents(name, *EVER)
        found[name] = {
            "series": every,
            "scores": [query.scores(name, *EVER), query.scores(name, middle, last, 3)],
            "breakdowns": [query.breakdown(name), query.breakdown(name, middle), query.breakdown(name, 1.0)],
            "points": {
                key: [
                    {**query.points(number, *where), "series": None}
                    for where in ((*EVER, 10**9), (middle, last, 1), (middle - 70, last, 2))
                ]
                for key, number in list(numbers.items())[::9]
            },
            "changed": {
                tuple(row[label] for label in labels): {**row, "id": None}
                for row in query.changed(name, middle, last, 5000)
            },
            "anomalies": sorted(query.anomalies(name, *EVER), key=json.dumps),
            "lasting": sorted(query.anomalies(name, middle, middle + 5), key=json.dumps),
            "incidents": incidents,
            "incident": [query.incident(one["id"]) for one in incidents],
            "silenced": query.silenced(name),
            "changes": query.changes(name, *EVER),
            "profiles": [query.profiles(name, worker, *EVER) for worker in ("", "w0", "w1")],
            "counters": query.counters(name),
        }
    return found


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Where two answers differ; numbers may by their last bits."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [text for key in one for text in differences(one[key], other[key], f"{path}/{key}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [text for i, (a, b) in pairs for text in differences(a, b, f"{path}[{i}]")]
    numbers = isinstance(one, (int, float)) and isinstance(other, (int, float))
    same = one == pytest.approx(other, rel=1e-9, abs=1e-9) if numbers else one == other
    return [] if same else [f"{path}: {str(one)[:300]} != {str(other)[:300]}"]


@pytest.mark.real
def test_a_chaotic_run_reads_the_same_from_both_stores(influx: InfluxServer, bucket: str, tmp_path: Path) -> None:
    where = Influx(url=influx.url, bucket=bucket)
    config = Config(data=str(tmp_path), console=False, jobs=(job(),), store="both", influx=where)
    recorded = MemoryLog()
    recorded.send([("traces", "j", data) for data in logs.chaos(random.Random(11), panes=60)])
    last = [*replay(config, recorded, assembly.parts_of(config))][-1]
    assert last.done == last.total
    sqlite, query = SqliteQuery(tmp_path / "store.db"), InfluxQuery(InfluxApi(where))
    with contextlib.closing(sqlite), contextlib.closing(query):
        one, other = answers(sqlite, ["j", "nobody"]), answers(query, ["j", "nobody"])
    assert differences(one, other) == []
    told = one["j"]  # and it has what a store must get right
    assert max(line["revision"] for line in told["scores"][0]) > 0
    assert told["anomalies"] and told["changes"] and told["profiles"][0] and told["counters"] and one["dead"]
    assert any(incident["suppressed"] or incident["grouped"] for incident in told["incidents"])


def read(address: str, path: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(f"{address}{path}", timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.mark.real
def test_a_run_goes_on_while_influxdb_is_down_and_the_page_reads_it_all_afterwards(
    influx: InfluxServer, bucket: str, tmp_path: Path
) -> None:
    config = Config(
        data=str(tmp_path), port=0, console=False, clock="log", jobs=(job("ctr"),),
        influx=Influx(url=influx.url, bucket=bucket),
    )  # fmt: skip
    service = Service(config, assembly.parts_of(config))
    address = service.start(Guard("127.0.0.1"))
    log = LocalLog(tmp_path / "log.db")

    def send(begin: int, end: int) -> None:
        for number in range(begin, end):
            at = 10.0 * number
            hard = (("nonfinite", "tensor:x", 3.0),) if number == 7 else ()
            log.send([record("u", number + 1, at, hard=hard), ("traces", "ctr", encode(Tick(job="ctr", time=at + 10)))])

    def health() -> Any:
        return read(address, "api/health")[1]

    try:
        send(0, 6)
        until(lambda: read(address, "api/jobs/ctr/breakdown")[0] == 200)
        influx.pause()
        send(6, 16)
        until(lambda: health()["lags"]["writer"] == 0 and health()["store"]["failures"] > 1)
        told = health()
        assert told["lags"]["store"] == told["store"]["waiting"] > 0
        assert "does not answer" in told["store"]["error"]
        assert told["ready"]
        status, refused = read(address, "api/jobs/ctr/scores?start=0&end=1000")
        assert (status, refused["remedy"]) == (503, "ask again; nothing is lost meanwhile")
        assert "does not answer" in refused["error"]
        influx.resume()
        until(lambda: health()["store"]["waiting"] == 0)
        lines = read(address, "api/jobs/ctr/scores?start=0&end=1000")[1]
        ends = [line["end"] for line in lines if line["domain"] == "overall"]
        assert ends == [40.0 + 20.0 * i for i in range(len(ends))] and ends[-1] >= 140.0
        until(lambda: read(address, "api/incidents?start=0&end=1000")[1])
        [incident] = read(address, "api/incidents?start=0&end=1000")[1]
        assert incident["root"]["metric"] == "nonfinite"
        series = read(address, "api/jobs/ctr/series")[1][0]
        chart = read(address, f"api/jobs/ctr/points?series={series['id']}&start=0&end=1000")[1]
        assert chart["time"][-1] == series["end"] and chart["series"]["metric"] == series["metric"]
    finally:
        service.stop()
        log.close()
    assert not (tmp_path / "store.db").exists()

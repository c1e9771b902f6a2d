"""The `Query` port: the same records give the same answers from the embedded store and from an InfluxDB.

Every answer is JSON-ready, bounded, and says what is unknown. Means over buckets and hours may differ in the last bits,
for the stores add in another order; everything else is equal.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from streamgauge.pipelines.adapters.influx.api import InfluxApi
from streamgauge.pipelines.adapters.influx.query import InfluxQuery
from streamgauge.pipelines.adapters.influx.store import InfluxStore
from streamgauge.pipelines.adapters.sqlite.query import SqliteQuery
from streamgauge.pipelines.adapters.sqlite.store import SqliteStore
from streamgauge.pipelines.config.schema import DAY, HOUR, Influx
from streamgauge.pipelines.ports import Query, Store, Stored
from streamgauge.pipelines.wire.outputs import Change, Counters, DeadLetter, Profiles
from streamgauge.tracer.records import Sketch
from tests.pipelines.adapters.sqlite.records import alert, anomaly, columns, decision, notification, score
from tests.servers.influx import InfluxServer

T = 1_360_000_800.0
PATIENCE = 60.0


class Settled:
    """An InfluxStore whose writes can be read when they return."""

    def __init__(self, store: InfluxStore) -> None:
        self._store = store
        self.health, self.close, self.identity = store.health, store.close, store.identity

    def write(self, records: Iterable[Stored]) -> None:
        self._store.write(records)
        deadline = time.monotonic() + PATIENCE
        while self._store.health()["waiting"]:
            assert time.monotonic() < deadline, self._store.health()
            time.sleep(0.002)


class Both(NamedTuple):
    store: Store
    query: Query


def sqlite(folder: Path) -> Both:
    return Both(SqliteStore(folder / "s.db"), SqliteQuery(folder / "s.db"))


def influxdb(folder: Path, server: InfluxServer, bucket: str) -> Both:
    config = Influx(url=server.url, bucket=bucket)
    return Both(Settled(InfluxStore(config, folder / "influx")), InfluxQuery(InfluxApi(config)))


@pytest.fixture(params=["sqlite", pytest.param("influx", marks=pytest.mark.real)])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Both]:
    if request.param == "sqlite":
        opened = sqlite(tmp_path)
    else:
        opened = influxdb(tmp_path, request.getfixturevalue("influx"), request.getfixturevalue("bucket"))
    yield opened
    opened.store.close()
    opened.query.close()


@pytest.fixture
def store(both: Both) -> Store:
    return both.store


@pytest.fixture
def query(both: Both) -> Query:
    return both.query


def as_json(value: Any) -> Any:
    """The value after a way through strict JSON: what is not JSON-ready fails."""
    return json.loads(json.dumps(value, allow_nan=False))


def number(query: Query, metric: str = "missing_rate") -> int:
    return int(query.series("ctr", {"metric": metric})[0]["id"])


def test_an_empty_store_answers_everything_with_nothing(query: Query) -> None:
    assert query.jobs() == []
    assert query.scores("ctr", 0, T) == []
    assert query.breakdown("ctr") is None
    assert query.series("ctr", {}) == []
    assert query.points(1, 0, T) == {}
    assert query.changed("ctr", 0, T) == []
    assert query.anomalies("ctr", 0, T) == []
    assert query.incidents(None, 0, T) == []
    assert query.incident("n1") is None
    assert query.changes("ctr", 0, T) == []
    assert query.profiles("ctr", "", 0, T) == []
    assert query.counters("ctr") == {}
    assert query.silenced("ctr") == []
    assert query.decided("ctr", 0, T) == []
    assert query.dead_letters() == []


def test_jobs_show_the_last_score_its_change_in_an_hour_and_the_last_60(store: Store, query: Query) -> None:
    store.write([score(T + 60 * i, 95 if i < 70 else 61) for i in range(100)])
    store.write([score(T + 60 * 99, 40, domain="sample"), score(T + 60 * 98, 100, domain="train")])
    store.write([columns(T + 6000, [1, 2])])
    [job] = as_json(query.jobs())
    assert (job["job"], job["score"], job["band"], job["coverage"]) == ("ctr", 61.0, "degraded", 0.5)
    assert job["change"] == -34.0
    assert [(domain["domain"], domain["score"], domain["band"]) for domain in job["domains"]] == [
        ("sample", 40.0, "broken"), ("train", 100.0, "healthy"),
    ]  # fmt: skip
    assert [point["score"] for point in job["sparkline"]] == [95.0] * 30 + [61.0] * 30
    assert (job["end"], job["last_data"]) == (T + 60 * 99, T + 6000)


def test_a_jobs_first_hour_has_no_change(store: Store, query: Query) -> None:
    store.write([score(T, 95), score(T + 1800, 91)])
    assert query.jobs()[0]["change"] is None


def test_scores_are_the_newest_of_the_range_oldest_first(store: Store, query: Query) -> None:
    store.write([score(T + 60 * i, i) for i in range(10)])
    assert [line["score"] for line in as_json(query.scores("ctr", T + 60, T + 60 * 8, 3))] == [5.0, 6.0, 7.0]


def test_a_breakdown_adds_up_exactly_and_is_of_the_time_asked_for(store: Store, query: Query) -> None:
    store.write([score(T, 80), score(T, 70, domain="sample"), score(T + 60, 90)])
    found = as_json(query.breakdown("ctr", T + 59))
    assert (found["score"], found["end"]) == (80.0, T)
    assert sum(part["micropoints"] for part in found["parts"]) == 100_000_000 - found["micropoints"]
    part = {"domain": "sample", "entity": "feature:tailnum", "worker": "LGA", "metric": "missing_rate", "why": ""}
    assert found["parts"] == [part | {"micropoints": 20_000_000, "points": 20.0}]
    assert [domain["domain"] for domain in found["domains"]] == ["sample"]
    assert query.breakdown("ctr")["score"] == 90.0  # type: ignore[index]
    assert query.breakdown("ctr", T - 1) is None


def test_series_are_matched_by_equal_labels(store: Store, query: Query) -> None:
    store.write([columns(T, [1.0, math.nan]), columns(T + 60, [3.0, math.nan])])
    both = as_json(query.series("ctr", {}))
    assert [(row["domain"], row["metric"], row["value"], row["end"]) for row in both] == [
        ("sample", "missing_rate", 3.0, T + 60), ("train", "auc", None, T + 60),
    ]  # fmt: skip
    assert [row["worker"] for row in query.series("ctr", {"entity": "feature:tailnum"})] == ["LGA"]
    assert len(query.series("ctr", {}, limit=1)) == 1
    with pytest.raises(ValueError, match="matched by worker, domain, entity, metric, got colour"):
        query.series("ctr", {"colour": "red"})


def test_raw_points_come_with_their_band_and_null_for_unknown(store: Store, query: Query) -> None:
    store.write([columns(T, [0.5, 1.0], rows=[100, 5], low=[0.1, 0], high=[0.2, 1], reference=[0.15, math.inf])])
    store.write([columns(T + 60, [math.nan, 1.0])])
    shown = as_json(query.points(number(query), T, T + HOUR))
    assert shown["series"]["metric"] == "missing_rate"
    assert (shown["level"], shown["step"]) == ("raw", 60.0)
    assert (shown["time"], shown["value"]) == ([T, T + 60], [0.5, None])
    assert (shown["rows"], shown["low"], shown["high"]) == ([100.0, 0.0], [0.1, None], [0.2, None])
    assert shown["reference"] == [0.15, None]


def test_a_chart_takes_the_coarsest_level_with_enough_buckets(store: Store, query: Query) -> None:
    store.write([columns(T + i, [float(i % 5), 0.0], step=1.0) for i in range(1, 3601)])
    levels = {buckets: query.points(number(query), T, T + HOUR, buckets) for buckets in (1, 2, 60, 61, 360, 361)}
    assert [(n, shown["level"]) for n, shown in levels.items()] == [
        (1, "r3600"), (2, "r60"), (60, "r60"), (61, "r10"), (360, "r10"), (361, "raw"),
    ]  # fmt: skip
    assert len(levels[60]["time"]) == 60
    assert (levels[60]["value"][0], levels[60]["min"][0], levels[60]["max"][0], levels[60]["count"][0]) == (2, 0, 4, 60)


def test_changed_ranks_by_distance_in_units_of_the_spread_before(store: Store, query: Query) -> None:
    keys = [("", "sample", f"feature:{name}", "mean") for name in ("still", "noisy", "moved", "broke", "new")]
    records: list[Stored] = []
    for i in range(40):
        after = i >= 20
        wobble = (-1.0) ** i
        new = 5.0 if after else math.nan
        broke = 1e9 * (1 + wobble) if after else 1.0 + 0.1 * wobble
        values = [1.0, 10.0 + 5 * wobble + after, 3.0 + 0.5 * wobble + 4.0 * after, broke, new]
        records.append(columns(T + 60 * i, values, keys=keys))
    store.write(records)
    ranked = as_json(query.changed("ctr", T + 60 * 20, T + 60 * 40))
    assert [row["entity"] for row in ranked] == [f"feature:{name}" for name in ("broke", "moved", "noisy", "still")]
    assert ranked[0]["effect"] == pytest.approx(20.0)  # the level that it broke to is twenty times its least spread
    assert ranked[1]["effect"] == pytest.approx(4.0 / 0.5 / math.sqrt(20 / 19), rel=1e-9)
    assert (ranked[1]["before"], ranked[1]["after"]) == (pytest.approx(3.0), pytest.approx(7.0))
    assert ranked[3]["effect"] == 0.0
    assert len(query.changed("ctr", T + 60 * 20, T + 60 * 40, limit=1)) == 1
    against = query.changed("ctr", T + 60 * 30, T + 60 * 40, before=(T, T + 60 * 6))
    assert [(row["entity"], round(row["before"], 6), round(row["after"], 6)) for row in against[1:2]] == [
        ("feature:moved", 3.0, 7.0)
    ]
    assert query.changed("ctr", T + 60 * 20, T + 60 * 40, before=(T - 9000.0, T)) == []


def test_what_the_only_worker_repeats_of_its_job_is_listed_once(store: Store, query: Query) -> None:
    keys = [(worker, "sample", "feature:a", "mean") for worker in ("", "w0", "w1")]
    store.write([columns(T + 60 * i, [float(i), float(i), 2.0 * i], keys=keys) for i in range(40)])
    found = as_json(query.changed("ctr", T + 60 * 20, T + 60 * 40))
    assert sorted(row["worker"] for row in found) == ["", "w1"]


def test_of_the_series_that_changed_those_with_an_anomaly_rank_first(store: Store, query: Query) -> None:
    entities = ("carrier", "tailnum", "weather")
    keys = [("LGA", "sample", f"feature:{name}", "missing_rate") for name in entities]
    records: list[Stored] = [
        columns(T + 60 * i, [0.3 * (i >= 20), 0.2 + 0.1 * (i >= 20), 0.3 * (i >= 20)], keys=keys) for i in range(40)
    ]
    store.write([*records, anomaly(T + 60 * 20, number=1)])
    ranked = as_json(query.changed("ctr", T + 60 * 20, T + 60 * 40))
    assert (ranked[0]["entity"], [row["anomaly"] for row in ranked]) == ("feature:tailnum", [True, False, False])
    assert [round(row["effect"]) for row in ranked] == [7, 20, 20]


def test_anomalies_are_episodes_that_overlap_the_range(store: Store, query: Query) -> None:
    store.write([anomaly(T, number=1, end=T + 600), anomaly(T + 1000, number=2)])
    store.write([anomaly(T + 5000, number=3, kind="fact")])
    starts = [
        [row["start"] - T for row in as_json(query.anomalies("ctr", T + low, T + high))]
        for low, high in ((0, 1), (600, 700), (601, 999), (2000, 3000), (5000, 9000), (6000, 9000))
    ]
    assert starts == [[0], [0], [], [1000], [1000, 5000], [1000]]
    assert query.anomalies("ctr", T, T + 9000, limit=1)[0]["start"] == T + 5000


def test_an_incident_holds_what_folds_into_its_root_and_why(store: Store, query: Query) -> None:
    root, first, second = alert("feature:tailnum@LGA", T), alert("model", T + 60), alert("serving", T + 120)
    store.write([
        notification("firing", T + 100, root, folded=[first], text="tail numbers are missing"),
        decision(T + 200, second, root),
        decision(T + 50, root, root, state="sent"),
        notification("resolved", T + 900, root, folded=[first], text="over"),
        notification("firing", T + 5000, alert("worker@JFK", T + 5000), id="n2"),
    ])  # fmt: skip
    newest, oldest = as_json(query.incidents("ctr", 0, 4e9))
    assert (newest["id"], newest["status"], newest["suppressed"]) == ("n2", "firing", [])
    assert (oldest["id"], oldest["status"], oldest["time"], oldest["last"]) == ("n1", "resolved", T + 100, T + 900)
    assert (oldest["text"], oldest["latest"], oldest["notifications"]) == ("tail numbers are missing", "over", 2)
    assert oldest["root"]["node"] == "feature:tailnum@LGA"
    assert [item["alert"]["node"] for item in oldest["suppressed"]] == ["model", "serving"]
    assert {item["reason"]["root"] for item in oldest["suppressed"]} == {root.episode}
    whole = as_json(query.incident("n1"))
    assert [step["status"] for step in whole["trail"]] == ["firing", "resolved"]
    assert [item["state"] for item in whole["decisions"]] == ["sent", "suppressed"]
    assert query.incident(root.episode) == query.incident("n1")
    assert query.incident("nobody") is None


def test_incidents_of_a_range_are_those_told_or_open_in_it(store: Store, query: Query) -> None:
    closed, lasting = alert("a", T), alert("b", T)
    store.write([notification("firing", T, closed), notification("resolved", T + 100, closed)])
    store.write([notification("firing", T + 10, lasting, id="n2")])
    ranges = ((0, 5), (50, 60), (200, 300))
    ids = [[item["id"] for item in query.incidents(None, T + low, T + high)] for low, high in ranges]
    assert ids == [["n1"], ["n2", "n1"], ["n2"]]
    assert query.incidents("other", 0, 4e9) == []
    assert len(query.incidents(None, 0, 4e9, limit=1)) == 1


def test_jobs_count_open_incidents_and_what_they_suppress(store: Store, query: Query) -> None:
    closed, lasting = alert("a", T), alert("b", T)
    store.write([score(T, 50), notification("firing", T, closed, folded=[alert("c", T)])])
    store.write([notification("firing", T, lasting, folded=[alert("d", T), alert("e", T)], id="n2")])
    store.write([notification("resolved", T + 100, closed)])
    [job] = query.jobs()
    assert (job["open_incidents"], job["suppressed"], job["missing_workers"]) == (1, 2, 0)
    silent = [msgspec.structs.replace(alert(name, T), metric="missing", worker=name) for name in ("f", "g")]
    back = msgspec.structs.replace(alert("h", T), metric="missing", worker="h", end=T + 50)
    store.write([notification("firing", T + 200, silent[0], folded=[silent[1], back], id="n3")])
    assert (query.jobs()[0]["missing_workers"], query.jobs()[0]["missing"]) == (2, ["f", "g"])


def test_changes_counters_and_profiles_come_back(store: Store, query: Query) -> None:
    sketch = Sketch("counts", "sample", "profile", "feature:tailnum", (b"\x01\x02",))
    store.write([
        Change(job="ctr", name="gap", time=T, text="1,200 windows"),
        Counters(job="ctr", number=1, time=T, counts={"records": 7, "late": 0}),
        Profiles(
            job="ctr", worker="LGA", window="long", start=T - DAY, end=T, revision=0, number=1, sketches=(sketch,)
        ),
    ])  # fmt: skip
    gap = {"job": "ctr", "worker": "", "name": "gap", "time": T, "text": "1,200 windows"}
    assert query.changes("ctr", T, T + 1) == [gap]
    assert query.counters("ctr") == {"time": T, "records": 7, "late": 0}
    [profile] = as_json(query.profiles("ctr", "LGA", T, T + 1))
    assert profile["sketches"][0] | {"columns": ["AQI="]} == profile["sketches"][0]
    assert (profile["window"], profile["sketches"][0]["entity"]) == ("long", "feature:tailnum")


def test_silenced_is_what_the_last_decision_holds_back(query: Query, store: Store) -> None:
    held, gone, other = alert("held", T), alert("gone", T), alert("other", T)
    said = [(1, held, "pending"), (2, held, "silenced"), (2, gone, "silenced"), (3, gone, "sent")]
    said.append((4, other, "suppressed"))
    store.write([decision(T + after, item, item, state=state) for after, item, state in said])
    assert [row["alert"]["node"] for row in as_json(query.silenced("ctr"))] == ["held"]
    assert query.silenced("elsewhere") == []


def test_what_was_decided_and_told_comes_in_order_with_its_reason(query: Query, store: Store) -> None:
    root, folded = alert("feature:tailnum", T), alert("model", T + 60)
    store.write([
        notification("resolved", T + 900, root), notification("firing", T + 100, root),
        decision(T + 50, root, root, state="sent"), decision(T + 200, folded, root),
    ])  # fmt: skip
    rows = as_json(query.decided("ctr", T, T + 901))
    assert [(row["time"] - T, row["what"], row["place"]) for row in rows] == [
        (50, "sent", "feature:tailnum"), (100, "told firing", "feature:tailnum"), (200, "suppressed", "model"),
        (900, "told resolved", "feature:tailnum"),
    ]  # fmt: skip
    assert rows[2]["root"] == root.episode
    assert rows[2]["about"] == folded.episode
    assert [row["what"] for row in query.decided("ctr", T, T + 901, limit=2)] == ["sent", "told firing"]
    assert [row["what"] for row in query.decided("ctr", T + 100, T + 200)] == ["told firing"]
    assert query.decided("elsewhere", 0, 4e9) == []


def test_dead_letters_come_newest_first_with_the_begin_of_their_bytes(query: Query, store: Store) -> None:
    letters = [
        DeadLetter(identity=name, reason="type", text="t", topic="traces", key="k", data=name.encode() * 100)
        for name in ("a", "b")
    ]
    store.write(letters)
    found = as_json(query.dead_letters(1))
    assert [(row["identity"], row["bytes"], row["begin"]) for row in found] == [("b", 100, "62" * 64)]


def test_a_dead_letter_without_bytes_is_shown_too(query: Query, store: Store) -> None:
    store.write([DeadLetter(identity="e", reason="truncated", text="t", topic="traces", key="k", data=b"")])
    assert [(row["bytes"], row["begin"]) for row in as_json(query.dead_letters())] == [(0, "")]


HOSTILE = (
    "it's", 'say "so"', "a,b=c d", "back\\slash\\", "\\' OR 1=1 --", "'; DROP DATABASE x; --", "tab\tline\nend\r", "-",
    "--", " ", "100 %", "%2D", "", "\x00\x7f\x1b[31m", "\u00e9\u4e2d\U0001f40d\u2028\u0085", "#no,comment", "/^.*$/",
    "=~", "x" * 1024,
)  # fmt: skip
JOBS = HOSTILE[:12]


def test_hostile_names_are_names_and_no_more(store: Store, query: Query) -> None:
    keys = [(name, "sample", f"feature:{name}", name or "m") for name in HOSTILE]
    values = [float(i) for i in range(len(keys))]
    records: list[Stored] = []
    for name in JOBS:
        records += [columns(T + 60 * i, values, keys=keys, job=name) for i in range(2)]
        records += [score(T, 70, job=name), Change(job=name, name=name, worker=name, time=T, text=name)]
    store.write(records)
    for name in JOBS:
        told = as_json(query.series(name, {}))
        assert {(row["worker"], row["entity"], row["metric"]) for row in told} == {(w, e, m) for w, _, e, m in keys}
        for i, (worker, domain, entity, metric) in enumerate(keys[::4]):
            labels = {"worker": worker, "domain": domain, "entity": entity, "metric": metric}
            [row] = query.series(name, labels)
            assert (row["value"], row["window"]) == (4.0 * i, "short")
            assert query.points(row["id"], T, T + 100)["value"] == [4.0 * i, 4.0 * i]
        assert [line["score"] for line in query.scores(name, 0, 4e9)] == [70.0]
        assert query.changes(name, 0, 4e9) == [
            {"job": name, "worker": name, "name": name, "time": T, "text": name}
        ]  # fmt: skip
    assert {job["job"] for job in query.jobs()} == set(JOBS)


@pytest.mark.parametrize("name", [name for name in HOSTILE if name])
def test_hostile_questions_are_answered_with_nothing(store: Store, query: Query, name: str) -> None:
    store.write([score(T, 70), notification("firing", T, alert("a", T)), columns(T, [1.0, 2.0])])
    assert query.incident(name) is None
    assert query.incidents(name, 0, 4e9) == query.silenced(name) == query.scores(name, 0, 4e9) == []
    assert query.series("ctr", {"metric": name}) == query.profiles("ctr", name, 0, 4e9) == []
    assert query.breakdown(name) is None and query.counters(name) == {}
    assert len(query.scores("ctr", 0, 4e9)) == 1


def test_an_incident_with_hostile_texts_comes_back_whole(store: Store, query: Query) -> None:
    pairs = [(alert(f"node {i} {name}", T + i), alert(f"folded {name}", T + i)) for i, name in enumerate(HOSTILE)]
    told = [
        notification("firing", T + 100 + i, root, folded=[folded], id=f"{i}{name}", text=name * 100)
        for i, (name, (root, folded)) in enumerate(zip(HOSTILE, pairs, strict=True))
    ]
    store.write([*told, *(decision(T + 50, folded, root) for root, folded in pairs)])
    for sent, (root, folded) in zip(told, pairs, strict=True):
        found = as_json(query.incident(sent.id))
        assert (found["id"], found["text"], found["root"]["node"]) == (sent.id, sent.text, root.node)
        assert [item["alert"]["node"] for item in found["suppressed"]] == [folded.node]
    assert len(query.incidents("ctr", 0, 4e9)) == len(HOSTILE)


def test_an_older_revision_never_overwrites_a_newer_one(store: Store, query: Query) -> None:
    store.write([columns(T, [2.0, 2.0], low=[1.0, 1.0]), columns(T + 60, [2.0, 2.0])])
    store.write([columns(T, [3.0, math.nan], revision=2), score(T, 60, revision=1), anomaly(T, number=2, text="new")])
    store.write([columns(T, [1.0, 1.0], revision=1), score(T, 90), anomaly(T, number=1, text="old")])
    shown = [query.points(number(query, metric), T, T + 60) for metric in ("missing_rate", "auc")]
    assert [(points["value"], points["low"], points["revision"]) for points in shown] == [
        ([3.0], [None], [2]), ([None], [None], [2]),
    ]  # fmt: skip
    assert [(line["score"], line["revision"]) for line in query.scores("ctr", 0, 4e9)] == [(60.0, 1)]
    assert [row["text"] for row in query.anomalies("ctr", 0, 4e9)] == ["new"]
    hours = query.points(number(query, "auc"), T - 3600, T + 3600, 1)
    assert (hours["level"], hours["value"], hours["count"]) == ("r3600", [None, 2.0], [0, 1])


def test_times_beyond_all_bounds_are_asked_for_in_vain(store: Store, query: Query) -> None:
    store.write([score(T, 70), columns(T, [1.0, 2.0]), columns(T + 60, [1.0, 2.0])])
    assert len(query.scores("ctr", -1e18, 1e18)) == len(query.scores("ctr", -math.inf, math.inf)) == 1
    assert query.breakdown("ctr", 1e300) is not None
    assert query.breakdown("ctr", -1e300) is None
    assert query.scores("ctr", T + 1, T) == query.anomalies("ctr", T, T) == []

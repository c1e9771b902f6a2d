"""The HTTP surface of a running service: what it answers, whom it refuses, what its stream replays."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streamgauge.anomaly.types import Ack, Confirm, Silence, Unsuppress
from streamgauge.pipelines.adapters.http import json as http_json
from streamgauge.pipelines.adapters.http.frames import TOPICS
from streamgauge.pipelines.adapters.http.security import Guard
from streamgauge.pipelines.adapters.sqlite.query import SqliteQuery
from streamgauge.pipelines.adapters.sqlite.store import SqliteStore
from streamgauge.pipelines.config.schema import Config, JobConfig
from streamgauge.pipelines.paging.pager import Pager
from streamgauge.pipelines.service.run import Parts, Service
from streamgauge.pipelines.wire import outputs
from streamgauge.tracer import codec, control, records
from streamgauge.tracer.records import Feedback
from streamgauge.tracer.transport import MemoryLog
from tests.pipelines.engines.tally import Tally, batch, tick

HOSTILE = "<script>alert(1)</script>"
TOKEN = "a-long-enough-token"


class Running:
    """A service on an ephemeral port, over a log in memory and a store on disk."""

    def __init__(
        self, folder: Path, token: str = "", static: Path | None = None, host: str = "127.0.0.1",
        guard: Guard | None = None,
    ) -> None:  # fmt: skip
        config = Config(clock="log", port=0, host=host, jobs=(JobConfig(name="a"), JobConfig(name="b")))
        self.log, self.streams = MemoryLog(), list[Stream]()
        parts = Parts(
            open_bus=lambda: self.log, open_store=lambda: SqliteStore(folder / "store.db"),
            open_query=lambda: SqliteQuery(folder / "store.db"), make_operator=Tally, make_combiner=Tally,
            make_pager=lambda: Pager(config),
            topology=lambda job: {"job": job, "revision": 1, "edges": (), "nodes": ("samples",)}, notifiers=(),
            trim=lambda: None, purge=lambda store: 0, now=lambda: 1e9,
        )  # fmt: skip
        self.service = Service(config, parts)
        address = self.service.start(guard or Guard(host, token), static)
        self.port = int(address.rstrip("/").rpartition(":")[2])

    def stop(self) -> None:
        self.service.stop()
        for stream in self.streams:
            stream.close()

    def send(self, *messages: bytes, job: str = "a") -> None:
        self.log.send([("traces", job, message) for message in messages])

    def ask(
        self, path: str, body: Any = None, headers: dict[str, str] | None = None, method: str = "", raw: bytes = b""
    ) -> tuple[int, Any, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        data = raw or (json.dumps(body).encode() if body is not None else None)
        sent = ({"Content-Type": "application/json"} if data else {}) | (headers or {})
        connection.request(method or ("POST" if data else "GET"), path, data, sent)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        is_json = response.headers.get_content_type() == "application/json"
        return response.status, json.loads(text) if is_json else text, dict(response.headers)

    def drain(self) -> None:
        until(lambda: all(lag == 0 for lag in self.ask("/api/health")[1]["lags"].values()))


def until(is_true: Callable[[], bool], patience: float = 10.0) -> None:
    deadline = time.monotonic() + patience
    while not is_true():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    one = Running(tmp_path)
    yield one
    one.stop()


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Running]:
    one = Running(tmp_path, TOKEN)
    yield one
    one.stop()


class Stream:
    """A page's event stream."""

    def __init__(self, running: Running, since: str = "") -> None:
        running.streams.append(self)
        self.socket = socket.create_connection(("127.0.0.1", running.port), timeout=10)
        last = f"Last-Event-ID: {since}\r\n" if since else ""
        self.socket.sendall(f"GET /api/events HTTP/1.1\r\nHost: localhost:{running.port}\r\n{last}\r\n".encode())
        self.file = self.socket.makefile("rb")
        while self.file.readline().strip():
            pass

    def next(self) -> dict[str, str]:
        """The next event; chunk lengths are skipped, as every frame is one chunk."""
        fields: dict[str, str] = {}
        while True:
            line = self.file.readline().decode().rstrip("\r\n")
            name, colon, value = line.partition(": ")
            if colon and name in ("id", "event", "data", "retry"):
                fields[name] = value
                if name == "data":
                    return fields

    def take(self, event: str) -> list[dict[str, str]]:
        """Everything up to and with the first such event."""
        taken = [self.next()]
        while taken[-1]["event"] != event:
            taken.append(self.next())
        return taken

    def close(self) -> None:
        self.file.close()
        self.socket.close()


def test_probes_jobs_scores_and_breakdown_tell_what_was_stored(running: Running) -> None:
    until(lambda: running.ask("/readyz")[0] == 200)
    assert running.ask("/healthz")[:2] == (200, {"status": "alive"})
    running.send(batch("a"), tick("a", 10.0))
    running.drain()
    status, jobs, _ = running.ask("/api/jobs")
    assert status == 200
    assert [job["job"] for job in jobs] == ["a", "b"]
    scores = running.ask("/api/jobs/a/scores?start=0&end=100")[1]
    assert [(score["domain"], score["micropoints"]) for score in scores] == [("system", 1)]
    assert [found["metric"] for found in running.ask("/api/jobs/a/anomalies")[1]] == ["tally"]
    assert running.ask("/api/jobs/a/breakdown")[0] == 404
    for path in ("series", "changed", "incidents", "changes", "profiles", "health", "traces"):
        assert running.ask(f"/api/jobs/a/{path}")[0] == 200, path
    topology = {"job": "a", "revision": 1, "edges": [], "nodes": ["samples"]}
    assert running.ask("/api/jobs/a/topology")[1] == topology
    assert "GET  /api/jobs" in running.ask("/api")[1]


def test_health_tells_queues_dead_letters_and_consumers(running: Running) -> None:
    running.send(batch("a"), b"rubbish", batch("x"))
    running.drain()
    health = running.ask("/api/health")[1]
    assert set(health["lags"]) == {"verdicts", "engine", "pager", "writer"}
    assert health["dead"] == {"type": 1, "wrong key": 0} or sum(health["dead"].values()) == 2
    assert all(consumer["alive"] for consumer in health["consumers"].values())
    assert set(health["jobs"]) == {"a", "b"}


@pytest.mark.parametrize(("path", "status", "words"), [
    ("/api/nothing", 404, "not found"),
    ("/api/jobs/nobody/scores", 404, "unknown job 'nobody'"),
    (f"/api/jobs/{'x' * 4000}/scores", 404, "unknown job"),
    ("/api/jobs/a/scores?start=x", 400, "start must be a number, got 'x'"),
    ("/api/jobs/a/scores?start=nan", 400, "start must be a number"),
    ("/api/jobs/a/scores?start=5&end=5", 400, "start must be before end"),
    ("/api/jobs/a/scores?limit=5001", 400, "limit must be in 1..5000"),
    ("/api/jobs/a/scores?limit=-1", 400, "limit must be in 1..5000"),
    ("/api/jobs/a/points", 400, "series is missing"),
    ("/api/jobs/a/points?series=1&buckets=2001", 400, "buckets must be in 1..2000"),
    (f"/api/jobs/a/series?entity={'x' * 4097}", 400, "entity has 4097 characters"),
    ("/api/incidents/none", 404, "unknown incident 'none'"),
    ("/api/jobs/a/silence", 405, "method not allowed"),
])  # fmt: skip
def test_a_read_out_of_bounds_is_refused_with_its_remedy(running: Running, path: str, status: int, words: str) -> None:
    found, refusal, headers = running.ask(path)
    assert found == status
    assert words in refusal["error"]
    assert set(refusal) == {"error", "remedy"}
    assert refusal["remedy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_every_answer_is_sealed(running: Running) -> None:
    for path in ("/api/jobs", "/healthz", "/nowhere"):
        headers = running.ask(path)[2]
        assert headers["Content-Security-Policy"].startswith("default-src 'self'")
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize(("headers", "status"), [
    ({"Host": "evil.example"}, 421),
    ({"Host": ""}, 421),
    ({"Host": "[::1"}, 421),
    ({"Host": "localhost"}, 200),
    ({"Host": "127.0.0.1:1"}, 200),
    ({"Origin": "http://evil.example"}, 403),
    ({"Origin": "null"}, 403),
    ({"Host": "localhost:8470", "Origin": "http://localhost:8470"}, 200),
    ({"Host": "localhost:8470", "Origin": "http://localhost:9999"}, 403),
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Sec-Fetch-Site": "same-origin"}, 200),
])  # fmt: skip
def test_foreign_hosts_and_origins_are_refused(running: Running, headers: dict[str, str], status: int) -> None:
    assert running.ask("/api/jobs", headers=headers)[0] == status


def test_on_loopback_a_token_is_needed_to_write_and_not_to_read(guarded: Running) -> None:
    body = {"notification": "n"}
    assert guarded.ask("/api/jobs")[0] == 200
    assert guarded.ask("/api/jobs/a/ack", body)[0] == 401
    for scheme in (f"Bearer {TOKEN}x", "Bearer ", f"Basic {TOKEN}", "Bearer \u00e9"):
        header = {"Authorization": scheme.encode("utf-8").decode("latin-1")}
        assert guarded.ask("/api/jobs/a/ack", body, header)[0] == 401
    assert guarded.ask("/api/jobs/a/ack", body, {"Authorization": f"Bearer {TOKEN}"})[0] == 202
    assert guarded.ask("/api/jobs/a/ack", body, {"Cookie": f"streamgauge_token={TOKEN}"})[0] == 202


def test_the_token_in_the_address_becomes_a_cookie_that_scripts_cannot_read(guarded: Running) -> None:
    status, _, headers = guarded.ask(f"/?token={TOKEN}")
    assert (status, headers["Location"]) == (303, "/")
    assert "HttpOnly" in headers["Set-Cookie"]
    assert "SameSite=Strict" in headers["Set-Cookie"]


def test_off_loopback_every_request_but_the_probes_needs_the_token(tmp_path: Path) -> None:
    one = Running(tmp_path, TOKEN, host="0.0.0.0")
    try:
        assert one.ask("/healthz")[0] == 200
        assert one.ask("/api/jobs")[0] == 401
        assert one.ask("/api/events")[0] == 401
        headers = {"Authorization": f"Bearer {TOKEN}", "Host": "10.1.2.3"}
        assert one.ask("/api/jobs", headers=headers)[0] == 200
    finally:
        one.stop()


def test_actions_are_records_on_the_bus(running: Running) -> None:
    running.send(batch("a"), tick("a", 50.0))
    running.drain()
    matchers = [{"label": "worker", "value": "w.*", "is_regex": True}]
    status, made, _ = running.ask("/api/jobs/a/silence", {"matchers": matchers, "end": 100.0, "author": HOSTILE})
    assert status == 202
    assert (made["start"], made["end"], made["author"]) == (50.0, 100.0, HOSTILE)
    assert running.ask("/api/jobs/a/ack", {"notification": "n1"})[0] == 202
    assert running.ask("/api/jobs/a/unsuppress", {"episode": "e1"})[0] == 202
    assert running.ask("/api/jobs/a/feedback", {"notification": "n1", "verdict": "expected"})[0] == 202
    edge = {"cause": "feature:b", "effect": "queue", "verdict": "confirm", "author": "Ada"}
    assert running.ask("/api/jobs/a/edges", edge)[0] == 202
    assert running.ask("/api/jobs/a/thresholds", {"revision": 7, "author": "Ada"})[1]["revision"] == 7
    trace = {"select": [{"collection": "gradients", "include": "^dense"}], "workers": ["w"]}
    assert running.ask("/api/jobs/a/trace", trace)[1]["revision"] == 1
    assert running.ask("/api/jobs/a/trace", trace)[1]["revision"] == 2
    kinds = outputs.KINDS | outputs.kinds_of(Silence, Ack, Unsuppress, Confirm, records.Tick)
    told = [outputs.decode(message.value, kinds) for message in running.log.read("anomalies", 0, 100)]
    assert [type(record) for record in told][-4:] == [Silence, Ack, Unsuppress, Confirm]
    deployed = {"name": "deployed", "text": "ranker 41", "author": "ci"}
    assert running.ask("/api/jobs/a/changes", deployed)[0] == 202
    *_, judged, event = running.log.read("traces", 0, 100)
    noted = codec.decode(event.value)
    assert isinstance(noted, records.Event)
    assert (noted.name, noted.text, noted.time) == ("deployed", "ci: ranker 41", 50.0)
    feedback = codec.decode(judged.value)
    assert isinstance(feedback, Feedback)
    assert (feedback.verdict, feedback.time) == ("expected", 50.0)
    plan = control.decode_plan(running.log.latest("control")["a/on-call"])
    assert (plan.revision, plan.target.workers) == (2, ("w",))
    assert running.ask("/api/jobs/a/traces")[1]["plans"][0]["plan"] == "on-call"


@pytest.mark.parametrize(("action", "body", "words"), [
    ("silence", {"matchers": [], "end": 10.0}, "1-20 matchers"),
    ("silence", {"matchers": [{"label": "colour", "value": "x"}], "end": 10.0}, "unknown label 'colour'"),
    ("silence", {"matchers": [{"label": "job", "value": "(", "is_regex": True}], "end": 9.0}, "no regular expression"),
    ("silence", {"matchers": [{"label": "job", "value": "(.?){30}=", "is_regex": True}], "end": 9.0}, "at most 3"),
    ("silence", {"matchers": [{"label": "job", "value": "a"}], "end": 0.0}, "above 0 s"),
    ("silence", {"matchers": [{"label": "job", "value": "a"}], "end": 1e12}, "at most a year"),
    ("silence", {"matchers": [{"label": "job", "value": "a"}]}, "missing required field `end`"),
    ("edges", {"cause": "feature:a", "effect": "queue", "verdict": "confirm"}, "is a person's"),
    ("edges", {"cause": "a b", "effect": "queue", "verdict": "confirm", "author": "Ada"}, "reads as samples"),
    ("edges", {"cause": "queue", "effect": "train", "verdict": "maybe", "author": "Ada"}, "Invalid enum value"),
    ("ack", {"notification": ""}, "1-200 characters"),
    ("ack", {"notification": "n", "extra": 1}, "unknown field"),
    ("feedback", {"notification": "n", "verdict": "great"}, "Invalid enum value 'great'"),
    ("thresholds", {"revision": 7}, "taking back what others taught is a person's"),
    ("thresholds", {"revision": -1, "author": "Ada"}, "Expected `int` >= 0"),
    ("changes", {"name": "Deployed!", "text": "x"}, "write deployed"),
    ("changes", {"name": "gate_override", "text": "x"}, "streamgauge gate --override"),
    ("changes", {"name": "deployed", "text": ""}, "say what was changed"),
    ("alertmanager", {"alerts": []}, "1-1000 alerts"),
    ("alertmanager", {"alerts": [{"labels": {}, "startsAt": "2026-11-28T12:00:00Z"}]}, "alertname"),
    ("alertmanager", {"alerts": [{"labels": {"alertname": "a"}, "startsAt": "2026-11-28T12:00:00"}]}, "time zone"),
    ("trace", {"select": []}, "a plan selects something or is off"),
    ("trace", {"select": [{"collection": "weights", "include": "(a+)+$"}]}, "could take for ever"),
    ("trace", {"select": [{"collection": "weights"}], "expires": 1e9}, "expires must be in"),
    ("ack", [1], "Expected `object`"),
])  # fmt: skip
def test_an_action_that_does_not_fit_is_refused_and_nothing_is_sent(
    running: Running, action: str, body: Any, words: str
) -> None:
    running.drain()
    before = {topic: running.log.end(topic) for topic in ("anomalies", "traces", "control")}
    status, refusal, _ = running.ask(f"/api/jobs/a/{action}", body)
    assert status == 400
    assert words in refusal["error"]
    assert before == {topic: running.log.end(topic) for topic in before}


def test_a_body_is_bounded_and_must_be_json(running: Running) -> None:
    assert running.ask("/api/jobs/a/ack", raw=b" " * 70_000)[0] == 413
    assert running.ask("/api/jobs/a/ack", raw=b"{")[0] == 400
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert running.ask("/api/jobs/a/ack", raw=b"notification=n", headers=form)[0] == 415
    assert running.ask("/api/jobs", method="DELETE")[0] == 405


@pytest.mark.parametrize(("length", "status"), [(99_999_999_999, 413), (10, 408)])
def test_a_body_that_is_announced_and_does_not_come_is_refused(
    running: Running, monkeypatch: pytest.MonkeyPatch, length: int, status: int
) -> None:
    monkeypatch.setattr(http_json, "BODY_TIMEOUT", 0.2)
    head = f"POST /api/jobs/a/ack HTTP/1.1\r\nHost: localhost:{running.port}\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", running.port), timeout=5) as slow:
        slow.sendall(f"{head}Content-Length: {length}\r\n\r\n{{".encode())
        assert slow.recv(100).startswith(f"HTTP/1.1 {status} ".encode())


@pytest.mark.parametrize("sent", [b"\x16\x03\x01 no http\r\n\r\n", b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n"])
def test_what_is_no_http_is_answered_and_not_logged(
    running: Running, caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", running.port), timeout=5) as client:
        client.sendall(sent)
        assert b" 400 " in client.recv(100)
    assert running.ask("/api/jobs")[0] == 200
    assert caplog.records == []


def test_the_stream_tells_scores_anomalies_and_status_as_they_come(running: Running) -> None:
    stream = Stream(running)
    hello = stream.next()
    assert (hello["event"], hello["retry"]) == ("hello", "1000")
    running.send(batch("a"), tick("a", 10.0))
    status = control.Status(job="a", worker="w", incarnation="i", time=1.0)
    running.log.send([("status", "a/w", control.encode(status)), ("status", "a/v", b"\xff")])
    found: Counter[str] = Counter()
    while not (found["score"] and found["anomaly"] and found["status"] == 2):
        event = stream.next()
        found[event["event"]] += 1
        data = json.loads(event["data"])
        assert data["job"] == "a"
    stream.close()


def test_a_cut_stream_replays_what_it_missed_and_nothing_twice(running: Running) -> None:
    stream = Stream(running)
    stream.next()
    running.send(batch("a"), tick("a", 10.0))
    seen = stream.take("score")
    stream.close()
    for time_ in range(20, 100, 10):
        running.send(tick("a", float(time_)))
    running.drain()
    again = Stream(running, since=seen[-1]["id"])
    events = again.take("replayed")
    running.send(tick("a", 100.0))
    while sum(event["event"] == "anomaly" for event in seen + events) < 10:
        events.append(again.next())
    told = [(e["event"], json.loads(e["data"])) for e in seen + events]
    for kind in ("score", "anomaly"):
        ends = [data["start"] for name, data in told if name == kind]
        assert ends == [float(time_) for time_ in range(10, 110, 10)]
    again.close()


def test_a_position_from_the_future_or_too_far_back_is_a_reset(running: Running) -> None:
    ahead = Stream(running, since=".".join(["9"] * len(TOPICS)))
    assert [ahead.next()["event"], ahead.next()["event"]] == ["hello", "reset"]
    ahead.close()
    tick_ = outputs.encode(records.Tick(job="a", time=1.0))
    running.log.send([("anomalies", "a", tick_)] * 5001)
    until(lambda: running.ask("/api/health")[1]["lags"]["pager"] == 0)
    time.sleep(0.5)
    behind = Stream(running, since=".".join(["0"] * len(TOPICS)))
    assert [behind.next()["event"], behind.next()["event"]] == ["hello", "reset"]
    behind.close()
    elsewhere = Stream(running, since="1.2")  # of other logs than there are
    assert [elsewhere.next()["event"], elsewhere.next()["event"]] == ["hello", "reset"]
    elsewhere.close()


def test_a_stop_lets_go_of_open_streams_at_once(tmp_path: Path) -> None:
    others = threading.enumerate()
    one = Running(tmp_path)
    streams = [Stream(one) for _ in range(3)]
    started = time.monotonic()
    one.service.stop()
    assert time.monotonic() - started < 3.0
    assert not any(thread.name == "http" for thread in threading.enumerate() if thread not in others)
    one.stop()
    assert len(streams) == 3


def test_static_files_are_served_and_nothing_beside_them(tmp_path: Path) -> None:
    web = tmp_path / "web"
    web.mkdir()
    (web / "index.html").write_text("<title>gauge</title>")
    (web / "app.js").write_text("export {}")
    (tmp_path / "secret").write_text("no")
    one = Running(tmp_path, static=web)
    try:
        assert "gauge" in one.ask("/")[1]
        assert one.ask("/app.js")[2]["Content-Type"].endswith("javascript")
        assert one.ask("/../secret")[0] in (403, 404)
        assert one.ask("/%2e%2e/secret")[0] in (403, 404)
        for path in ("/nothing.js", "/nothing/at/all", "/api/nothing", "/api/jobs/"):
            status, refusal, _ = one.ask(path)
            assert (status, set(refusal)) == (404, {"error", "remedy"}), path
        assert one.ask("/api/jobs")[0] == 200
    finally:
        one.stop()


def test_one_slow_page_is_cut_off_and_holds_up_nobody(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    from streamgauge.pipelines.adapters.http import events as http_events

    monkeypatch.setattr(http_events, "_QUEUE", 20)
    slow, quick = Stream(running), Stream(running)
    running.send(batch("a"))
    big = msgspec.structs.replace(Silence(id="x", job="a", matchers=(), start=0, end=1), comment="x" * 200_000)
    for _ in range(100):  # more than the socket's buffers and the queue hold
        running.log.send([("anomalies", "a", outputs.encode(big))])
        assert quick.take("silence")
    slow.socket.settimeout(5)
    received = 0
    with contextlib.suppress(ConnectionError):  # a reset, or an end
        while line := slow.file.readline():
            received += line.startswith(b"event: silence")
    assert received < 100
    until(lambda: running.ask("/healthz")[0] == 200)


def test_a_silence_with_the_id_of_another_replaces_it(running: Running) -> None:
    asked = {"matchers": [{"label": "worker", "value": "w1"}], "start": 10.0, "end": 20.0}
    first = running.ask("/api/jobs/a/silence", asked)[1]
    ended = running.ask("/api/jobs/a/silence", asked | {"end": 15.0, "id": first["id"]})[1]
    assert (ended["id"], ended["end"]) == (first["id"], 15.0)
    assert running.ask("/api/jobs/a/silence", asked | {"id": "x" * 201})[0] == 400


def test_changes_are_told_by_their_names(running: Running) -> None:
    running.ask("/api/jobs/a/ack", {"notification": "n1"})
    running.ask("/api/jobs/a/unsuppress", {"episode": "e1"})
    until(lambda: len(running.ask("/api/jobs/a/changes")[1]) == 2)
    assert [one["text"] for one in running.ask("/api/jobs/a/changes?names=silence,ack")[1]] == ["n1"]

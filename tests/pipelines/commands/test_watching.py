"""The command line shows what is known of a job: its score and phase, what was told, what is silenced."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streamgauge.anomaly.types import Alert, Anomaly, Confirm, Notification, Reason, Score, Silence
from streamgauge.pipelines.adapters.sqlite.store import SqliteStore
from streamgauge.pipelines.cli import main
from streamgauge.pipelines.config.loading import load
from streamgauge.pipelines.paging.audit import acted
from streamgauge.pipelines.service.stores import store_path
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.outputs import Change
from streamgauge.tracer import control
from streamgauge.tracer.control import Catalogue
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.selection import Entry

T0 = 1_764_331_200.0  # 2025-11-28 12:00 UTC


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "streamgauge.toml"
    path.write_text(f'data = "{tmp_path / "data"}"\nport = 1\n[jobs.ctr]\npane = 10\n')
    (tmp_path / "data").mkdir()
    LocalLog(tmp_path / "data" / "log.db").send([("traces", "ctr", b"x")])
    return path


def alert(end: float | None) -> Alert:
    return Alert(
        fingerprint="f", node="labels", job="ctr", domain="sample", entity="", worker="", metric="label_overdue",
        severity="page", score=1e9, start=T0, arrival=T0, end=end, text="all 9 labels that were due are overdue",
    )  # fmt: skip


def told(name: str, status: Any, time: float, end: float | None = None) -> Notification:
    reason = Reason(decision="root", text="nothing upstream is broken")
    return Notification(id=name, job="ctr", status=status, time=time, root=alert(end), reason=reason, text="the text")


def fill(config: Path, *more: Any) -> None:
    store = SqliteStore(store_path(load(config)))
    scores = [
        Score(job="ctr", domain=domain, start=end - 60.0, end=end, micropoints=97_000_000, coverage=1.0)
        for domain in ("overall", "sample") for end in (T0 + 60.0, T0 + 120.0, T0 + 180.0)
    ]  # fmt: skip
    store.write([*scores, *more])
    store.close()


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main([*arguments])
    return code, capsys.readouterr().out


def test_status_shows_scores_phase_and_what_is_open(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(config, told("n1", "firing", T0 + 60.0))
    code, text = said(capsys, "status", "--config", str(config))
    assert code == 0
    assert "  - learning  1 open" in text
    assert "learning: facts and limits page; changes are told from 2025-11-28 12:30Z" in text
    assert "OPEN  n1  2025-11-28 12:00Z  ctr  labels: all 9 labels that were due are overdue" in text
    assert "no pipeline answers at 127.0.0.1:1" in text


@pytest.mark.parametrize("command", [("status",), ("incidents",), ("incidents", "n1")])
def test_a_workers_name_moves_no_cursor_and_makes_no_line(
    command: tuple[str, ...], config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "w\x1b[2J\u202e\nOPEN  all is well"
    one = told("n1", "firing", T0 + 60.0)
    fill(config, msgspec.structs.replace(one, root=msgspec.structs.replace(one.root, node=evil, text=evil)))
    text = said(capsys, *command, "--config", str(config))[1]
    assert r"w\x1b[2J\u202e\nOPEN  all is well" in text
    assert all(line.isprintable() for line in text.splitlines())
    assert not any(line.startswith("OPEN  all") for line in text.splitlines())


def test_one_incident_says_where_it_may_have_begun(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    late = Anomaly(
        kind="anomaly", job="ctr", worker="", domain="sample", entity="", metric="produce_delay_p95", severity="ticket",
        start=T0 - 120.0, time=T0, score=9.0, text="produce delay 90 s (normal 2 s)",
    )  # fmt: skip
    fill(config, told("n1", "firing", T0 + 60.0), late)
    text = said(capsys, "incidents", "n1", "--config", str(config))[1]
    assert "1. produce: produce delay 90 s (normal 2 s), 120 s before the paged one, produce -> labels" in text
    assert "2. labels: label_overdue, what was paged" in text
    found = json.loads(said(capsys, "incidents", "n1", "--json", "--config", str(config))[1])
    assert [one["node"] for one in found["causes"]] == ["produce", "labels"]


def test_the_audit_has_what_was_told_and_done_as_lines_json_and_csv(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = time.time()
    fill(config, told("n1", "firing", now - 60.0), acted("ctr", now - 30.0, "ada", "ack", "n1", "on it"))
    asked = "audit", "--job", "ctr", "--config", str(config)
    lines = said(capsys, *asked)[1].splitlines()
    assert [line.partition("Z  ")[2] for line in lines] == [
        "ctr  pager  told firing  labels  root: nothing upstream is broken", "ctr  ada  ack  n1  on it",
    ]  # fmt: skip
    assert [json.loads(line)["who"] for line in said(capsys, *asked, "--json")[1].splitlines()] == ["pager", "ada"]
    assert said(capsys, *asked, "--csv")[1].splitlines()[0].startswith("time,job,who,what,about")
    assert said(capsys, *asked, "--since", "10s")[1] == ""
    assert said(capsys, "audit", "--job", "none", "--config", str(config))[0] == 2


def test_status_before_anything_is_known(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no score yet" in said(capsys, "status", "--config", str(config))[1]


def test_status_as_json_has_the_same(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(config, told("n1", "firing", T0 + 60.0))
    found = json.loads(said(capsys, "status", "--config", str(config), "--json")[1])
    assert found["jobs"][0]["warm_up"]["phase"] == "learning"
    assert [one["id"] for one in found["incidents"]] == ["n1"]
    assert found["health"] is None


def test_incidents_lists_them_and_shows_one(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(config, told("n1", "firing", T0 + 60.0), told("n2", "resolved", T0 + 120.0, T0 + 100.0))
    assert said(capsys, "incidents", "--config", str(config))[1].startswith("over  n1")
    assert said(capsys, "incidents", "--open", "--config", str(config))[1] == ""
    assert "firing: nothing upstream is broken" in said(capsys, "incidents", "n1", "--config", str(config))[1]


def test_an_unknown_incident_is_told(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(config)
    assert main(["incidents", "nope", "--config", str(config)]) == 2
    assert "unknown incident 'nope'" in capsys.readouterr().err


def test_silences_that_hold_are_listed_and_ended(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "5f until 2999-01-01T00:00:00Z: worker=w1"
    fill(config, Change(job="ctr", name="silence", time=T0, text=text), Change(
        job="ctr", name="silence", time=T0, text="6a until 1999-01-01T00:00:00Z: worker=w2",
    ))  # fmt: skip
    assert said(capsys, "silences", "--config", str(config))[1] == "5f  ctr  until 2999-01-01 00:00Z  worker=w1\n"
    assert main(["silences", "--end", "5f", "--config", str(config)]) == 0
    log = LocalLog(Path(load(config).data) / "log.db")
    (message,) = log.read("anomalies", 0, 10)
    ended = outputs.decode(message.value, {"silence": Silence})
    assert (ended.id, ended.start > T0, ended.end - ended.start < 1.0) == ("5f", True, True)


def test_a_silence_that_is_not_there_cannot_be_ended(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(config)
    assert main(["silences", "--end", "5f", "--config", str(config)]) == 2
    assert "no silence '5f' holds now" in capsys.readouterr().err


def catalogue(log: LocalLog) -> None:
    entry = Entry(collection="gradients", name="dense/kernel", shape=(4, 8))
    value = control.encode(Catalogue(job="ctr", worker="w0", incarnation="1", entries=(entry,)))
    log.send([("catalogue", "ctr/w0", value), ("status", "ctr/w0", b'{"job":"ctr","worker":"w0","state":"running"}')])


def test_trace_lists_what_can_be_traced_and_tries_without_changing(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = LocalLog(Path(load(config).data) / "log.db")
    catalogue(log)
    listed = said(capsys, "trace", "--job", "ctr", "--list", "--config", str(config))[1]
    assert "w0: running" in listed
    assert "gradients    dense/kernel" in listed
    code, tried = said(capsys, "trace", "--job", "ctr", "--dry-run", "--include", "^dense", "--config", str(config))
    assert code == 0
    assert tried.startswith("1 tensors match: dense/kernel\n  w0: 1 tensors, about")
    assert log.latest("control") == {}


def test_an_unknown_worker_is_told_with_the_known_ones(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = LocalLog(Path(load(config).data) / "log.db")
    catalogue(log)
    assert main(["trace", "--job", "ctr", "--workers", "w9", "--config", str(config)]) == 2
    assert "no worker 'w9' of ctr has reported; those that have: w0" in capsys.readouterr().err
    assert log.latest("control") == {}


def test_status_says_which_reference_a_job_was_given(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(config, Change(job="ctr", name="reference", time=T0, text="rows.parquet: 2 features"))
    _, text = said(capsys, "status", "--config", str(config))
    assert "reference since 2025-11-28 12:00Z: rows.parquet: 2 features" in text
    assert "young: a wider band" in text


def test_learnt_edges_are_listed_with_their_evidence_and_a_person_confirms_one(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin = time.time() - 86400.0
    found = [
        Anomaly(
            kind="anomaly", job="ctr", worker="", domain="sample", entity=entity, metric="psi", severity="ticket",
            start=begin + 3600.0 * i + lag, time=begin + 3600.0 * i + 60.0, number=2 * i + (lag > 0) + 1,
        )
        for i in range(6) for entity, lag in (("feature:a", 0.0), ("feature:b", 30.0))
    ]  # fmt: skip
    fill(config, *found)
    code, text = said(capsys, "topology", "learn", "--job", "ctr", "--config", str(config))
    assert code == 0
    assert text.startswith("feature:a -> feature:b: began within 3 min of each other 6 times, feature:a first in 6")
    asked = ("feature:a", "feature:b", "--job", "ctr", "--author", "Ada", "--config", str(config))
    assert said(capsys, "topology", "confirm", *asked) == (0, "feature:a is taken for a cause of feature:b in ctr\n")
    log = LocalLog(config.parent / "data" / "log.db")
    record = outputs.decode(log.read("anomalies", 0, 1)[0].value, outputs.kinds_of(Confirm))
    assert (record.cause, record.effect, record.author, record.is_withdrawn) == ("feature:a", "feature:b", "Ada", False)
    assert said(capsys, "topology", "confirm", "samples", "--job", "ctr", "--config", str(config))[0] == 2

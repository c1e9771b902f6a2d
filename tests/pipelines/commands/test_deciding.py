"""The commands of a decision: the gate and its override, root causes from files, what a change touches."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

import streamgauge
from streamgauge.anomaly.types import Alert, Notification, Reason, Score
from streamgauge.pipelines.adapters.sqlite.store import SqliteStore
from streamgauge.pipelines.cli import main
from streamgauge.pipelines.config.loading import load
from streamgauge.pipelines.service.stores import store_path
from streamgauge.tracer import codec
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.records import Event


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "streamgauge.toml"
    features = '[[jobs.features]]\nname = "city"\nkind = "id"\nsource = "places"\n'
    path.write_text(f'data = "{tmp_path / "data"}"\nport = 1\n[[jobs]]\nname = "ctr"\n{features}')
    (tmp_path / "data").mkdir()
    LocalLog(tmp_path / "data" / "log.db").send([("catalogue", "ctr", b"x")])
    return path


def fill(config: Path, *more: Any) -> None:
    store, now = SqliteStore(store_path(load(config))), time.time()
    store.write([
        *(Score(job="ctr", domain=domain, start=now - 70, end=now - 10, micropoints=97_000_000, coverage=1.0)
          for domain in ("overall", "sample", "train")),
        *more,
    ])  # fmt: skip
    store.close()


def page(now: float) -> Notification:
    root = Alert(
        fingerprint="f", node="model", job="ctr", domain="train", entity="", worker="", metric="nonfinite",
        severity="page-now", score=1e9, start=now, arrival=now, text="loss is NaN",
    )  # fmt: skip
    return Notification(
        id="n1", job="ctr", status="firing", time=now, root=root, reason=Reason(decision="root", text=""),
        text="[ctr] model: loss is NaN",
    )  # fmt: skip


def gate(config: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, dict[str, Any]]:
    code = main(["gate", "--job", "ctr", "--json", "--config", str(config), *more])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, found


def test_the_gate_is_unknown_without_a_score_passes_a_sound_job_and_holds_a_broken_one(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gate(config, capsys)[0] == 2
    fill(config)
    assert gate(config, capsys)[0] == 0
    fill(config, page(time.time() - 5))
    code, found = gate(config, capsys)
    assert code == 1
    assert found["reasons"] == ["open: [ctr] model: loss is NaN"]


def pushed(config: Path) -> list[str]:
    log = LocalLog(config.parent / "data" / "log.db")
    kept = [codec.decode(message.value) for name in log.logs("traces") for message in log.read(name, 0, 10)]
    log.close()
    return [one.text for one in kept if isinstance(one, Event) and one.name == "pushed"]


def test_a_push_that_the_gate_lets_through_is_a_release(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(config)
    assert gate(config, capsys, "--push", "v7", "--author", "Ada")[0] == 0
    fill(config, page(time.time() - 5))
    assert gate(config, capsys, "--push", "v8", "--author", "Ada")[0] == 1
    assert pushed(config) == ["Ada: v7"]


def test_an_override_is_recorded_with_its_author_and_opens_the_gate(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(config, page(time.time() - 5))
    assert main(["gate", "--job", "ctr", "--override", "rollback", "--config", str(config)]) == 2
    assert "--author" in capsys.readouterr().err
    code, found = gate(config, capsys, "--override", "rollback", "--author", "Ada")
    assert (code, found["answer"], found["overridden"]) == (0, "hold", "Ada: rollback")
    log = LocalLog(config.parent / "data" / "log.db")
    kept = [codec.decode(message.value) for name in log.logs("traces") for message in log.read(name, 0, 10)]
    assert [(one.name, one.text) for one in kept] == [("gate_override", "Ada: rollback")]  # type: ignore[union-attr]


def test_a_training_job_asks_the_gate_of_nobody_and_is_told_unknown() -> None:
    found = streamgauge.gate("http://127.0.0.1:1", "ctr", since=5.0)
    assert (found.answer, found.is_open) == ("unknown", False)
    assert "no pipeline answers at http://127.0.0.1:1" in found.reasons[0]


def test_root_causes_are_ranked_from_files_and_faults_name_their_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph, metrics = tmp_path / "g.csv", tmp_path / "m.csv"
    graph.write_text("cause,effect\ndb,api\n")
    rows = [f"{t},{node},ms,{9 if t > 15 else t % 2}" for t in range(20) for node in ("db", "api")]
    metrics.write_text("\n".join(["time,node,metric,value", *rows]))
    asked = ["rootcause", "--topology", str(graph), "--metrics", str(metrics), "--at", "15"]
    assert main([*asked, "--target", "api"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["rank"], one["node"], one["path"]) for one in found] == [(1, "db", ["db", "api"]), (2, "api", ["api"])]
    assert main([*asked, "--target", "apy"]) == 2
    assert "no node 'apy'" in capsys.readouterr().err
    metrics.write_text("time,node,metric,value\n1,db,ms,high\n")
    assert main([*asked, "--target", "db"]) == 2
    assert "m.csv:2: could not convert string to float: 'high'" in capsys.readouterr().err


def test_what_dropping_a_feature_touches_is_told_with_its_path(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["impact", "--job", "ctr", "city", "--config", str(config), "--json"]) == 0
    found = {one["node"]: one for one in map(json.loads, capsys.readouterr().out.splitlines())}
    assert found["prediction"]["path"] == ["feature:city", "prediction"]
    assert found["serving"]["risk"] < found["train"]["risk"] == 0.8
    assert main(["impact", "--job", "ctr", "town", "--config", str(config)]) == 2

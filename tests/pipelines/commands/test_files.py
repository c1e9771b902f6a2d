"""`check` says what a configuration means, and that an empty one watches nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from streamgauge.pipelines.cli import main
from streamgauge.tracer.kafka.transport import KafkaTransport
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.tracer import Tracer
from tests.pipelines.adapters.kafka import world
from tests.servers.kafka import KafkaServers


def test_an_empty_file_has_no_fault_and_watches_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.toml").write_text("")
    assert main(["check", str(tmp_path / "empty.toml")]) == 1
    assert "nothing would be watched" in capsys.readouterr().out


def test_check_prints_what_the_defaults_mean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one.toml").write_text('[jobs.ctr]\nmissing_after = "2m"\n')
    assert main(["check", str(tmp_path / "one.toml")]) == 0
    told = capsys.readouterr().out
    assert "a worker that is silent is missing after 2 min" in told
    assert "changes are told on a wide band after 30 min; on the full one after 14 d" in told
    assert main(["check", str(tmp_path / "one.toml"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["jobs"]["ctr"]["a label is overdue"] == 10_800.0


def test_check_names_what_looks_wrong_to_the_workers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    (tmp_path / "one.toml").write_text(f'data = "{data}"\n[jobs.ctr]\n')
    tracer = Tracer("ctr", "worker:0", LocalLog(data / "log.db"), clock=lambda: 1.7e9, usage=False)
    tracer.observe({"age": [1.0, 2.0], "genres": [1.0]}, ids=[1, 2], time=[1.7e12, 1.7e12])
    tracer.observe({}, predictions=np.linspace(-4.0, 4.0, 200))
    assert tracer.flush()
    assert main(["check", str(tmp_path / "one.toml")]) == 0
    told = capsys.readouterr().out
    assert "ctr/worker:0: feature genres is refused: 1 value for 2 rows" in told
    assert "ctr/worker:0: argument time is refused: 1.7e+12 looks like milliseconds" in told
    assert "these look like logits" in told
    tracer.close()


@pytest.mark.real
def test_check_asks_the_brokers_for_what_looks_wrong_to_the_workers(
    kafka: KafkaServers, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = world.topics(kafka)
    where = f'bootstrap = "{made.bootstrap}"\nprefix = "{made.prefix}"'
    (tmp_path / "one.toml").write_text(f'data = "{tmp_path}/data"\n[kafka]\n{where}\n[jobs.ctr]\n')
    tracer = Tracer("ctr", "worker:0", KafkaTransport(made.bootstrap, prefix=made.prefix), usage=False)
    tracer.observe({}, predictions=np.linspace(-4.0, 4.0, 200))
    assert tracer.flush(30.0)
    tracer.close()
    assert main(["check", str(tmp_path / "one.toml")]) == 0
    assert "ctr/worker:0: predictions run from -4 to 4: these look like logits" in capsys.readouterr().out


def test_brokers_that_do_not_answer_leave_a_file_sound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one.toml").write_text(f'data = "{tmp_path}"\n[kafka]\nbootstrap = "127.0.0.1:1"\n[jobs.ctr]\n')
    assert main(["check", str(tmp_path / "one.toml")]) == 0
    assert "what its workers say is not known: Kafka at 127.0.0.1:1" in capsys.readouterr().out

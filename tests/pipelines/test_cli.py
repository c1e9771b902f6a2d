"""The command line: what each command prints, and that a fault of use is one line with its remedy and exit code 2."""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streamgauge.anomaly.types import Ack, Matcher, Silence
from streamgauge.pipelines.adapters.sqlite.store import SqliteStore
from streamgauge.pipelines.cli import main
from streamgauge.pipelines.config.faults import ConfigError
from streamgauge.pipelines.config.loading import load
from streamgauge.pipelines.grammar import parser
from streamgauge.pipelines.service.assembly import TOKEN, guard_of
from streamgauge.pipelines.service.stores import store_path
from streamgauge.pipelines.wire import outputs
from streamgauge.tracer import codec, control
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.plans import Plans
from streamgauge.tracer.records import Event, Feedback, Tick
from streamgauge.tracer.selection import BOOT, Entry

CONFIG = 'console = false\nport = 0\n[jobs.ctr]\npane = 10\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "streamgauge.toml"
    path.write_text(f'data = "{tmp_path / "data"}"\n{CONFIG}')
    return path


@pytest.fixture
def log(tmp_path: Path) -> LocalLog:
    (tmp_path / "data").mkdir()
    return LocalLog(tmp_path / "data" / "log.db")


def commands() -> dict[str, argparse.ArgumentParser]:
    found: dict[str, argparse.ArgumentParser] = parser()._subparsers._group_actions[0].choices  # type: ignore
    return found


@pytest.mark.parametrize("name", sorted(commands()))
def test_each_commands_help_shows_an_example_that_its_grammar_takes(name: str) -> None:
    example = commands()[name].epilog or ""
    assert example.startswith(f"example: streamgauge {name}")
    if name != "demo":  # its arguments are those of the example's own parser
        assert parser().parse_args(example.replace("'", "").split()[2:]).command == name


@pytest.mark.parametrize(("given", "name", "values"), [
    ("topology import --from otel a.prom b.prom --job ctr", "files", ["a.prom", "b.prom"]),
    ("topology import a.prom --from otel b.prom", "files", ["a.prom", "b.prom"]),
    ("profile a.csv --json b.csv", "other", "b.csv"),
    ("incidents --job ctr 5eed", "id", "5eed"),
    ("silence --job ctr worker=u --for 2h node=labels", "matchers", ["worker=u", "node=labels"]),
])  # fmt: skip
def test_options_stand_before_between_and_behind_what_they_are_about(given: str, name: str, values: Any) -> None:
    found = getattr(parser().parse_args(given.split()), name)
    assert ([str(one) for one in found] if isinstance(found, list) else str(found)) == values


def test_check_says_that_a_file_is_sound_or_names_every_fault(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(config)]) == 0
    assert "is sound: 1 job (ctr)" in capsys.readouterr().out
    bad = tmp_path / "bad.toml"
    bad.write_text("prot = 1\nclock = 3\n")
    assert main(["check", str(bad)]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"streamgauge: {bad}: prot: unknown key; did you mean port?",
        f"streamgauge: {bad}: clock: must be one of log, wall, got 3",
    ]
    assert main(["check", str(bad), "--json"]) == 2
    told = json.loads(capsys.readouterr().out)["faults"]
    assert told[0] == {"path": "prot", "message": "unknown key; did you mean port?"}


def test_check_takes_the_file_of_the_folder_where_none_is_named(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(config.parent)
    config.rename("streamgauge.toml")
    assert main(["check"]) == 0
    assert capsys.readouterr().out.startswith("streamgauge.toml is sound")


@pytest.mark.parametrize(("arguments", "words"), [
    (["run", "--config", "nowhere.toml"], "cannot read nowhere.toml"),
    (["run", "--config", "CONFIG", "--port", "70000"], "port: must be in 0..65535, got 70000"),
    (["run", "--config", "CONFIG", "--data", "CONFIG"], "is no folder; name one with --data"),
    (["replay", "--log", "nowhere.db", "--config", "CONFIG"], "there is no log nowhere.db"),
    (["silence", "--job", "ctr", "worker=u", "--config", "CONFIG"], "start `streamgauge run` first"),
    (["trace", "--job", "crt", "--config", "CONFIG"], "unknown job 'crt'"),
    (["trace", "--list", "--config", "CONFIG"], "start `streamgauge run` first"),  # its only job is meant
    (["detect", "nowhere.csv"], "nowhere.csv: no such file"),
    (["profile", "nowhere.csv"], "nowhere.csv"),
    (["replay", "--log", "CONFIG", "--config", "CONFIG"], "is no log, it begins as another kind of file"),
    (["check", "nowhere.toml"], "cannot read nowhere.toml: No such file or directory; name an existing file"),
])  # fmt: skip
def test_a_fault_of_use_is_one_line_and_exit_code_2(
    config: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(config) if one == "CONFIG" else one for one in arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("streamgauge: ")
    assert words in line


def test_of_several_jobs_one_must_be_named(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with config.open("a") as file:
        file.write('\n[jobs.feed]\n')
    for command in (["trace", "--list"], ["gate"], ["features"], ["runs"], ["backtest"]):
        assert main([*command, "--config", str(config)]) == 2
        assert "has 2 jobs: name one with --job; known are ctr, feed, streamgauge" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["--threshold", "nan"], ["--threshold", "x"], ["--threshold", "-1"], ["--limit", "inf"]]
)
def test_a_threshold_that_is_none_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["detect", "x.csv", *arguments])
    told = capsys.readouterr().err
    assert "must be" in told
    assert "_sigmas" not in told


@pytest.mark.parametrize("arguments", [
    ["silence", "--job", "ctr", "colour=red"],
    ["silence", "--job", "ctr", "worker"],
    ["silence", "--job", "ctr", "worker=~("],
    ["silence", "--job", "ctr", "worker=u", "--for", "0s"],
    ["trace", "--job", "ctr", "--collection", "gradientz"],
    ["trace", "--job", "ctr", "--include", "(a+)+$"],
    ["trace", "--job", "ctr", "--every", "0"],
    ["trace", "--job", "ctr", "--ttl", "9d"],
    ["feedback", "--job", "ctr", "x" * 201, "expected"],
    ["change", "--job", "ctr", "Deployed", "ranker"],
])  # fmt: skip
def test_an_action_that_does_not_fit_sends_nothing(
    config: Path, log: LocalLog, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--config", str(config)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert all(log.end(topic) == 0 for topic in ("anomalies", "traces", "control"))
    log.close()


def test_silence_and_feedback_are_records_on_the_log(
    config: Path, log: LocalLog, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--job", "ctr", "--config", str(config), "--author", "ann", "--comment", "why"]
    before = time.time()
    assert main(["silence", "worker=u", "entity=~feature:.*", "--for", "2h", *common]) == 0
    assert main(["feedback", "n1", "false_alarm", *common]) == 0
    silence = outputs.decode(log.read("anomalies", 0, 1)[0].value, {"silence": Silence})
    assert silence.matchers == (Matcher("worker", "u"), Matcher("entity", "feature:.*", is_regex=True))
    assert silence.end - silence.start == pytest.approx(7200.0)
    assert silence.start >= before
    feedback = codec.decode(log.read("traces", 0, 1)[0].value)
    assert isinstance(feedback, Feedback)
    told = (feedback.notification, feedback.verdict, feedback.author, feedback.comment)
    assert told == ("n1", "false_alarm", "ann", "why")
    assert f"silence {silence.id} holds back worker=u, entity=~feature:.* for 7200 s" in capsys.readouterr().out
    log.close()


def test_an_acknowledgement_and_a_change_are_records_on_the_log(config: Path, log: LocalLog) -> None:
    common = ["--job", "ctr", "--config", str(config), "--author", "ann", "--comment", "why"]
    assert main(["ack", "n1", *common]) == 0
    assert main(["change", "deployed", "ranker 41", *common]) == 0
    ack = outputs.decode(log.read("anomalies", 0, 1)[0].value, {"ack": Ack})
    assert (ack.notification, ack.author, ack.comment) == ("n1", "ann", "why")
    event = codec.decode(log.read("traces", 0, 1)[0].value)
    assert isinstance(event, Event)
    assert (event.name, event.text) == ("deployed", "ann: ranker 41 (why)")
    log.close()


def test_feedback_on_a_notification_that_the_store_does_not_know_is_refused(
    config: Path, log: LocalLog, capsys: pytest.CaptureFixture[str]
) -> None:
    SqliteStore(store_path(load(config))).close()
    assert main(["feedback", "n1", "false_alarm", "--job", "ctr", "--config", str(config)]) == 2
    assert "unknown notification 'n1'; copy its id" in capsys.readouterr().err
    assert log.end("traces") == 0
    log.close()


def test_where_ticks_come_from_a_driver_a_silence_begins_at_its_time(config: Path, log: LocalLog) -> None:
    config.write_text('clock = "log"\n' + config.read_text())
    log.send([("anomalies", "ctr", outputs.encode(Tick(job="ctr", time=1000.0)))])
    assert main(["silence", "worker=u", "--job", "ctr", "--config", str(config)]) == 0
    assert outputs.decode(log.read("anomalies", 1, 1)[0].value, {"silence": Silence}).start == 1000.0
    log.close()


def obey(log: LocalLog, worker: str, ends: threading.Event) -> None:
    """A worker that follows the control topic by the tracer's own rules and answers on `status`."""
    own = Plans("ctr", worker, BOOT)
    catalogue = [Entry(name="dense/kernel", collection="gradients")]
    while not ends.wait(0.02):
        own.consider(log.latest("control"), time.time(), catalogue, 1.0)
        own.confirm(own.wanted())
        status = control.Status(job="ctr", worker=worker, incarnation="i", time=time.time(), plans=own.states)
        log.send([("status", f"ctr/{worker}", control.encode(status))])


def test_trace_prints_each_workers_answer(config: Path, log: LocalLog, capsys: pytest.CaptureFixture[str]) -> None:
    ends = threading.Event()
    workers = [threading.Thread(target=obey, args=(log, name, ends)) for name in ("u", "v")]
    for worker in workers:
        worker.start()
    common = ["--job", "ctr", "--config", str(config), "--wait", "10s"]
    time.sleep(0.2)
    try:
        assert main(["trace", *common, "--include", "^dense", "--workers", "u", "--ttl", "30m"]) == 0
        assert capsys.readouterr().out.splitlines()[-1].startswith("  u: applied: 1 tensors")
        assert main(["trace", *common, "--include", "^conv"]) == 1
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "ctr/on-call revision 2 sent"
        assert sorted(line.split(":")[0] for line in lines[1:]) == ["  u", "  v"]
        assert all("rejected: nothing that this worker can trace matches" in line for line in lines[1:])
    finally:
        ends.set()
        for worker in workers:
            worker.join()
    assert main(["trace", *common[:-1], "100ms", "--workers", "u", "--off"]) == 1
    assert "u: no answer within 0.1 s" in capsys.readouterr().out
    log.close()


def launch(config: Path, *more: str, preexec_fn: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pipelines", "run", "--config", str(config), *more]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    environment = {**os.environ, "STREAMGAUGE_TOKEN": "", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen(command, text=True, env=environment, preexec_fn=preexec_fn, **pipes)


def test_run_says_its_address_refuses_a_second_and_stops_quickly(config: Path, tmp_path: Path) -> None:
    first = launch(config)
    assert first.stdout is not None
    assert first.stdout.readline().startswith("streamgauge: http://127.0.0.1:")
    second = launch(config)
    out, error = second.communicate(timeout=20)
    assert (second.returncode, out) == (2, "")
    assert f"another streamgauge (process {first.pid}) runs on {tmp_path / 'data'}" in error
    started = time.monotonic()
    first.send_signal(signal.SIGTERM)
    _, error = first.communicate(timeout=20)
    assert (first.returncode, error) == (0, "")
    assert time.monotonic() - started < 5.0


def test_on_sighup_the_configuration_is_read_again_and_a_faulty_one_changes_nothing(config: Path) -> None:
    running = launch(config, "--port", "0")
    assert running.stdout is not None
    assert running.stderr is not None
    address = re.search(r"http://\S+", running.stdout.readline())
    sound = config.read_text()
    config.write_text(sound + '\n[jobs.added]\npane = "soon"\n')
    running.send_signal(signal.SIGHUP)
    assert "the old one holds: jobs" in running.stderr.readline()
    assert address is not None
    assert "added" not in names_at(address[0])
    config.write_text(sound + "\n[jobs.added]\n")
    running.send_signal(signal.SIGHUP)
    again = re.search(r"http://\S+", running.stdout.readline())
    assert again is not None
    assert "added" in names_at(again[0])
    running.send_signal(signal.SIGTERM)
    assert running.wait(30) == 0
    running.stdout.close()
    running.stderr.close()


def test_run_waits_for_a_disk_that_has_room_says_why_and_can_be_told_to_end(config: Path) -> None:
    full = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))  # noqa: E731
    waiting = launch(config, "--port", "0", preexec_fn=full)
    assert waiting.stdout is not None
    assert waiting.stderr is not None
    assert re.match(r"streamgauge: waits to begin: \S+\.db: .* \((full|failing)\)", waiting.stderr.readline())
    resource.prlimit(waiting.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert waiting.stdout.readline().startswith("streamgauge: http://")
    waiting.send_signal(signal.SIGTERM)
    assert (waiting.wait(30), waiting.stderr.read()) == (0, "")
    waiting.stdout.close()
    waiting.stderr.close()
    ended = launch(config, "--port", "0", preexec_fn=full)
    assert ended.stderr is not None
    assert "waits to begin" in ended.stderr.readline()
    ended.send_signal(signal.SIGTERM)
    assert (ended.wait(30), ended.communicate()) == (0, ("", ""))


def names_at(address: str) -> list[str]:
    with urllib.request.urlopen(f"{address}api/jobs", timeout=20) as answer:
        return [job["job"] for job in json.load(answer)]


def test_run_names_a_port_that_is_taken_and_an_address_without_a_token(config: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = launch(config, "--port", str(port))
        _, error = process.communicate(timeout=20)
    assert process.returncode == 2
    assert len(error.splitlines()) == 1
    assert f"cannot listen on 127.0.0.1:{port}" in error
    process = launch(config, "--host", "0.0.0.0")
    _, error = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "can be reached from other machines without a token; set token_file" in error


@pytest.mark.parametrize(("token", "held"), [("short-token", "11 characters, 9"), ("0101" * 8, "32 characters, 2")])
def test_a_token_that_somebody_would_guess_is_refused(tmp_path: Path, config: Path, token: str, held: str) -> None:
    (tmp_path / "token").write_text(f"{token}\n")
    in_file = msgspec.structs.replace(load(config), token_file=str(tmp_path / "token"))
    told = f"token_file: .* holds {held} of them different; write at least 16, and 8"
    for settings, environment in ((in_file, {}), (load(config), {TOKEN: token})):
        with pytest.raises(ConfigError, match=told):
            guard_of(settings, environment)
    assert guard_of(load(config), {TOKEN: "0123456789abcdef"}).token == "0123456789abcdef"


def test_run_names_a_secret_that_cannot_be_read(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(config.read_text() + '[[webhooks]]\nurl = "http://x/"\nsecret_file = "/nowhere/secret"\n')
    assert main(["run", "--config", str(config)]) == 2
    words = "webhooks[0].secret_file: cannot read /nowhere/secret: No such file or directory; name a readable file"
    assert words in capsys.readouterr().err


def test_version_and_a_demo_without_its_extras(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out.strip().count(".") == 2
    monkeypatch.setitem(sys.modules, "streamgauge.examples.flights.demo", None)
    assert main(["demo"]) == 2
    assert "the demo needs streamgauge.examples.flights.demo: run `make demo`" in capsys.readouterr().err

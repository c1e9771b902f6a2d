"""`streamgauge topics`: what is wanted, what differs, and the real broker before and after."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from streamgauge.pipelines.cli import main
from streamgauge.pipelines.config.schema import DAY, Kafka
from streamgauge.pipelines.wire.topics import SINGLE, SPREAD, Topic, differences, wanted
from streamgauge.tracer.transport import COMPACTED
from tests.servers.kafka import KafkaServers

Run = Callable[..., tuple[int, str, str]]
CONFIGURED = Kafka(bootstrap="a:9092", partitions=6, replication=3)


def as_wanted(kafka: Kafka = CONFIGURED) -> dict[str, Topic]:
    return {topic.name: topic for topic in wanted(kafka, 7 * DAY, {})}


def test_every_topic_that_the_parts_use_is_wanted_once() -> None:
    names = [topic.name for topic in wanted(CONFIGURED, DAY, {})]
    assert sorted(names) == sorted({*SPREAD, *SINGLE})
    assert set(names) >= COMPACTED | {"traces", "tensors", "partials", "scores", "anomalies", "alerts", "dead-letters"}


def test_only_what_keeps_the_last_of_each_key_is_compacted() -> None:
    made = as_wanted()
    assert {name for name, topic in made.items() if topic.settings["cleanup.policy"] == "compact"} == COMPACTED
    assert {topic.settings.get("retention.ms") for topic in made.values()} == {None, str(7 * 86_400_000)}


def test_the_pagers_topic_is_one_log_whatever_is_configured() -> None:
    assert as_wanted(msgspec.structs.replace(CONFIGURED, partitions=500))["anomalies"].partitions == 1


def test_three_copies_are_written_twice_before_an_acknowledgement() -> None:
    assert as_wanted()["traces"].settings["min.insync.replicas"] == "2"
    one = as_wanted(msgspec.structs.replace(CONFIGURED, replication=1))
    assert one["traces"].settings["min.insync.replicas"] == "1"


def test_nothing_differs_from_what_was_made() -> None:
    made = as_wanted()
    assert differences(list(made.values()), made) == []


def test_state_gets_the_partitions_that_traces_really_has() -> None:
    found = {"traces": Topic("traces", 4, 3)}
    assert {topic.name: topic.partitions for topic in wanted(CONFIGURED, DAY, found)}["state"] == 4


@pytest.mark.parametrize(
    ("name", "partitions", "text"),
    [
        ("traces", 4, "has 4 partitions, 6 are wanted: they are not changed, as jobs would go on in another partition"),
        ("state", 4, "has 4 partitions, 6 are wanted: it must have as many as traces"),
        ("anomalies", 2, "has 2 partitions, 1 are wanted: the pager needs one order"),
    ],
)
def test_partitions_that_answers_depend_on_are_told_with_the_way_out(name: str, partitions: int, text: str) -> None:
    made = as_wanted()
    real = made | {name: Topic(name, partitions, 3, made[name].settings)}
    (told,) = differences(list(made.values()), real)
    assert told.topic == name and told.text.startswith(text)
    assert not told.is_missing and not told.settings  # neither --create nor --alter touches it


@pytest.fixture
def run(kafka: KafkaServers, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    prefix = f"{uuid.uuid4().hex[:8]}."

    def call(*flags: str, partitions: int = 3, more: str = "") -> tuple[int, str, str]:
        file = tmp_path / "streamgauge.toml"
        file.write_text(f'[kafka]\nbootstrap = "{kafka.bootstrap}"\nprefix = "{prefix}"\n'
                        f"partitions = {partitions}\n{more}")  # fmt: skip
        code = main(["topics", "--config", str(file), *flags])
        said = capsys.readouterr()
        return code, said.out.replace(prefix, ""), said.err

    return call


@pytest.mark.real
def test_missing_topics_are_shown_then_made_then_sound(run: Run) -> None:
    code, out, _ = run()
    assert code == 0 and out.count("missing; make it with --create") == len(SPREAD) + len(SINGLE)
    assert run("--check")[0] == 1
    code, out, _ = run("--create")
    assert code == 0 and "made alerts, anomalies, catalogue, control" in out
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line and not line.startswith("made")}
    assert rows["traces"][1:6] == ["3", "1", "delete", "7", "d"]
    assert rows["anomalies"][1:4] == ["1", "1", "delete"]
    assert rows["control"][1:4] == ["1", "1", "compact"] and rows["state"][1:4] == ["3", "1", "compact"]
    assert run("--check")[0] == 0
    assert run("--create")[0] == 0


@pytest.mark.real
def test_traces_never_gets_partitions_and_the_refusal_says_what_to_do(run: Run) -> None:
    run("--create")
    code, out, _ = run("--create", partitions=5)
    assert code == 1
    assert "traces: has 3 partitions, 5 are wanted: they are not changed" in out
    assert "Write partitions = 3; or stop all jobs and the pipeline, give a new prefix" in out
    assert run("--check")[0] == 0  # still three


@pytest.mark.real
def test_settings_are_altered_only_when_asked(run: Run) -> None:
    run("--create")
    shorter = '[retention]\nlog = "2d"\n'
    code, out, _ = run("--create", more=shorter)
    assert code == 1 and "traces: retention.ms is 604800000, wanted is 172800000; --alter sets it" in out
    code, out, _ = run("--alter", more=shorter)
    assert code == 0 and "traces: set retention.ms=172800000" in out
    assert run("--check", more=shorter)[0] == 0


@pytest.mark.real
def test_more_copies_than_brokers_are_refused_in_a_line(run: Run) -> None:
    code, _, err = run("--create", more="replication = 3\n")
    assert code == 2 and "replicat" in err and "Traceback" not in err


@pytest.mark.real
def test_a_dead_broker_is_told_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                         monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr("streamgauge.pipelines.adapters.kafka.topics.PATIENCE", 1.0)
    file = tmp_path / "streamgauge.toml"
    file.write_text('[kafka]\nbootstrap = "127.0.0.1:1"\n')
    assert main(["topics", "--config", str(file)]) == 2
    assert "streamgauge: Kafka at 127.0.0.1:1: " in capsys.readouterr().err


def test_without_a_kafka_section_the_command_says_what_to_write(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "streamgauge.toml"
    file.write_text("")
    assert main(["topics", "--config", str(file)]) == 2
    assert 'has no [kafka] section; add one with bootstrap = "HOST:9092"' in capsys.readouterr().err

"""The parts of the Flink engine that need no Flink, and the manifest for Kubernetes against its operator's schema."""

from __future__ import annotations

import itertools
import os
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.pipelines.config import loading
from streamgauge.pipelines.config.schema import JobConfig
from streamgauge.pipelines.engines.flink import connector
from streamgauge.pipelines.engines.flink import state as flink_state
from streamgauge.pipelines.engines.flink.connector import NAME, VERSION, ConnectorError
from streamgauge.pipelines.engines.flink.kafka import java_properties
from streamgauge.pipelines.engines.flink.rest import FlinkError, JobManager, cause_of, uri
from streamgauge.pipelines.engines.flink.state import LEAST_JOURNAL, Kept
from streamgauge.pipelines.engines.flink.ticks import Ticker
from streamgauge.pipelines.engines.ticking import CATCH_UP
from streamgauge.pipelines.wire.frames import StateDamagedError
from streamgauge.pipelines.wire.states import StateVersionError
from streamgauge.tracer.kafka.settings import KafkaSettings, SettingsError
from streamgauge.tracer.transport import Message
from tests.pipelines.engines.tally import Tally, batch, tick
from tests.pipelines.stream.logs import config_of, operator, script
from tests.places import ROOT

MANIFEST = ROOT / "docs" / "flink-kubernetes.yaml"


class Cells:
    """Flink's value, map and list state of one key, in memory."""

    def __init__(self, held: bytes | None = None) -> None:
        self.held, self.rows, self.entries = held, dict[str, bytes](), list[bytes]()

    def value(self) -> bytes | None:
        return self.held

    def update(self, value: bytes) -> None:
        self.held = value

    def get(self) -> Iterable[bytes] | None:
        return self.entries or None

    def add(self, value: bytes) -> None:
        self.entries.append(value)

    def clear(self) -> None:
        self.entries.clear()


class RowCells:
    """The map state."""

    def __init__(self, cells: Cells) -> None:
        self.held = cells.rows
        self.put, self.remove = self.held.__setitem__, self.held.pop

    def items(self) -> Iterable[tuple[str, bytes]]:
        return self.held.items()

    def clear(self) -> None:
        self.held.clear()


def kept_in(cells: Cells, make: Callable[[], Any] = lambda: Tally(JobConfig(name="a"))) -> Kept:
    return Kept(make, cells, RowCells(cells), cells)


def feed(kept: Kept, value: bytes) -> list[Any]:
    return kept.feed(Message("traces", "a", value, 0))


RECORDS = st.one_of(
    st.builds(lambda n: batch("a", sequence=n), st.integers(1, 9)),
    st.builds(lambda t: tick("a", float(t)), st.integers(1, 50)),
    st.just(batch("a", "poison")),
)


@given(st.lists(RECORDS, max_size=40), st.sets(st.integers(0, 39)))
def test_a_restart_after_any_record_says_what_was_not_said_and_nothing_else(records: list[bytes], at: set[int]) -> None:
    steady, cell = kept_in(Cells()), Cells()
    restarted = kept_in(cell)
    for i, record in enumerate(records):
        if i in at:
            restarted = kept_in(cell)
        assert feed(restarted, record) == feed(steady, record)


def test_a_record_on_which_an_operator_fails_leaves_no_trace() -> None:
    kept = kept_in(Cells())
    feed(kept, batch("a"))
    (letter,) = feed(kept, batch("a", "poison"))
    assert (letter.topic, letter.key) == ("dead-letters", "a")
    assert kept.live.count == 1  # type: ignore[attr-defined]


def test_rows_take_the_place_of_a_journal_that_is_long() -> None:
    cell = Cells()
    kept, record = kept_in(cell), batch("a")
    enough = LEAST_JOURNAL // len(record)
    longest = 0
    for _ in range(3 * enough):
        feed(kept, record)
        longest = max(longest, len(cell.entries))
    assert list(cell.rows) == ["state"]
    assert len(cell.entries) < enough // 2 <= longest < enough
    assert kept_in(cell).live.snapshot() == kept.live.snapshot()


def grown(least: int) -> tuple[Cells, list[dict[str, bytes]], bytes]:
    """A real operator's states behind each record of a log, where the journal is never longer than `least` bytes."""
    random = Random(11)
    plan = script(random, config_of(random), panes=20)
    cells, seen = Cells(), list[dict[str, bytes]]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flink_state, "LEAST_JOURNAL", least)
        kept = kept_in(cells, lambda: operator(plan.config))
        for record in plan.log(random):
            feed(kept, record)
            seen.append(dict(cells.rows))
    return cells, seen, kept.live.snapshot()


def test_rows_of_a_real_operator_change_apart_and_come_back() -> None:
    cells, seen, snapshot = grown(3_000)
    random = Random(11)
    config = script(random, config_of(random), panes=20).config
    assert kept_in(cells, lambda: operator(config)).live.snapshot() == snapshot
    saves = [after for before, after in itertools.pairwise(seen) if before != after]
    assert len(saves) > 3
    same = [name for name in saves[-2] if saves[-1].get(name) is saves[-2][name]]
    assert len(same) > 10  # these were not written again


@pytest.mark.parametrize("fault", ["lost", "old"])
def test_rows_that_are_not_of_their_manifest_are_refused(fault: str) -> None:
    cells, seen, _ = grown(3_000)
    random = Random(11)
    config = script(random, config_of(random), panes=20).config
    older = ((name, row) for rows in reversed(seen) for name, row in rows.items())
    name, row = next((name, row) for name, row in older if cells.rows.get(name, row) != row)
    if fault == "lost":
        del cells.rows[name]
    else:
        cells.rows[name] = row
    with pytest.raises(StateDamagedError, match=r"not the .* of its manifest"):
        kept_in(cells, lambda: operator(config))


def test_a_whole_state_of_a_release_before_rows_is_read_with_its_journal_and_goes_on_in_rows() -> None:
    before = Tally(JobConfig(name="a"))
    before.on_records([batch("a")] * 3)
    cells = Cells(before.snapshot())
    cells.add(batch("a"))
    kept = kept_in(cells)
    assert kept.live.count == 4  # type: ignore[attr-defined]
    while not cells.rows:
        feed(kept, batch("a"))
    assert kept_in(cells).live.snapshot() == kept.live.snapshot()


def test_a_release_before_rows_refuses_them_in_words() -> None:
    cells, _, _ = grown(3_000)
    random = Random(11)
    old = operator(script(random, config_of(random), panes=20).config)
    assert cells.held is not None
    with pytest.raises(StateVersionError, match=r"operator has version 100, this release reads .*; start the release"):
        old.restore(cells.held)


def test_time_stands_still_while_a_tick_does_not_come_back_and_then_waits_for_the_workers() -> None:
    ticker = Ticker(JobConfig(name="a", tick=1.0), 0)
    assert ticker.due(100.2, -float("inf")) == 100.0
    assert [ticker.due(now, 99.0) for now in (101.0, 140.0, 160.0)] == [None] * 3
    assert ticker.due(161.0, 100.0) is None  # it came back, late
    assert ticker.due(161.0 + CATCH_UP - 0.1, 100.0) is None
    assert ticker.due(161.0 + CATCH_UP, 100.0) == 161.0 + CATCH_UP


def test_a_tick_that_waits_for_a_second_one_has_come_back() -> None:
    ticker = Ticker(JobConfig(name="a", tick=1.0), 0)
    assert ticker.due(900_000.2, 100.0) == 900_000.0
    assert ticker.due(900_001.2, 100.0) is None
    assert ticker.due(900_002.2, 100.0, doubted=900_000.0) == 900_002.0


def test_a_tick_that_comes_back_in_time_is_followed_by_the_next() -> None:
    ticker = Ticker(JobConfig(name="a", tick=0.1), 0)
    clock, said = -float("inf"), []
    for i in range(50):
        due = ticker.due(100.0 + i * 0.1 + 0.05, clock)
        said.append(due)
        clock = clock if due is None else due
    assert None not in said
    assert said == sorted(set(said))


def jar(folder: Path, version: str, title: str = "Flink : Connectors : SQL : Kafka") -> Path:
    path = folder / "connector.jar"
    with zipfile.ZipFile(path, "w") as archive:
        manifest = f"Implementation-Title: {title}\r\nImplementation-Version: {version}\r\n"
        archive.writestr("META-INF/MANIFEST.MF", manifest)
    return path


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda folder: jar(folder, "4.0.1-2.0"), f"is 4.0.1-2.0, needed is {VERSION}"),
        (lambda folder: jar(folder, VERSION, "Flink : JSON"), "is no Kafka connector for Flink SQL"),
        (lambda folder: folder / "nowhere.jar", "is not at"),
        (lambda folder: Path(__file__), "is no Kafka connector for Flink SQL"),
    ],
)
def test_a_connector_that_is_missing_or_another_version_is_told_with_the_right_one(
    tmp_path: Path, make: Callable[[Path], Path], told: str
) -> None:
    with pytest.raises(ConnectorError, match=told) as error:
        connector.find(str(make(tmp_path)))
    assert NAME in str(error.value)
    assert "streamgauge flink fetch" in str(error.value)


def test_the_connector_is_looked_for_where_it_is_named_then_in_the_environment_then_in_the_cache(
    tmp_path: Path,
) -> None:
    right = jar(tmp_path, VERSION)
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert connector.find(str(right), {connector.VARIABLE: "nowhere.jar"}) == right
    assert connector.find("", {connector.VARIABLE: str(right), **cache}) == right
    with pytest.raises(ConnectorError, match="cache"):
        connector.find("", cache)
    connector.cached(cache).parent.mkdir(parents=True)
    os.link(right, connector.cached(cache))
    assert connector.find("", cache) == connector.cached(cache)


@pytest.mark.real
def test_the_connector_of_maven_is_the_right_one(flink_connector_jar: Path) -> None:
    assert connector.find(str(flink_connector_jar)) == flink_connector_jar
    assert flink_connector_jar.name == NAME


def test_security_settings_are_said_in_the_words_of_the_java_client(tmp_path: Path) -> None:
    for name in ("ca", "cert", "key"):
        (tmp_path / name).write_text(f"-----BEGIN {name}-----\n")
    (tmp_path / "password").write_text('a "quoted" one\n')
    settings = {
        "security.protocol": "sasl_ssl", "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "gauge",
        "ssl.ca.location": str(tmp_path / "ca"), "ssl.certificate.location": str(tmp_path / "cert"),
        "ssl.key.location": str(tmp_path / "key"), "ssl.endpoint.identification.algorithm": "none",
        "queue.buffering.max.messages": "5", "message.max.bytes": "2000000",
    }  # fmt: skip
    given = KafkaSettings(bootstrap="b:1", settings=settings, password_file=str(tmp_path / "password"))
    module = "org.apache.flink.kafka.shaded.org.apache.kafka.common.security.scram.ScramLoginModule"
    assert java_properties(given) == {
        "bootstrap.servers": "b:1", "client.id": "streamgauge", "security.protocol": "SASL_SSL",
        "ssl.endpoint.identification.algorithm": "", "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.jaas.config": f'{module} required username="gauge" password="a \\"quoted\\" one";',
        "ssl.truststore.type": "PEM", "ssl.truststore.certificates": "-----BEGIN ca-----\n",
        "ssl.keystore.type": "PEM", "ssl.keystore.certificate.chain": "-----BEGIN cert-----\n",
        "ssl.keystore.key": "-----BEGIN key-----\n", "max.request.size": "2000000",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"security.protocol": "SSL", "enable.ssl.certificate.verification": "false"}, "enable.ssl.certificate"),
        ({"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER"}, "sasl.mechanism"),
        ({"security.protocol": "SSL", "ssl.ca.location": "/nowhere/ca.pem"}, "/nowhere/ca.pem"),
    ],
)
def test_what_the_java_client_cannot_follow_is_refused_by_name(settings: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        java_properties(KafkaSettings(bootstrap="b:1", settings=settings))


@pytest.mark.parametrize("address", ["", "host", "host:", "host:port", ":8081", "host:70000"])
def test_a_bad_address_of_a_jobmanager_is_told(address: str) -> None:
    with pytest.raises(FlinkError, match="HOST:PORT"):
        JobManager(address)


def test_a_jobmanager_that_is_not_there_is_told() -> None:
    with pytest.raises(FlinkError, match=r"no JobManager answers at 127\.0\.0\.1:1"):
        JobManager("127.0.0.1:1").version()


def test_of_a_failure_in_a_python_worker_its_exception_is_told() -> None:
    trace = (
        "java.lang.RuntimeException: bundle\n\tat a.b\nCaused by: java.lang.RuntimeException: Error received from SDK"
        ' harness: Traceback (most recent call last):\n  File "x.py", line 1, in f\n    f()\n    ^^^\n'
        "ValueError: state version 9 of job 'a', known is 1\n\n\tat c.d\n\t... 1 more\n"
    )
    assert cause_of(trace) == "ValueError: state version 9 of job 'a', known is 1"
    assert cause_of("") == ""


def test_paths_become_uris_and_uris_stay() -> None:
    assert [uri(path) for path in ("/a/b", "s3://bucket/a", "file:/a")] == ["file:///a/b", "s3://bucket/a", "file:/a"]


def test_the_manifest_configures_a_pipeline_on_flink() -> None:
    config_map, deployment = yaml.safe_load_all(MANIFEST.read_text())
    config = loading.parse(config_map["data"]["streamgauge.toml"])
    assert config.engine == "flink"
    assert config.kafka is not None
    job = deployment["spec"]["job"]
    assert job["upgradeMode"] != "stateless"
    assert "streamgauge.pipelines.engines.flink.main" in job["args"]
    claims = {volume["name"] for volume in deployment["spec"]["podTemplate"]["spec"]["volumes"]}
    mounts = {mount["name"] for mount in deployment["spec"]["podTemplate"]["spec"]["containers"][0]["volumeMounts"]}
    assert claims == mounts


@pytest.mark.real
def test_the_manifest_follows_the_schema_of_the_kubernetes_operator(flink_operator_jar: Path) -> None:
    with zipfile.ZipFile(flink_operator_jar) as archive:
        definition = yaml.load(
            archive.read("META-INF/fabric8/flinkdeployments.flink.apache.org-v1.yml"), Loader=yaml.CSafeLoader
        )
    (version,) = definition["spec"]["versions"]
    _, deployment = yaml.safe_load_all(MANIFEST.read_text())
    assert deployment["apiVersion"] == f"{definition['spec']['group']}/{version['name']}"
    assert deployment["kind"] == definition["spec"]["names"]["kind"]
    schema = version["schema"]["openAPIV3Schema"]
    found = list(faults(deployment["spec"], schema["properties"]["spec"], "spec"))
    known = schema["properties"]["spec"]["properties"]["flinkVersion"]["enum"]
    # The newest schema that Maven has is older than Flink 2; of the version only the form is checked.
    assert found == [f"spec.flinkVersion: 'v2_2' is none of {known}"]
    assert list(faults({"job": {"args": 3, "slots": 2}}, schema["properties"]["spec"], "spec")) == [
        "spec.job.args: int is no array", "spec.job.slots: unknown",
    ]  # fmt: skip


TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "integer": (int,), "number": (int, float),
    "boolean": (bool,),
}  # fmt: skip


def faults(value: Any, schema: dict[str, Any], path: str) -> Iterable[str]:
    """What of a value a schema of Kubernetes does not allow."""
    wanted = schema.get("type")
    if wanted and not isinstance(value, TYPES[wanted]):
        yield f"{path}: {type(value).__name__} is no {wanted}"
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is none of {schema['enum']}"
    elif isinstance(value, dict) and "properties" in schema:
        for name, inner in value.items():
            if name in schema["properties"]:
                yield from faults(inner, schema["properties"][name], f"{path}.{name}")
            elif not schema.get("x-kubernetes-preserve-unknown-fields"):
                yield f"{path}.{name}: unknown"
    elif isinstance(value, dict) and isinstance(schema.get("additionalProperties"), dict):
        for name, inner in value.items():
            yield from faults(inner, schema["additionalProperties"], f"{path}.{name}")
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from faults(inner, schema.get("items", {}), f"{path}[{i}]")

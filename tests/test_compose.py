"""What docker-compose.yml promises: nothing open, no secret in it, everything it names is there, the lock's versions.

No container engine runs here: the file is checked by the real Compose binary and the specification's schema, and what
it says is held against our own command line, configuration, Dockerfiles and lock. The images were never built.
"""

from __future__ import annotations

import ast
import base64
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from streamgauge.examples.clicks import __main__ as clicks
from streamgauge.pipelines.config.loading import load
from streamgauge.pipelines.config.schema import Config
from streamgauge.pipelines.grammar import parser
from streamgauge.pipelines.service.assembly import MIN_TOKEN
from tests.places import ROOT
from tests.servers.tools import run_tool

FILE = ROOT / "docker-compose.yml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONCE = {name for name, service in SERVICES.items() if service["restart"] == "no"}
OURS = {name for name, service in SERVICES.items() if service["image"].startswith("streamgauge/")}
CONFIG = "/etc/streamgauge/streamgauge.toml"


def config() -> Config:
    return load(ROOT / "docker" / "streamgauge.toml")


def mounts(service: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for volume in service.get("volumes", ()):
        source, _, target = volume.removesuffix(":ro").partition(":")
        yield source, target


def text_of(service: dict[str, Any]) -> str:
    return yaml.safe_dump({key: value for key, value in service.items() if key not in ("secrets", "build")})


@pytest.mark.real
def test_the_real_compose_binary_takes_the_file() -> None:
    done = run_tool("docker-compose", "--profile", "*", "config", "--quiet", folder=ROOT)
    assert done.returncode == 0, done.stderr
    shown = run_tool("docker-compose", "--profile", "*", "config", "--services", folder=ROOT)
    assert set(shown.stdout.split()) == set(SERVICES)


@pytest.mark.real
@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("topics: {condition: service_completed_successfully}", "topics: {condition: service_done}"),
        ("      influxdb: {condition: service_healthy}", "      influx: {condition: service_healthy}"),
        ("    read_only: true", "    readonly: true"),
        ("secrets: [influx_password, influx_token]", "secrets: [influx_password, influx_tokens]"),
        ('["kafka:/var/lib/kafka/data"]', '["kafkas:/var/lib/kafka/data"]'),
    ],
)
def test_the_real_compose_binary_refuses_a_broken_one(tmp_path: Path, good: str, bad: str) -> None:
    text = FILE.read_text()
    assert good in text
    (tmp_path / "docker-compose.yml").write_text(text.replace(good, bad, 1))
    assert run_tool("docker-compose", "--profile", "*", "config", "--quiet", folder=tmp_path).returncode != 0


@pytest.mark.real
def test_the_file_fits_the_schema_of_the_specification(tmp_path: Path) -> None:
    schema = ("--builtin-schema", "vendor.compose-spec")
    assert run_tool("check-jsonschema", *schema, str(FILE), folder=ROOT).returncode == 0
    broken = tmp_path / "docker-compose.yml"
    broken.write_text(FILE.read_text().replace("    read_only: true", "    readonly: true", 1))
    assert run_tool("check-jsonschema", *schema, str(broken), folder=ROOT).returncode != 0


@pytest.mark.parametrize("name", SERVICES)
def test_every_port_is_published_on_loopback_only(name: str) -> None:
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in SERVICES[name].get("ports", ()))
    assert "network_mode" not in SERVICES[name]
    assert not SERVICES[name].get("privileged")


def test_no_two_services_want_the_same_port() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert len(ports) == len(set(ports)) == 5


@pytest.mark.parametrize("name", sorted(set(SERVICES) - ONCE))
def test_every_service_that_stays_says_whether_it_is_healthy(name: str) -> None:
    check = SERVICES[name]["healthcheck"]
    assert {"test", "interval", "timeout", "retries", "start_period"} <= set(check)
    assert check["test"][0] == "CMD"
    if "-c" in check["test"]:
        ast.parse(check["test"][-1])


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_waits_for_can_be_waited_for(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        expected = "service_completed_successfully" if other in ONCE else "service_healthy"
        assert how == {"condition": expected}, other


def test_the_start_goes_from_the_log_to_the_topics_to_what_uses_them() -> None:
    def before(name: str) -> set[str]:
        direct = set(SERVICES[name].get("depends_on", {}))
        return direct | {far for near in direct for far in before(near)}

    assert before("pipeline") == {"kafka", "topics", "influxdb"}
    assert before("flink-submit") == {"kafka", "topics", "flink-jobmanager", "flink-taskmanager"}
    assert before("grafana") == {"influxdb"}
    assert {"kafka", "pipeline"} <= before("clicks-w0")


def test_the_demo_alone_is_behind_a_profile() -> None:
    profiles = {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service}
    assert profiles == {f"clicks-w{number}": ["demo"] for number in range(3)}


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_is_a_value_of_the_environment(name: str) -> None:
    for variable, value in SERVICES[name].get("environment", {}).items():
        if re.search("PASSWORD|TOKEN|SECRET|KEY", variable):
            assert variable.endswith("_FILE")
            assert value.startswith("/run/secrets/")


def test_secrets_are_files_that_the_script_makes_and_git_ignores(tmp_path: Path) -> None:
    paths = {secret["file"] for secret in COMPOSE["secrets"].values()}
    assert paths == {f"./docker/secrets/{name}" for name in COMPOSE["secrets"]}
    script = [str(ROOT / "docker" / "make-secrets"), str(tmp_path / "secrets")]
    subprocess.run(script, check=True, capture_output=True)
    made = {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()}
    assert set(made) == set(COMPOSE["secrets"])
    assert len(set(made.values())) == len(made)
    assert all(len(secret) >= max(MIN_TOKEN, 32) and secret.isalnum() for secret in made.values())
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0
    subprocess.run(script, check=True, capture_output=True)
    assert {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()} == made
    assert "docker/secrets/" in (ROOT / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_given_the_secrets_that_it_reads_and_no_others(name: str) -> None:
    service = SERVICES[name]
    texts = [text_of(service)]
    for source, _ in mounts(service):
        path = ROOT / source
        files = path.rglob("*.y*ml") if source.startswith("./") and path.is_dir() else []
        texts += [file.read_text() for file in files]
    if name == "pipeline":  # the others read the same file, and of it the brokers only
        texts.append((ROOT / "docker" / "streamgauge.toml").read_text())
    read = set(re.findall(r"/run/secrets/([a-z_]+)", " ".join(texts)))
    assert read == set(service.get("secrets", ()))


@pytest.mark.parametrize("name", SERVICES)
def test_every_folder_and_file_of_the_host_is_there_and_read_only(name: str) -> None:
    for volume in SERVICES[name].get("volumes", ()):
        source = volume.partition(":")[0]
        if source.startswith("."):
            assert (ROOT / source).exists()
            assert volume.endswith(":ro")
        else:
            assert source in COMPOSE["volumes"]


def test_every_named_volume_is_used() -> None:
    used = {source for service in SERVICES.values() for source, _ in mounts(service)}
    assert set(COMPOSE["volumes"]) <= used


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_gains_rights_and_all_but_what_must_write_are_read_only(name: str) -> None:
    service = SERVICES[name]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["cap_drop"] == ["ALL"]
    writes = {"kafka", "flink-jobmanager", "flink-taskmanager", "flink-submit"}  # their starts write configuration
    assert service.get("read_only", False) == (name not in writes)
    assert "mem_limit" in service or name == "topics"


def test_the_clusters_identity_is_sixteen_bytes() -> None:
    assert len(base64.urlsafe_b64decode(SERVICES["kafka"]["environment"]["CLUSTER_ID"] + "==")) == 16


def test_the_configuration_is_sound_and_names_what_the_file_starts() -> None:
    found = config()
    assert found.kafka is not None
    assert found.influx is not None
    listeners = dict(
        item.split("://") for item in SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")
    )
    assert found.kafka.bootstrap == listeners["INTERNAL"]
    assert listeners["HOST"].partition(":")[2] == SERVICES["kafka"]["ports"][0].split(":")[1]
    setup = SERVICES["influxdb"]["environment"]
    assert (found.influx.bucket, found.influx.org) == (
        setup["DOCKER_INFLUXDB_INIT_BUCKET"], setup["DOCKER_INFLUXDB_INIT_ORG"],
    )  # fmt: skip
    grafana = SERVICES["grafana"]["environment"]
    assert (grafana["STREAMGAUGE_INFLUX_URL"], grafana["STREAMGAUGE_INFLUX_BUCKET"]) == (
        found.influx.url, found.influx.bucket,
    )  # fmt: skip
    assert found.influx.url == "http://influxdb:8086"
    assert f"127.0.0.1:{found.port}:{found.port}" in SERVICES["pipeline"]["ports"]
    assert (found.engine, found.data) == ("flink", dict(mounts(SERVICES["pipeline"]))["pipeline"])
    slots = int(re.findall(r"numberOfTaskSlots: (\d+)", COMPOSE["x-flink-properties"])[0])
    assert found.flink.parallelism <= slots
    assert {job.name: job.workers for job in found.jobs} == {"clicks": 3}


@pytest.mark.parametrize("name", ["topics", "pipeline", "flink-submit"])
def test_what_is_started_is_in_our_grammar_and_reads_the_file_that_is_mounted(name: str) -> None:
    command = [word for word in SERVICES[name]["command"] if word != "streamgauge"]
    args = parser().parse_args(command)
    assert str(args.config) == CONFIG
    assert dict(mounts(SERVICES[name]))["./docker/streamgauge.toml"] == CONFIG


def test_the_workers_of_the_demo_have_names_of_their_own_and_one_breaks_now_and_then() -> None:
    args = [clicks._parser().parse_args(SERVICES[f"clicks-w{number}"]["command"]) for number in range(3)]
    assert [one.worker for one in args] == ["w0", "w1", "w2"]
    assert [one.fault for one in args] == [None, None, (1800.0, 300.0)]
    assert {one.kafka for one in args} == {config().kafka.bootstrap}  # type: ignore[union-attr]
    assert all(f"'{one.alive}'" in SERVICES["clicks-w0"]["healthcheck"]["test"][-1] for one in args)


def test_memory_of_the_jvms_fits_their_containers() -> None:
    sizes = dict(re.findall(r"(\w+)\.memory\.process\.size: (\d+)m", COMPOSE["x-flink-properties"]))
    limits = {name: service.get("mem_limit", "") for name, service in SERVICES.items()}
    assert int(sizes["jobmanager"]) < megabytes(limits["flink-jobmanager"])
    assert int(sizes["taskmanager"]) < megabytes(limits["flink-taskmanager"])
    heap = int(re.findall(r"-Xmx(\d+)m", SERVICES["kafka"]["environment"]["KAFKA_HEAP_OPTS"])[0])
    assert 2 * heap < megabytes(limits["kafka"])


def megabytes(text: str) -> int:
    return int(text[:-1]) * {"m": 1, "g": 1024}[text[-1]]


def test_versions_are_those_of_the_lock_and_of_the_tests() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert SERVICES["pipeline"]["image"] == f"streamgauge/pipeline:{project['version']}"
    assert SERVICES["clicks-w0"]["image"] == f"streamgauge/demo:{project['version']}"
    lock = (ROOT / "requirements-full.lock").read_text()
    flink = re.findall(r"^apache-flink==(\S+)", lock, re.MULTILINE)[0]
    assert {SERVICES[name]["image"] for name in SERVICES if name.startswith("flink")} == {f"streamgauge/flink:{flink}"}
    broker = re.findall(r"<version>(4\.[\d.]+)</version>", (ROOT / "tests" / "servers" / "kafka-pom.xml").read_text())
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{broker[0]}"
    tags = [service["image"].partition(":")[2] for service in SERVICES.values()]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", tag) for tag in tags)
    assert {SERVICES[name]["build"]["dockerfile"] for name in OURS} == {
        "docker/pipeline.Dockerfile", "docker/flink.Dockerfile",
    }  # fmt: skip

"""What the Dockerfiles promise: small stages, nobody is root, all pinned by the lock, nothing copied that is not there.

They are parsed by hadolint; their installation commands ran outside a container (docs/deploy.md says what ran).
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from streamgauge.pipelines.engines.flink import connector
from tests.places import ROOT
from tests.servers.tools import run_tool

PIPELINE, FLINK = (ROOT / "docker" / f"{name}.Dockerfile" for name in ("pipeline", "flink"))
FILES = (PIPELINE, FLINK)
IDS = [file.name for file in FILES]
LOCK = (ROOT / "requirements-full.lock").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def instructions(file: Path) -> list[tuple[str, str]]:
    """(instruction, arguments), continued lines joined, comments left out."""
    lines = "\n".join(line for line in file.read_text().splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", "", lines)
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines()) if word]


def last_stage(file: Path) -> list[tuple[str, str]]:
    found = instructions(file)
    start = max(at for at, (word, _) in enumerate(found) if word == "FROM")
    if found[start][1] == "runtime":
        start = next(at for at, (word, rest) in enumerate(found) if word == "FROM" and rest.endswith("AS runtime"))
        end = next(at for at in range(start + 1, len(found)) if found[at][0] == "FROM")
        return found[start:end]
    return found[start:]


@pytest.mark.real
@pytest.mark.parametrize("file", FILES, ids=IDS)
def test_hadolint_finds_nothing(file: Path, tmp_path: Path) -> None:
    done = run_tool("hadolint", str(file), folder=ROOT)
    assert (done.returncode, done.stdout) == (0, "")
    broken = tmp_path / "Dockerfile"
    broken.write_text(file.read_text() + "\nRUN apt-get install curl\nCOPPY a b\n")
    assert run_tool("hadolint", str(broken), folder=ROOT).returncode != 0


@pytest.mark.parametrize("file", FILES, ids=IDS)
def test_what_runs_is_another_stage_than_what_built_and_holds_no_builder(file: Path) -> None:
    assert sum(word == "FROM" for word, _ in instructions(file)) >= 3
    runs = " ".join(rest for word, rest in last_stage(file) if word == "RUN")
    assert not re.search(r"\b(pip|uv|gcc|mvn|git|curl)\b", runs)
    assert ("COPY", "--from=build /opt/streamgauge /opt/streamgauge") in last_stage(file)


@pytest.mark.parametrize("file", FILES, ids=IDS)
def test_nobody_is_root_in_the_end(file: Path) -> None:
    users = [rest for word, rest in last_stage(file) if word == "USER"]
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", users[-1])


@pytest.mark.parametrize("file", FILES, ids=IDS)
def test_every_image_it_begins_with_has_a_whole_version(file: Path) -> None:
    arguments = dict(rest.split("=", 1) for word, rest in instructions(file) if word == "ARG")
    stages = {rest.split(" AS ")[1] for word, rest in instructions(file) if word == "FROM" and " AS " in rest}
    for base in (rest.split(" AS ")[0] for word, rest in instructions(file) if word == "FROM"):
        if base not in stages:
            assert re.search(r":\d+\.\d+\.\d+", arguments[base.strip("${}")])


def test_flink_and_its_connector_are_the_versions_that_the_engine_is_for() -> None:
    text = FLINK.read_text()
    version = re.findall(r"^apache-flink==(\S+)", LOCK, re.MULTILINE)[0]
    assert f"flink:{version}-scala_2.12-java17" in text
    assert f"ARG CONNECTOR={connector.ARTEFACT}" in text
    assert f"{connector.VARIABLE}=/opt/connector/{connector.NAME}" in text
    assert re.search(r"^ARG CONNECTOR_SHA256=[0-9a-f]{64}$", text, re.MULTILINE)


def test_python_is_one_that_the_project_is_for() -> None:
    minor = re.findall(r"PYTHON_IMAGE=python:(3\.\d+)\.\d+", PIPELINE.read_text())[0]
    assert f'requires-python = ">={minor},<3.13"' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize(
    ("file", "extras"), [(PIPELINE, {"kafka", "influx", "metrics", "bridge"}), (FLINK, {"kafka", "flink"})], ids=IDS
)
def test_dependencies_come_from_the_lock_with_their_hashes(file: Path, extras: set[str]) -> None:
    installs = [rest for word, rest in instructions(file) if word == "RUN" and "uv pip install" in rest]
    assert len(installs) == 2
    assert "--require-hashes --constraint requirements-full.lock --requirement pyproject.toml" in installs[0]
    assert set(re.findall(r"--extra (\w+)", installs[0])) == extras <= set(PROJECT["optional-dependencies"])
    assert installs[1] == "uv pip install --no-deps --build-constraint docker/build.lock ./tracer ."
    build = (ROOT / "docker" / "build.lock").read_text()
    assert {"hatchling", "setuptools", "wheel"} <= set(re.findall(r"^([a-z-]+)==", build, re.MULTILINE))
    assert build.count("--hash=sha256:") >= build.count("==")


def test_both_install_with_the_same_uv() -> None:
    assert len({version for file in FILES for version in re.findall(r"uv==(\S+)", file.read_text())}) == 1


@pytest.mark.parametrize("file", FILES, ids=IDS)
def test_whatever_is_copied_is_there_and_is_sent_to_the_builder(file: Path) -> None:
    sent = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for word, rest in instructions(file):
        if word == "COPY" and "--from" not in rest:
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert any(source == one or source.startswith(f"{one}/") for one in sent), source


def test_all_of_the_packages_are_in_the_images() -> None:
    for file in FILES:
        copied = {rest.split()[0] for word, rest in instructions(file) if word == "COPY"}
        assert {"streamgauge", "tracer", "anomaly", "pipelines", "dashboards", "examples"} <= copied


def test_no_file_of_ours_names_a_registry() -> None:
    for file in (*FILES, ROOT / "docker-compose.yml", ROOT / "docker" / "build.lock", ROOT / ".dockerignore"):
        assert not re.search(r"https?://(?!(localhost|influxdb|flink-jobmanager))\S+", file.read_text())

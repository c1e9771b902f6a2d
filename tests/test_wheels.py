"""Both wheels as a user gets them: in an environment of their own, beside a job whose files have our folders' names."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy
import pytest

from tests.places import ROOT

UV = shutil.which("uv", path=str(Path(sys.executable).parent))
JOB = """
from streamgauge import LocalLog, Tracer
tracer = Tracer("ctr", "w0", LocalLog("log.db"))
tracer.observe({"age": [31, 57]}, ids=["a", "b"], predictions=[0.1, 0.4])
tracer.step(loss=0.3, ids=["a"])
print(tracer.close())
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    if UV is None:
        pytest.skip("uv is not here: `make test` installs it")
    folder = tmp_path_factory.mktemp("dist")
    for project in (ROOT / "tracer", ROOT):
        subprocess.run([UV, "build", "--wheel", "--quiet", "--out-dir", folder, project], check=True)
    return sorted(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def environment(wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its `bin`. What the wheels need is read from this environment, which holds the versions of the lock."""
    folder = tmp_path_factory.mktemp("env")
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, "--clear", folder], check=True)
    command = [UV, "pip", "install", "--quiet", "--no-deps", "--python", folder / "bin" / "python", *wheels]
    subprocess.run(command, check=True)
    (site,) = folder.glob("lib/*/site-packages")
    (site / "dependencies.pth").write_text(f"{Path(numpy.__file__).parents[1]}\n")
    return folder / "bin"


@pytest.fixture
def job(tmp_path: Path) -> Path:
    for name in ("tracer.py", "anomaly.py", "pipelines/__init__.py", "dashboards/__init__.py", "examples/__init__.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("raise SystemExit('a file of the job was imported in place of ours')\n")
    (tmp_path / "train.py").write_text(JOB)
    return tmp_path


def names(wheel: Path) -> set[str]:
    return {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}


def test_the_wheels_share_no_file_and_hold_one_name(wheels: list[Path]) -> None:
    whole, tracer = (names(wheel) for wheel in wheels)
    assert {name.split("/")[0] for name in whole | tracer} == {"streamgauge"}
    assert not whole & tracer
    assert {name.split("/")[1] for name in tracer} == {"__init__.py", "tracer"}
    assert "streamgauge/examples/flights/streamgauge.toml" in whole
    assert "streamgauge/dashboards/web/index.html" in whole


def test_a_job_with_files_of_our_names_runs(environment: Path, job: Path) -> None:
    done = subprocess.run([environment / "python", "train.py"], cwd=job, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("True", "")


def test_the_command_runs_from_such_a_folder(environment: Path, job: Path) -> None:
    command = [environment / "streamgauge", "replay", "--help"]
    done = subprocess.run(command, cwd=job, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")

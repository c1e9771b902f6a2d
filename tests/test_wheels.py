"""Both wheels as a user gets them: in an environment of their own, beside a job whose files have our folders' names."""

from __future__ import annotations

import os
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


def test_the_tracers_wheel_has_the_compiled_core_for_every_later_python(wheels: list[Path], environment: Path) -> None:
    tracer = wheels[1]
    assert "-cp311-abi3-" in tracer.name
    assert "streamgauge/tracer/compiled/core.abi3.so" in names(tracer)
    ask = "from streamgauge.tracer.compiled import fast; print(fast().__file__)"
    done = subprocess.run([environment / "python", "-c", ask], capture_output=True, text=True, check=True, cwd="/")
    assert Path(done.stdout.strip()).is_relative_to(environment.parent)


def test_a_wheel_without_it_is_for_every_machine(tmp_path: Path) -> None:
    pure = os.environ | {"STREAMGAUGE_PURE": "1"}
    subprocess.run([UV, "build", "--wheel", "--quiet", "--out-dir", tmp_path, ROOT / "tracer"], check=True, env=pure)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl") and not any(name.endswith(".so") for name in names(wheel))


def test_a_job_with_files_of_our_names_runs(environment: Path, job: Path) -> None:
    done = subprocess.run([environment / "python", "train.py"], cwd=job, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("True", "")


def test_the_command_runs_from_such_a_folder(environment: Path, job: Path) -> None:
    command = [environment / "streamgauge", "replay", "--help"]
    done = subprocess.run(command, cwd=job, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")

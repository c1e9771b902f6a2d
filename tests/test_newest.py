"""The tracer beside the newest releases: what `make newest` runs, as one test, so that no core waits for it."""

from __future__ import annotations

import os
import subprocess
from typing import Final

import pytest

from tests.places import ROOT

PYTHON: Final = ROOT / ".venv-newest/bin/python"


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_tracer_passes_its_own_tests_beside_the_newest_releases() -> None:
    if not PYTHON.exists():
        pytest.skip("the newest releases are not here: `make newest` installs them")
    command = [PYTHON, "-m", "pytest", "-c", "tests/newest/pytest.ini", "--rootdir=."]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(command, cwd=ROOT, env=environment, text=True, capture_output=True)
    assert done.returncode == 0, f"{done.stdout[-20_000:]}\n{done.stderr[-5_000:]}"

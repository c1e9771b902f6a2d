"""Jars of the servers that the tests run: fetched once with Maven into a cache that all processes share.

The cache is `.servers/` in the project (git-ignored), or the folder that the variable STREAMGAUGE_SERVERS names.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
FETCH_S: Final = 600


class ServerMissing(Exception):
    """A server cannot run here; the message names what is missing."""


def cache() -> Path:
    """The folder that keeps what was fetched."""
    folder = Path(os.environ.get("STREAMGAUGE_SERVERS") or HERE.parent.parent / ".servers")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def fetch(pom: str) -> Path:
    """The folder with the jars of a pom beside this file.

    Raises ServerMissing without java or mvn, or when Maven fails.
    """
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            raise ServerMissing(f"{program} is not installed (Debian: apt-get install openjdk-17-jre-headless maven)")
    return once(HERE / pom, _copy)


def once(source: Path, make: Callable[[Path, Path], None]) -> Path:
    """The folder that `make(source, folder)` fills, made again when the source changes; a second process waits."""
    name = f"{source.stem}-{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}"
    folder = cache() / name
    partial = folder.with_suffix(".partial")
    with held():
        if not folder.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
            make(source, partial)
            partial.rename(folder)
    return folder


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Whoever fetches into the cache does so alone."""
    with (cache() / "fetching.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _copy(source: Path, folder: Path) -> None:
    done = subprocess.run(
        ["mvn", "-q", "-B", "-f", str(source), "dependency:copy-dependencies", "-DincludeScope=runtime",
         f"-DoutputDirectory={folder}"],
        capture_output=True, text=True, timeout=FETCH_S, check=False,
    )  # fmt: skip
    if done.returncode:
        raise ServerMissing(f"mvn could not fetch the jars of {source.name}: {(done.stdout + done.stderr)[-500:]}")

"""Debian's packages, unpacked into `.servers/` without being installed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.servers.jars import ServerMissing, cache, held


def unpacked(package: str) -> Path:
    """The folder with a package's files. Raises ServerMissing where there are no Debian packages."""
    folder = cache() / package
    with held():
        if not (folder / "usr").is_dir():
            _unpack(package, folder)
    return folder


def _unpack(package: str, folder: Path) -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise ServerMissing(f"there is no {package} (Debian: apt-get install {package})")
    with tempfile.TemporaryDirectory(dir=cache()) as scratch:
        for command in (["apt-get", "download", "-qq", package], ["dpkg", "-x", "package.deb", "root"]):
            done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
            if done.returncode:
                raise ServerMissing(f"{' '.join(command)} failed: {done.stderr[-300:]}")
            for found in Path(scratch).glob(f"{package}_*.deb"):
                found.rename(Path(scratch) / "package.deb")
        shutil.rmtree(folder, ignore_errors=True)
        (Path(scratch) / "root").rename(folder)

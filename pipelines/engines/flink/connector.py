"""Flink's Kafka connector, a jar that no Python package holds: where it is looked for, and how it is fetched once.

Looked for in this order: what the caller names (`--connector-jar`, `connector_jar` under `[flink]`), the variable
STREAMGAUGE_FLINK_CONNECTOR, the cache that `streamgauge flink fetch` fills with Maven.

ConnectorError   there is no jar, or not the right one; the message names the right one
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

VERSION: Final = "5.0.0-2.2"  # connector 5.0.0 for Flink 2.2, the one that `streamgauge[flink]` installs
NAME: Final = f"flink-sql-connector-kafka-{VERSION}.jar"
ARTEFACT: Final = f"org.apache.flink:flink-sql-connector-kafka:{VERSION}"
VARIABLE: Final = "STREAMGAUGE_FLINK_CONNECTOR"
_FETCH_S: Final = 600
_TITLE: Final = "Flink : Connectors : SQL : Kafka"
_REMEDY: Final = f"get {NAME} with `streamgauge flink fetch` (Maven), or name it with --connector-jar or {VARIABLE}"


class ConnectorError(Exception):
    """There is no connector, or not the right one."""


def find(named: str = "", environment: Mapping[str, str] = os.environ) -> Path:
    """The connector's jar, an absolute path.

    Raises:
        ConnectorError: it is nowhere, is no jar, or is one of another version.
    """
    path = Path(named or environment.get(VARIABLE) or cached(environment)).absolute()
    if not path.is_file():
        raise ConnectorError(f"Flink's Kafka connector is not at {path}; {_REMEDY}")
    found = version_of(path)
    if found != VERSION:
        raise ConnectorError(f"{path} is {found or 'no Kafka connector for Flink SQL'}, needed is {VERSION}; {_REMEDY}")
    return path


def fetch(environment: Mapping[str, str] = os.environ) -> Path:
    """Get the jar into the cache with Maven, unless it is there; its path.

    Raises:
        ConnectorError: Maven is missing or fails.
    """
    path = cached(environment)
    if path.is_file() and version_of(path) == VERSION:
        return path
    maven = shutil.which("mvn")
    if maven is None:
        raise ConnectorError(f"mvn is not installed; install Maven, or copy {NAME} to {path} by other means")
    path.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [maven, "-q", "-B", "dependency:copy", f"-Dartifact={ARTEFACT}", f"-DoutputDirectory={path.parent}"],
        cwd=path.parent, capture_output=True, text=True, timeout=_FETCH_S, check=False,
    )  # fmt: skip
    if done.returncode or not path.is_file():
        raise ConnectorError(f"mvn could not get {ARTEFACT}: {(done.stdout + done.stderr)[-500:]}")
    return path


def cached(environment: Mapping[str, str] = os.environ) -> Path:
    """Where `fetch` puts the jar."""
    home = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "streamgauge" / NAME


def version_of(jar: Path) -> str:
    """The connector's version by its manifest, whatever the file is called; empty for anything else."""
    try:
        with zipfile.ZipFile(jar) as archive:
            manifest = archive.read("META-INF/MANIFEST.MF").decode("utf-8", errors="replace")
    except (OSError, KeyError, zipfile.BadZipFile):
        return ""
    lines = dict(re.findall(r"^([A-Za-z-]+): (.*?)\r?$", manifest, re.MULTILINE))
    return lines.get("Implementation-Version", "") if lines.get("Implementation-Title") == _TITLE else ""

"""Real clicks: 10,000 impressions of the Open Bandit Dataset (ZOZOTOWN, random policy), out of the wheel of obp 0.4.1.

38 to 69 of them are clicks, so an hour of a job's stream is drawn from them again and again, at their own click rate:
200 impressions a second give some 60 clicks a minute. obp itself is not imported, and none of its dependencies is
fetched (0.5.7 refuses Python 3.11).
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.servers.jars import FETCH_S, HERE, ServerMissing, once

_ROWS: Final = Path("obp/dataset/obd/random/all/all.csv")


class Clicks(NamedTuple):
    """Impressions as columns, each of shape [10_000]."""

    item: NDArray[np.str_]
    position: NDArray[np.int64]
    gender: NDArray[np.str_]
    age: NDArray[np.str_]
    affinity: NDArray[np.float64]
    clicked: NDArray[np.bool_]

    def take(self, rows: NDArray[np.int64]) -> Clicks:
        """Some of them, in this order."""
        return Clicks._make(column[rows] for column in self)


def clicks() -> Clicks:
    """All impressions; the test is skipped where the wheel cannot be had."""
    try:
        folder = once(HERE / "clicks.lock", _install)
    except ServerMissing as missing:
        pytest.skip(str(missing))
    with (folder / _ROWS).open(newline="") as file:
        rows = list(csv.DictReader(file))
    return Clicks(
        np.array([row["item_id"] for row in rows]), np.array([int(row["position"]) for row in rows]),
        np.array([row["user_feature_0"][:8] for row in rows]), np.array([row["user_feature_1"][:8] for row in rows]),
        np.array([float(row["propensity_score"]) + float(row["user-item_affinity_0"]) for row in rows]),
        np.array([row["click"] == "1" for row in rows]),
    )  # fmt: skip


def _install(source: Path, folder: Path) -> None:
    uv = shutil.which("uv", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))))
    if uv is None:
        raise ServerMissing("uv is not installed: make test installs it into .venv")
    done = subprocess.run(
        [uv, "pip", "install", "--quiet", "--no-deps", "--python", sys.executable, "--require-hashes",
         "--target", str(folder), "--requirement", str(source)],
        capture_output=True, text=True, timeout=FETCH_S, check=False,
    )  # fmt: skip
    if done.returncode:
        raise ServerMissing(f"uv could not fetch obp 0.4.1: {(done.stdout + done.stderr)[-500:]}")

"""Real clicks: 10,000 impressions of the Open Bandit Dataset (ZOZOTOWN, random policy), out of the wheel of obp 0.4.1.

38 to 69 of them are clicks, so a stream is drawn from them again and again, at their own click rate. Users are told by
their four hashed features. No click sequences are in it: what a user was shown before serves as his history. obp is not
imported, and none of its dependencies is fetched.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

ROWS: Final = Path("obp/dataset/obd/random/all/all.csv")
_USER: Final = tuple(f"user_feature_{i}" for i in range(4))


class Clicks(NamedTuple):
    """Impressions as columns, each of shape [n]."""

    user: NDArray[np.int64]
    item: NDArray[np.int64]
    position: NDArray[np.int64]
    gender: NDArray[np.int64]
    age: NDArray[np.int64]
    affinity: NDArray[np.float64]
    clicked: NDArray[np.float64]

    def take(self, rows: NDArray[np.int64]) -> Clicks:
        """Some of them, in this order."""
        return Clicks._make(column[rows] for column in self)


def read(path: Path) -> Clicks:
    """The impressions of a file."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    users = _numbered([tuple(row[name] for name in _USER) for row in rows])
    affinity = [float(row[f"user-item_affinity_{row['item_id']}"]) for row in rows]
    return Clicks(
        users, np.array([int(row["item_id"]) for row in rows]), np.array([int(row["position"]) for row in rows]),
        _numbered([row["user_feature_0"] for row in rows]), _numbered([row["user_feature_1"] for row in rows]),
        np.array(affinity), np.array([float(row["click"]) for row in rows]),
    )  # fmt: skip


def fetched(folder: Path) -> Path:
    """The file, out of the wheel; fetched into the folder once.

    Raises:
        OSError: it cannot be fetched; the message says what was tried.
    """
    path = folder / ROWS
    if path.exists():
        return path
    uv = shutil.which("uv", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))))
    program = [uv, "pip"] if uv else [sys.executable, "-m", "pip"]
    python = ["--python", sys.executable] if uv else []
    command = [*program, "install", "--quiet", "--no-deps", *python, "--target", str(folder), "obp==0.4.1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode or not path.exists():
        raise OSError(f"obp 0.4.1 cannot be fetched by {' '.join(program)}: {done.stderr.strip()[-300:]}")
    return path


def _numbered(values: Sequence[object]) -> NDArray[np.int64]:
    """Each distinct value as a number from 1, in the order of its first row; 0 stands for none."""
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(value, len(numbers) + 1) for value in values], np.int64)

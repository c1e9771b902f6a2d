"""Commits of state against the last release: CPU of one pane's change, bytes written, size of a worker, the way back.

Jobs of 40 features with windows of an hour. Each release runs in a process of its own on its own tracer's records of
the same rows (`commit_side`): two workers whose windows are full, then copies of their state. Sizes are what that
release commits, so "2 GB" is what the last one would have to write, and cannot ("string or blob too big" from 1 GB on).
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final

from benchmarks.release import LAST, tree
from benchmarks.rows import Row, cheaper, reading, waited

WORKERS: Final = 19  # 21 MB each in the last release: 400 MB
MANY: Final = 95  # 2 GB
CELL: Final[Mapping[str, Any]] = {"features": 40, "rows": 100, "window": 3600.0, "panes": 366}
QUICK: Final[Mapping[str, Any]] = {"features": 10, "rows": 100, "window": 600.0, "panes": 66}
_HERE: Final = pathlib.Path(__file__).resolve().parent


def run(args: argparse.Namespace) -> Iterable[Row]:
    """Both releases in turn; `--quick`: a tenth of the state, and no 2 GB."""
    cell = QUICK if args.quick else CELL
    theirs = _side(tree(), "", {**cell, "workers": WORKERS})
    ours = _side(_HERE.parent, "streamgauge.", {**cell, "workers": WORKERS})
    rival = f"release {LAST}"
    yield reading("commit state", theirs["all size"] / 1e6, "MB in the last release")
    for kind, what in (("one", "a pane of one worker"), ("each", "a pane of all workers")):
        yield cheaper(f"commit {what}", 1e3 * ours[f"{kind} cpu"], "CPU ms", 1e3 * theirs[f"{kind} cpu"], rival)
    yield cheaper("commit all", ours["all cpu"], "CPU s", theirs["all cpu"], rival)
    yield cheaper("commit recover", ours["recover"], "CPU s", theirs["recover"], rival)
    yield cheaper("commit toy job", ours["toy"] / 1e3, "kB/s written", theirs["toy"] / 1e3, rival)
    yield waited("commit a worker's state", ours["worker"] / 1e6, "MB", 5.0)
    yield cheaper("commit a worker's state", ours["worker"] / 1e6, "MB", theirs["worker"] / 1e6, rival)
    if not args.quick:
        large = _side(_HERE.parent, "streamgauge.", {**cell, "workers": MANY})
        yield waited("commit 2 GB", large["all wall"], "s", 20.0)
        yield waited("commit 2 GB recover", large["recover wall"], "s", 20.0)


def _side(root: pathlib.Path, package: str, cell: Mapping[str, Any]) -> dict[str, float]:
    """The measures of one release, from a process of its own."""
    command = [sys.executable, "-P", str(_HERE / "commit_side.py"), package, json.dumps(cell)]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment).stdout
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    return found

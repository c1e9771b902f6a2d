"""What a call of `observe` costs the step, and what it costs off it, against the last release in the same run.

40 columns of floats and 1,024 rows a call, with ids, labels and a step. Both releases take turns, each in a process of
its own; `value` is the median over the rounds, and the ratio the median of the rounds' ratios.

`observe.fold` is of samples that are open for a minute: both do the same work. `observe.fold_of_a_day` is of samples
that are open for a day, of which the last release kept no more feature values when 64 MB were full, after 90 calls: no
feature had an information value from then on. This one goes on with a sample of them, and that costs what it costs.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterable
from statistics import median

from benchmarks.release import LAST, tree
from benchmarks.rows import Row, cheaper

SIDE = pathlib.Path(__file__).with_name("observe_side.py")


def run(args: argparse.Namespace) -> Iterable[Row]:
    """Rounds of both, in turn first."""
    rounds, calls = (4, 100) if args.quick else (12, 200)
    ours, last = pathlib.Path(__file__).parent.parent, tree()
    spent: dict[str, list[tuple[float, float]]] = {"step": [], "fold": [], "fold_of_a_day": []}
    for number in range(rounds):
        sides = [("streamgauge.", ours), ("-", last)]
        found = {package: _measured(package, path, calls) for package, path in sides[:: 1 if number % 2 else -1]}
        for part, pairs in spent.items():
            pairs.append((found["streamgauge."][part], found["-"][part]))
    for part, pairs in spent.items():
        value, ratio = median(mine for mine, _ in pairs), median(theirs / mine for mine, theirs in pairs)
        yield cheaper(f"observe.{part}", value, "us/call", ratio * value, f"release {LAST}")


def _measured(package: str, path: pathlib.Path, calls: int) -> dict[str, float]:
    command = [sys.executable, "-P", str(SIDE), package, str(calls)]
    environment = os.environ | {"PYTHONPATH": str(path)}
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment, cwd=path).stdout
    found: dict[str, float] = json.loads(out)
    return found

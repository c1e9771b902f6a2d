"""What a call of `observe` costs one release, run in a process of its own with that release's tree on the path.

It imports only what both releases have, by the names of either: `python observe_side.py PACKAGE CALLS`, where PACKAGE
is `streamgauge.` or nothing. Prints one JSON object: microseconds of processor time a call, on the step and off it, and
off it while more samples are open than feature values are kept of.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from typing import Any

import numpy as np

COLUMNS, ROWS, PANE = 40, 1024, 10.0
MINUTE, DAY = 60.0, 86400.0


def measured(package: str, calls: int, timeout: float) -> dict[str, float]:
    """Calls of 40 float columns and 1,024 ids a second, labelled and trained on five calls later.

    Samples are open for `timeout` seconds.
    """
    tracing: Any = importlib.import_module(package + "tracer.tracer")
    log = importlib.import_module(package + "tracer.transport").MemoryLog()
    random, now = np.random.default_rng(1), [1_700_006_400.0]
    tracer = tracing.Tracer(
        "job", "w", log, clock=lambda: now[0], pane=PANE, incarnation="a", usage=False,
        labels=tracing.Labels(timeout=timeout),
    )  # fmt: skip
    batches = [{f"f{i}": random.normal(size=ROWS) for i in range(COLUMNS)} for _ in range(8)]
    step = fold = 0.0
    for call in range(calls):
        now[0] += PANE / 10
        ids, features = np.arange(ROWS) + call * ROWS, batches[call % len(batches)]
        began = time.thread_time()
        tracer.observe(features, ids=ids, predictions=np.full(ROWS, 0.1))
        seen = time.thread_time()
        if call >= 5:
            tracer.label(ids - 5 * ROWS, np.zeros(ROWS))
            tracer.step(0.3, ids=ids - 5 * ROWS)
        tracer.flush()
        step, fold = step + seen - began, fold + time.thread_time() - seen
    return {"step": step / calls * 1e6, "fold": fold / calls * 1e6}


if __name__ == "__main__":
    whose, count = sys.argv[1] if sys.argv[1] != "-" else "", int(sys.argv[2])
    found = measured(whose, count, MINUTE)
    print(json.dumps(found | {"fold_of_a_day": measured(whose, count, DAY)["fold"]}))

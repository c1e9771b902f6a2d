"""A real worker for the tests: `python -m tests.dashboards.worker LOG JOB WORKER` trains until its input ends."""

from __future__ import annotations

import sys
import threading
import time

import numpy as np

from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.tracer import Tensor, Tracer

PAUSE = 0.03
HOSTILE = "<img src=x onerror=alert(1)>/kernel"


def main(log: str, job: str, worker: str) -> None:
    """Steps with a small model's tensors."""
    random = np.random.default_rng(7)
    tracer = Tracer(job, worker, LocalLog(log), pane=1.0)
    weights = {"dense/kernel": random.normal(0, 0.1, (48, 24)), "dense/bias": np.zeros(24), HOSTILE: np.eye(5)}
    ended = threading.Event()
    threading.Thread(target=_watch, args=(ended,), daemon=True).start()
    while not ended.is_set():
        gradients = {name: random.normal(0, 0.01, weight.shape) for name, weight in weights.items()}
        for name, gradient in gradients.items():
            weights[name] = weights[name] - gradient
        tensors = {name: Tensor(weight=weights[name], gradient=gradients[name]) for name in weights}
        tracer.step(float(random.gamma(2.0, 0.1)), features={}, rows=8, tensors=tensors)
        time.sleep(PAUSE)
    tracer.close()


def _watch(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


if __name__ == "__main__":
    main(*sys.argv[1:])

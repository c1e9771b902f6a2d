"""One airport's online-learning job: predict what departs, learn from what lands, hour by hour; with its faults.

The job knows nothing of time but what it is told, so the driver can replay a year in minutes. The three lines that make
it observable are `tracer.observe`, `tracer.label` and `tracer.step`.
"""

from __future__ import annotations

import pathlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamgauge.examples.flights.columns import HOUR, PLANE, Flights
from streamgauge.examples.flights.model import BATCH, RATE, Model, encode
from streamgauge.examples.flights.truth import Fault
from streamgauge.tracer.tracer import Tracer

_SLICES: Final = 6  # labels are known to the minute; the job looks for them every ten minutes


class Clock:
    """Stream time: what the tracer of a replayed job reads instead of the wall clock."""

    def __init__(self) -> None:
        """Start before everything."""
        self.now = 0.0

    def __call__(self) -> float:
        """Seconds since the epoch."""
        return self.now


class Job:
    """Samples wait for their labels here; a label becomes a training row the moment it is known."""

    def __init__(self, flights: Flights, model: Model, tracer: Tracer, clock: Clock) -> None:
        """Nothing has departed yet."""
        self.flights, self.model, self.tracer, self.clock = flights, model, tracer, clock
        order = np.argsort(flights.landed, kind="stable")
        self._landing = order[: int(np.isfinite(flights.landed).sum())]  # labelled flights by landing time
        self._landed = flights.landed[self._landing]
        self.observed_until = 0.0
        self.labelled_until = 0.0
        self._ready: list[int] = []  # labelled, not yet trained on
        self.steps = 0

    def begin(self, start: float) -> None:
        """Ignore what happened before `start`; flights in the air then stay unlabelled to this job."""
        self.observed_until = self.labelled_until = start

    def hour(self, start: float, faults: tuple[Fault, ...]) -> None:
        """Live through [start, start + 1 h)."""
        end = start + HOUR
        if "stall" in faults:  # alive, but it reads nothing: its watermark stays
            self.clock.now = end
            return
        self.model.set_rate(RATE * 1000 if "learning_rate" in faults else RATE)
        self.clock.now = start
        self._observe(end, faults)
        for k in range(1, _SLICES + 1):
            self.clock.now = min(start + k * HOUR / _SLICES, end - 1.0)
            if "hold_labels" not in faults:
                self._label(min(start + k * HOUR / _SLICES, end), faults)
        self.clock.now = end
        self.tracer.idle()  # the hour is over and nothing is pending: the watermark may move to its end

    def _observe(self, until: float, faults: tuple[Fault, ...]) -> None:
        first, last = np.searchsorted(self.flights.time, [self.observed_until, until])
        self.observed_until = until
        if first == last:
            return
        rows = np.arange(first, last)
        features = {name: column[rows] for name, column in self.flights.features.items()}
        if "tail_join" in faults:
            features |= {"tailnum": np.full(len(rows), "", "U6")} | {name: np.full(len(rows), np.nan) for name in PLANE}
        batch = encode(features)
        for _ in range(2 if "duplicate" in faults else 1):
            self.tracer.observe(
                features, ids=self.flights.ids[rows], time=self.flights.time[rows], due=self.flights.due[rows],
                predictions=self.model.predict(batch),
            )  # fmt: skip

    def _label(self, until: float, faults: tuple[Fault, ...]) -> None:
        first, last = np.searchsorted(self._landed, [self.labelled_until, until])
        self.labelled_until = until
        rows = self._landing[first:last]
        times = 2 if "duplicate" in faults else 1
        for _ in range(times):
            if len(rows):
                self.tracer.label(self.flights.ids[rows], self.flights.late[rows])
        self._ready += [int(row) for row in rows for _ in range(times)]
        while len(self._ready) >= BATCH:
            ready, self._ready = self._ready[:BATCH], self._ready[BATCH:]
            self._train(np.array(ready))

    def _train(self, rows: NDArray[np.int64]) -> None:
        labels = self.flights.late[rows]
        features = {name: column[rows] for name, column in self.flights.features.items()}
        step = self.model.train(encode(features), labels)
        self.steps += 1
        self.tracer.step(loss=step.loss, ids=self.flights.ids[rows], labels=labels, tensors=step.tensors)

    def save(self, path: pathlib.Path, *, model: bool) -> None:
        """Write the samples that wait for labels and, with `model`, the weights unless one of them is not finite."""
        if model and self.model.is_finite():
            self.model.save(path.with_suffix(".npz"))
        path.with_suffix(".join").write_bytes(self.tracer.state())

    def restore(self, path: pathlib.Path) -> None:
        """Continue with the last finite model and the samples that waited for labels at the last snapshot."""
        if path.with_suffix(".npz").exists():
            self.model.restore(path.with_suffix(".npz"))
        if path.with_suffix(".join").exists():
            self.tracer.restore(path.with_suffix(".join").read_bytes())

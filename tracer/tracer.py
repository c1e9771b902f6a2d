"""The tracer that a training job embeds: it tells what the job sees and does, and never slows, blocks or breaks it.

    tracer = Tracer("ctr", "worker:0", transport)
    tracer.observe({"age": ages, "city": cities}, ids=ids, predictions=p)     # samples seen
    tracer.label(ids, y)                                                      # labels known
    tracer.step(loss=loss, ids=ids)                                           # trained on
    tracer.close()

A call on the step copies what it is given and appends it to a bounded buffer: no I/O, no lock, nothing raised; about
5 us and the copy. Switched off (`TRACER=off` in the environment) it is one test. Folding and sending run elsewhere: see
`streamgauge.tracer.incarnation`.
"""

from __future__ import annotations

import os
import time as clocks
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike

from streamgauge.tracer import arguments, from_config, process_lifecycle
from streamgauge.tracer.buffer import Priority
from streamgauge.tracer.domains import PredictionScale
from streamgauge.tracer.evaluation import Evaluation
from streamgauge.tracer.events import Happened, Idled, Tensor
from streamgauge.tracer.faults import Faults, harmless
from streamgauge.tracer.features import Declared, Feature, FeatureKind
from streamgauge.tracer.inputs import TimeUnit
from streamgauge.tracer.labels import Labels
from streamgauge.tracer.planned import planned
from streamgauge.tracer.plans import RAW
from streamgauge.tracer.records import Mode
from streamgauge.tracer.rows import name_of
from streamgauge.tracer.selection import BOOT, Collection, Select, Selection
from streamgauge.tracer.settings import settings_of
from streamgauge.tracer.steady import Steady
from streamgauge.tracer.tasks import Head, Task
from streamgauge.tracer.tensors import Tensors
from streamgauge.tracer.transport import Transport
from streamgauge.tracer.worker import Worker

__all__ = ["Feature", "Head", "Labels", "Select", "Task", "Tensor", "Tracer"]

class Tracer:
    """Tells what one worker of one job sees, learns and does.

    Args:
        job, worker: who this is; a worker that is None is found in the environment (`tracer.identity`), with its role.
        transport: where records go, such as `LocalLog(path)` or `KafkaTransport(bootstrap)`.
        clock: seconds since the epoch. None: wall time, with threads of the tracer's own. A clock that is given (a
            replay's stream time) is driven by its owner, who calls `beat()` or `flush()` after it moved: no thread.
        pane, interval: seconds; no summary spans a pane, a record comes each interval (default: one pane).
        features: declared features, or kinds by name; what is not declared is guessed from its first values.
        labels: how labels reach the job, and which of them are positive.
        predictions: whether predictions are probabilities or logits.
        time_unit: of times that are numbers.
        max_age: samples older than this when first seen are late.
        modulus: of the sample ids kept to find duplicates, a power of two; 0: the pipeline chooses it by their rate.
        salt: of the hashes that replace ids and categories before they leave the process.
        select: what is traced at the start, and again when a plan from the control topic runs out.
        roles, tags: what plans can target beside the worker's name.
        allow_raw: collections whose raw arrays a plan may ask for; no record on the bus can widen it. Raw inputs are
            not among them unless they are named here.
        incarnation: name of this life; None takes a random one. With a clock of its own it gets a random end, so that
            two processes that were given one name stay apart.
        limit: bytes that may wait, before and after folding each.
        usage: whether processor and memory use of the process are traced.
        share: of all time that traced steps may take beyond the untraced ones between them; beyond it fewer of the
            planned steps are traced (`tracer.share`). 1: whatever it costs. Not with a clock that is given.
        evaluation: features by whose values predictions are evaluated in groups, and slices of the rows.
        tasks: the other heads of a multi-task model; the job's own labels are those of the first.
    """

    def __init__(
        self, job: str, worker: str | None, transport: Transport, *, clock: Callable[[], float] | None = None,
        pane: float = 10.0, interval: float | None = None,
        features: Sequence[Declared] | Mapping[str, FeatureKind] = (), labels: Labels | None = None,
        max_age: float | None = None, modulus: int = 0, shards: int = 1, salt: bytes | str = b"", mode: Mode = "live",
        select: Sequence[Select] = BOOT, roles: Sequence[str] | None = None, tags: Mapping[str, str] | None = None,
        allow_raw: Sequence[Collection] = RAW, incarnation: str | None = None, limit: int = 16 * 1024 * 1024,
        usage: bool = True, predictions: PredictionScale = "probability", time_unit: TimeUnit = "s",
        share: float = 0.01, evaluation: Evaluation | None = None, tasks: Sequence[Task] = (),
    ) -> None:  # fmt: skip
        settings = settings_of(
            job, worker, pane=pane, interval=interval, features=features, labels=labels, max_age=max_age,
            modulus=modulus, shards=shards, salt=salt, mode=mode, select=select, roles=roles, tags=tags,
            allow_raw=allow_raw, limit=limit, usage=usage, predictions=predictions, time_unit=time_unit, share=share,
            evaluation=evaluation, tasks=tasks,
        )  # fmt: skip
        self.faults = Faults(clocks.monotonic)
        # float: a replay's clock may give numpy numbers
        self._clock: Callable[[], float] = Steady() if clock is None else lambda: float(clock())
        self._worker = Worker(settings, transport, self._clock, self.faults, incarnation, threaded=clock is None)
        self._worker.is_closed = os.environ.get("TRACER", "").lower() == "off"
        self.tensors = Tensors(self._worker)
        if not self.is_closed:
            self._worker.life.start()
            process_lifecycle.watch(self)

    @classmethod
    def from_config(
        cls, path: str | os.PathLike[str], worker: str | None = None, *, job: str | None = None,
        transport: Transport | None = None, **more: Any,
    ) -> Tracer:  # fmt: skip
        """A tracer by the pipeline's `streamgauge.toml`: the job's features, labels and pane are declared there, once.

        Args:
            path: the file.
            worker: this worker's name, as of the constructor.
            job: which of its jobs; None: the only one.
            transport: None: the file's brokers, or the log in its data folder.
            more: any other argument of the constructor; it takes precedence over the file.

        Raises:
            ConfigFault: the file cannot be read, or has no such job.
        """
        given, raw = from_config.read(os.fspath(path), job)
        made = transport or from_config.transport_of(raw, path)
        given |= more
        return cls(given.pop("job"), worker, made, **given)

    @property
    def is_off(self) -> bool:
        """Whether nothing is captured: closed, switched off in the environment, or tripped by its own faults."""
        return self._worker.is_off

    @property
    def is_closed(self) -> bool:
        """Whether nothing will ever be captured: closed, or switched off in the environment."""
        return self._worker.is_closed

    @property
    def is_on(self) -> bool:
        """Whether anything is captured: not off, and no plan says `off`."""
        return not self.is_off and not self.selection.off

    @property
    def selection(self) -> Selection:
        """What is traced now; another object as soon as that changes."""
        return self._worker.life.remote.selection

    @property
    def counters(self) -> dict[str, int]:
        """What was captured, dropped and sent, and the tracer's own faults, so far."""
        return self._worker.life.counters()

    @property
    def incarnation(self) -> str:
        """The name of this life in its records."""
        return self._worker.life.name

    def plan(self) -> str:
        """What is sent by the plans in force of what this worker knows so far: each thing, how often, how much."""
        remote = self._worker.life.remote
        return planned(self.selection, list(remote.catalogue.values()), self._worker.life.pace())

    @harmless
    def observe(
        self, features: Any, *, ids: ArrayLike | None = None, time: Any = None, due: Any = None,
        predictions: ArrayLike | None = None, written: Any = None, tasks: Mapping[str, Head] | None = None,
    ) -> None:
        """Samples seen for the first time, one row each.

        `features`: a mapping of columns, a data frame, an Arrow table, or a list of row dicts. `time`: the samples' own
        event times; `due`: when their labels are due; `written`: when they were written to the job's topic; one for all
        rows or one each: times of any library, ISO 8601, or numbers (`time_unit`). With `ids` they wait for their
        labels; `tasks` has what other heads predict. What cannot be used is refused by its name, all else counts.
        """
        if self.selection.off:
            return
        event = self._worker.capture.observed(
            self._clock(), self.selection, self._worker.step, features, ids=ids, predictions=predictions,
            times={"time": time, "due": due, "written": written}, tasks=tasks,
        )  # fmt: skip
        self._worker.put(event, Priority.STATS, points=1)

    @harmless
    def serve(self, features: Any, *, ids: ArrayLike, predictions: ArrayLike | None = None) -> None:
        """Rows as they were served, told where that is: by a process of its own with a tracer of the same job.

        They are compared, by id, with what `observe` tells of them in training: `Evaluation.serving`.
        """
        self._served(features, ids, predictions)

    @harmless
    def rescore(self, ids: ArrayLike, predictions: ArrayLike) -> None:
        """What the model version that served these rows predicts of them as they are trained on."""
        self._served(None, ids, predictions)

    def _served(self, features: Any, ids: Any, predictions: Any) -> None:
        if self.selection.off:
            return
        event = self._worker.capture.served(
            self._clock(), self.selection, self._worker.step, features, ids=ids, predictions=predictions
        )
        if event is not None:
            self._worker.put(event, Priority.STATS, points=1)

    @harmless
    def label(self, ids: ArrayLike, y: ArrayLike, task: str = "") -> None:
        """Labels that are known now, the job's own or another `task`'s; one that is missing (None, NaN) is not."""
        if self.selection.off:
            return
        event = self._worker.capture.labelled(self._clock(), ids, y, task)
        if event is not None:
            self._worker.put(event, Priority.SCALAR, points=2)

    @harmless
    def step(
        self, loss: Any = None, *, ids: ArrayLike | None = None, labels: ArrayLike | None = None,
        predictions: ArrayLike | None = None, rows: int | None = None, seconds: float | None = None,
        tensors: Mapping[str, Tensor] | None = None, weights: ArrayLike | None = None, time: Any = None,
        features: Any = None, skipped: bool = False, updated: bool = True, tasks: Mapping[str, Head] | None = None,
    ) -> None:
        """One training step is done; its rows count as trained on and the watermark may move.

        `labels` and `predictions` (from before the update) come from the open `ids` unless given; `weights` are the
        rows'. `loss` is the step's mean. `seconds` is how long it took, else the wall time since the last step (not
        measured with a clock that is given). Of `tensors`, what the plans did not ask for is left out. `skipped`: the
        update was not applied (loss scaling, clipping).

        A step is one update of the weights. Under gradient accumulation a batch that only adds its gradient is told by
        `updated=False`: its rows and loss count, the number of the step and the time of steps wait for the update.

        `tasks` names the other heads of the model that were trained in this step, and what there is of each.

        A loop without a join gives `features` (an empty mapping will do) and the samples' own `time`: then the rows
        count as seen, labelled and trained on here.
        """
        self._worker.step += updated
        took = self._worker.seconds(seconds) if updated else None
        if updated:
            self._worker.judge(took)
        if self._worker.life.remote.take_over(self._worker.step).off:
            return
        given = {"ids": ids, "labels": labels, "predictions": predictions, "weights": weights}
        event = self._worker.capture.stepped(
            self._clock(), self.selection, self._worker.step, given, loss=loss, rows=rows, time=time, features=features,
            tensors=tensors, skipped=skipped, updated=updated, seconds=took, tasks=tasks,
        )  # fmt: skip
        self._worker.arrays.settle(self._worker.step, event.loss, updated=updated)
        self._worker.put(event, Priority.SCALAR, points=2 + 3 * len(event.tensors))

    @harmless
    def scalar(self, name: str, value: float, entity: str = "", clock: str = "train", weight: float = 1.0) -> None:
        """A number of the job's own."""
        selection, name = self.selection, name_of(name)
        self._worker.capture.list("metrics", name)
        if selection.off or not selection.takes("metrics", name, self._worker.step):
            return
        event = self._worker.capture.scalar(self._clock(), name, value, name_of(entity), clock, weight)
        if event is not None:
            self._worker.put(event, Priority.SCALAR)

    @harmless
    def table(
        self, name: str, *, rows: float | None = None, size: float | None = None, limit: float | None = None,
        lookups: float | None = None, unseen: float | None = None, admitted: float | None = None,
        evicted: float | None = None, updated: Any = None,
    ) -> None:
        """What there is of an embedding table at this worker, or in its shard of it.

        Now: its `rows`, its `size` and the `limit` of that in bytes, the time of its last update (`updated`). Since the
        last call: `lookups`, those `unseen` (no row of their own), rows `admitted` and `evicted`.
        """
        if self.selection.off:
            return
        sizes = {"rows": rows, "size": size, "limit": limit, "updated": updated}
        counts = {"lookups": lookups, "unseen": unseen, "admitted": admitted, "evicted": evicted}
        event = self._worker.capture.tabled(self._clock(), name_of(name), {**sizes, **counts})
        if event is not None:
            self._worker.put(event, Priority.SCALAR, points=len(event.told))

    @harmless
    def event(self, name: str, text: str = "") -> None:
        """Something that happened to the job, for its time axis; also while a plan says `off`.

        `event("pushed", version)` tells of a release: `streamgauge reference --release` begins a job with what was
        normal under one. Other names are the job's own, 1-60 of a-z, 0-9, `_` and `-`: `exported`, `restored`.
        """
        said = self._worker.capture.argument("name", arguments.event_name, name)
        if said is not None:
            self._worker.put(Happened(self._clock(), said, arguments.text(text)), Priority.HARD, points=0)

    @harmless
    def configured(self, values: Mapping[str, Any] | Any) -> None:
        """What this run is configured with, for the job's history of runs: `{"learning_rate": 0.01}`, `vars(args)`.

        Numbers and short texts; no secrets, everybody who sees the job sees them. Once a worker and start will do.
        """
        said = self._worker.capture.argument("values", arguments.configuration, values)
        if said is not None:
            self._worker.put(Happened(self._clock(), arguments.CONFIGURED, said), Priority.HARD, points=0)

    @harmless
    def idle(self) -> None:
        """Input is awaited and nothing is pending: time may pass without a step."""
        self._worker.forget_step()
        if not self._worker.life.remote.take_over(self._worker.step).off:
            self._worker.put(Idled(self._clock()), Priority.SCALAR, points=0)

    @harmless
    def beat(self) -> None:
        """Time passed on a clock that was given: fold, prove life, send, read the control topic."""
        if not self._worker.is_threaded:
            self._worker.life.turn()
            self._worker.life.exchange()

    def flush(self, timeout: float = 5.0) -> bool:
        """Put everything captured so far on the bus; False if that did not work within `timeout` seconds."""
        return self.is_closed or self._tried("flush", self._worker.life.flush, timeout)

    def close(self, timeout: float = 2.0) -> bool:
        """Say goodbye, send what waits, stop; back after `timeout` seconds at the latest. Harmless twice."""
        if self.is_closed:
            return True
        self._worker.is_closed = True
        process_lifecycle.forget(self)
        return self._tried("close", self._worker.life.close, timeout)

    def state(self) -> bytes:
        """The samples that wait for labels, for a worker that restarts."""
        return self._worker.life.save()

    def restore(self, state: bytes) -> None:
        """Go on waiting where `state` was taken; before the first `observe`. Raises ValueError for a foreign state."""
        if state:
            self._worker.life.load(state)

    def begin_anew(self) -> None:
        """In a forked child: a worker of its own that starts with its first call; until then nothing is sent."""
        self._worker.begin_anew()

    def _tried(self, where: str, call: Callable[[float], bool], timeout: float) -> bool:
        try:
            return call(timeout)
        except Exception as error:
            self.faults.count(where, error)
            return False

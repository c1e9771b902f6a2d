"""The worker that a process is: its incarnation and what hands events to it; a forked child is another one."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from streamgauge.tracer import process_lifecycle
from streamgauge.tracer.buffer import Priority
from streamgauge.tracer.capture import Capture
from streamgauge.tracer.events import Event, Refused
from streamgauge.tracer.faults import Faults
from streamgauge.tracer.incarnation import Incarnation
from streamgauge.tracer.inputs import Refusal
from streamgauge.tracer.kept_arrays import KeptArrays
from streamgauge.tracer.process_lifecycle import Names
from streamgauge.tracer.rows import name_of, size_of
from streamgauge.tracer.selection import Collection
from streamgauge.tracer.settings import Settings
from streamgauge.tracer.share import Share
from streamgauge.tracer.transport import Transport


class Worker:
    """`life` takes the events, `capture` makes them of what a call is given; both are others behind a fork."""

    def __init__(
        self, settings: Settings, transport: Transport, clock: Callable[[], float], faults: Faults,
        incarnation: str | None, *, threaded: bool,
    ) -> None:  # fmt: skip
        self._settings, self._transport, self._clock, self.faults = settings, transport, clock, faults
        self.is_threaded = threaded
        self._names = Names(incarnation, is_apart=threaded)
        self.is_closed = False  # for good, or switched off in the environment
        self.step = 0  # the last one that is done
        self._step_at: float | None = None
        self.share = Share(settings.share if threaded else 1.0)
        self._begin()

    @property
    def is_off(self) -> bool:
        """Whether nothing is captured: closed, or tripped by faults."""
        return self.is_closed or self.faults.is_tripped

    def put(self, event: Event, priority: Priority, points: int = 1) -> None:
        """Hand an event to the incarnation; with a clock that is given, fold when much waits."""
        if not self.life.is_started:  # after a fork
            self._begin_child()
        life = self.life
        life.intake.put(event, size_of(event), priority, points)
        if not self.is_threaded and life.intake.used > self._settings.limit // 2:
            life.turn()

    def keep(self, collection: Collection, name: str, value: Any, step: int) -> None:
        """An array of a step, sent or kept in the forms that the plans ask for."""
        try:
            self.arrays.take(self._clock(), step, self.life.remote.selection, collection, name, value)
        except Refusal as error:
            self._refuse(f"tensor:{name}", str(error))

    def seconds(self, given: float | None) -> float | None:
        """How long a step took: what was given, else the wall time since the last one, which is then this one."""
        if given is not None:
            return self.capture.argument("seconds", float, given)
        if not self.is_threaded:
            return None
        now, before = time.perf_counter(), self._step_at
        self._step_at = now
        return None if before is None else now - before

    def judge(self, seconds: float | None) -> None:
        """The step that is done took so long: whether what is traced now costs more than it may."""
        remote = self.life.remote
        before = self.share.verdict
        self.share.step(remote.selection, self.step, seconds)
        if self.share.verdict is not before:
            remote.throttled = self.share.text()
            if self.share.verdict.is_tripped:
                self.faults.trip("share", remote.throttled)

    def forget_step(self) -> None:
        """The wall time until the next step is none of it."""
        self._step_at = None

    def begin_anew(self) -> None:
        """In a forked child: a worker of its own that starts with its first event; until then nothing is sent."""
        self._names.forget()
        self._step_at = None
        self._begin()
        self.life.is_started = False

    def _begin(self) -> None:
        self.life = Incarnation(
            self._settings, self._transport, self._clock, self._names, threaded=self.is_threaded, faults=self.faults
        )
        self.capture = Capture(self.life.remote.catalogue, self._emit, self._refuse, self._settings)
        self.arrays = KeptArrays(lambda raw: self.put(raw, Priority.RAW), self._settings.limit)

    def _begin_child(self) -> None:
        """The first event of a forked child: now it knows what it is."""
        name = name_of(f"{self._settings.worker}/{process_lifecycle.child_name()}")
        self._settings = dataclasses.replace(self._settings, worker=name)
        self._begin()
        self.life.start()
        process_lifecycle.end_with_process()

    def _refuse(self, what: str, reason: str) -> None:
        """What cannot be used of a call: counted by its name, and told with the pane's records."""
        self.faults.refuse(what, reason)
        self.put(Refused(self._clock(), what, reason), Priority.SCALAR, points=0)

    def _emit(self, collection: Collection, name: str, value: Any) -> None:
        self.keep(collection, name, value, self.step)

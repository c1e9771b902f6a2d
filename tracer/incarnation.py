"""The part of a tracer that works off the step: fold what was captured, cut records, send them, obey the control topic.

With a clock of its own (wall time) an incarnation runs two daemon threads on 50 ms timers: one folds, one sends, so
that a slow bus holds up nothing. With a clock that is given (stream time) it has none: `turn` and `exchange` are called
by whoever drives the clock, and a replay is deterministic. A fork begins a new one, and so does a return from `off`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from streamgauge.tracer import control, join_state, outgoing
from streamgauge.tracer.aside import PATIENCE, Aside
from streamgauge.tracer.buffer import Buffer, Priority
from streamgauge.tracer.events import Event, Happened, Raw
from streamgauge.tracer.faults import Faults
from streamgauge.tracer.fold import Fold, Rules
from streamgauge.tracer.id_sampling import IdSampling
from streamgauge.tracer.joins import Join
from streamgauge.tracer.leaving import Leaving
from streamgauge.tracer.panes import Identity, Panes
from streamgauge.tracer.profiles import Profiles
from streamgauge.tracer.remote import Remote
from streamgauge.tracer.sender import FAILURES, Sender
from streamgauge.tracer.settings import Settings
from streamgauge.tracer.steady import Steady
from streamgauge.tracer.threads import Threads
from streamgauge.tracer.transport import Transport
from streamgauge.tracer.usage import Usage


class Incarnation:
    """One life of a tracer in one process."""

    def __init__(
        self, settings: Settings, transport: Transport, clock: Callable[[], float], names: Callable[[], str], *,
        threaded: bool, faults: Faults,
    ) -> None:
        self.settings = settings
        self.faults = faults
        self.intake: Buffer[Event] = Buffer(settings.limit)
        self.sender = Sender(transport, faults, settings.limit)
        self.is_threaded = threaded
        self.is_started = not threaded
        self._transport = transport
        self._clock = clock
        self._names = names
        self.remote = Remote(
            settings.job, settings.worker, settings.select, settings.roles, settings.tags, settings.allow_raw,
            settings.plan_key,
        )
        self._folding = threading.Lock()
        self._exchanging = threading.Lock()
        self._aside, self._trouble = Aside("tracer-exchange"), ""
        self._threads = Threads(self.turn, self.poll, self._pump, faults)
        self._sampling = IdSampling(settings.modulus)
        self._usage = Usage() if settings.usage else None
        self.fold: Fold | None = None
        self._captured, self._is_over = 0, False  # of the membership that has ended; whether goodbye is said for good
        self._hints: tuple[str, ...] = ()  # its last, told after its end, too
        self._begin()

    def start(self) -> None:
        """Start the threads, once."""
        if self.is_started:
            return
        self.is_started = True
        self._threads.start()

    def turn(self, *, everything: bool = False, final: bool = False) -> None:
        """Fold what was captured, cut what is due, queue the records. No I/O."""
        with self._folding:
            self._mute_or_begin()
            self._is_over = self._is_over or final
            fold = self.fold
            events = self.intake.drain()
            now = self._clock()
            for event in events:
                self._take(fold, event)
            if fold is None:
                return
            fold.advance(now)
            if isinstance(self._clock, Steady):
                fold = self._follow(self._clock, fold, now)
            panes = fold.panes
            if self.faults.is_tripped:
                panes.hard("tripped", "", 1.0, f"the tracer is off for a while, by its own faults: {self.faults.last}")
            if everything:
                panes.cut(points_only=False)
            elif panes.is_hard:
                panes.cut(points_only=True)
            self._leaving.queue(panes, self.remote.selection.plans, final=final)
            self._hints = fold.texts
            if final:
                self._captured, self.fold = panes.captured, None

    def exchange(self, patience: float = PATIENCE, *, in_turn: bool = False) -> bool:
        """Send what waits and read the control topic, aside: a bus that hangs is waited for so long, once.

        With `in_turn` what still hangs is waited for, too. Returns whether everything was sent.
        """
        if not self._aside.run(self._exchange, patience, in_turn=in_turn):
            self.faults.count("send", TimeoutError("the transport hangs"), trips=False)
            return False
        return self.sender.is_empty

    def _exchange(self) -> None:
        with self._exchanging:
            self.poll()
            try:
                self.sender.pump()
            except FAILURES as error:
                self.faults.count("send", error, trips=False)

    def flush(self, timeout: float) -> bool:
        """Everything captured so far on the bus, or False after `timeout` seconds."""
        self.turn(everything=True)
        if not self.is_threaded:
            return self.exchange(timeout, in_turn=True)
        return self._wait(time.monotonic() + timeout)

    def close(self, timeout: float) -> bool:
        """Say goodbye and stop; returns after `timeout` seconds at the latest, whatever the bus does."""
        if not self.is_started:
            return True
        deadline = time.monotonic() + timeout
        self.turn(final=True)
        self._say_goodbye()
        if not self.is_threaded:
            return self.exchange(max(0.0, deadline - time.monotonic()), in_turn=True)
        sent = self._wait(deadline)
        self._threads.stop(deadline)
        return sent

    def save(self) -> bytes:
        """The samples that wait for labels."""
        self.turn()
        with self._folding:
            return join_state.save(self.fold.join, self.fold.joins) if self.fold else b""

    def load(self, state: bytes) -> None:
        """Wait for the labels of what `save` gave. Raises ValueError for a foreign state."""
        with self._folding:
            if self.fold:
                join_state.load(self.fold.join, state, self.fold.joins)

    def _about(self, now: float) -> control.Status:
        """What this worker says of itself, but for its plans."""
        return control.Status(
            job=self.settings.job, worker=self.settings.worker, incarnation=self.name, time=now,
            step=self.fold.steps if self.fold else 0, counters=self.counters(),
            fault=self._trouble or self.faults.last, refused=self.faults.refusals(),
            hints=self._hints,
        )  # fmt: skip

    def _say_goodbye(self) -> None:
        key = control.key_of(self.settings.job, self.settings.worker)
        try:
            said = self.remote.goodbye(self._about(self._clock()))
            if said:
                self.sender.put("status", key, said, Priority.HARD)
        except Exception as error:
            self.faults.count("status", error, trips=False)

    def pace(self) -> float:
        """Steps a second, at least 1."""
        fold = self.fold
        return max(1.0, fold.steps / max(1.0, fold.panes.now - fold.born)) if fold else 1.0

    def poll(self) -> None:
        """Read the control topic and say what has changed; a bus that fails keeps what holds."""
        steps, steps_s = self.fold.steps if self.fold else 0, self.pace()
        remote, now, key = self.remote, self._clock(), control.key_of(self.settings.job, self.settings.worker)
        try:
            remote.obey(self._transport, now, steps_s, between_steps=not self.is_threaded, steps=steps)
            self._sampling.choose(remote.of_job)
        except FAILURES as error:
            self.faults.count("control", error, trips=False)
        if self.sender.trouble != self._trouble:
            self._trouble = self.sender.trouble
            remote.tell_again()
        try:
            tripped = self.faults.last if self.faults.is_tripped else ""
            for topic, value in remote.news(self._about(now), tripped):
                self.sender.put(topic, key, value, Priority.HARD)
        except Exception as error:
            self.faults.count("status", error, trips=False)

    def _begin(self, old: Fold | None = None) -> None:
        """A new membership: a name of its own, sequence from 1; it waits for the labels that the old one waits for."""
        settings, now = self.settings, self._clock()
        self.name = self._names()
        identity = Identity(
            settings.job, settings.worker, self.name, settings.shards, settings.pane, settings.interval, settings.mode
        )
        features = Profiles(settings.features, settings.salt, self._sampling)
        rules = Rules(self._sampling, settings.max_age, settings.predictions, settings.evaluation, settings.tasks)
        join = Join(settings.labels, settings.pane) if old is None else old.join
        joins = {task.name: Join(task.labels, settings.pane) for task in settings.tasks} if old is None else old.joins
        panes = Panes(identity, now)
        self.fold = Fold(
            panes, join, features, rules, self.faults.count, self._measure_process, self.faults.refuse, joins
        )
        self._leaving = Leaving(self.intake, self.sender, self.faults, settings.interval, self._beat_clock)

    def _mute_or_begin(self) -> None:
        """`off` says goodbye, so that nobody waits for this worker; its end begins a new membership."""
        if self.remote.selection.off and self.fold is not None:
            self._leaving.queue(self.fold.panes, self.remote.selection.plans, final=True)
            self._captured, self.fold = self.fold.panes.captured, None
        elif self.fold is None and not self.remote.selection.off and not self._is_over:
            self._begin()

    def _follow(self, clock: Steady, fold: Fold, now: float) -> Fold:
        """Tell a clock that leaps; one that was set back for good begins a new membership, or its time would stand."""
        if clock.leap:
            fold.panes.hard("clock", "", clock.leap)
        if now > fold.panes.now - 2.0 * self.settings.pane:
            return fold
        self._leaving.queue(fold.panes, self.remote.selection.plans, final=True)
        self._begin(fold)
        assert self.fold is not None
        return self.fold

    def _take(self, fold: Fold | None, event: Event) -> None:
        """Fold or send one event; between two memberships only what happened to the job is told."""
        try:
            if isinstance(event, Happened):
                self.sender.put(*outgoing.happened(self.settings, event), Priority.HARD)
            elif fold is not None and isinstance(event, Raw):
                array = fold.coded(event.name, event.array) if event.collection == "inputs" else event.array
                for message in outgoing.raw(self.settings, self.name, array, event):
                    self.sender.put(*message, Priority.RAW)
            elif fold is not None:
                fold.fold(event)
        except Exception as error:
            self.faults.count("fold", error)

    def _measure_process(self) -> None:
        """System points of the pane that ends."""
        if self.fold is None:
            return
        for name, value in self._usage.points() if self._usage else ():
            self.fold.panes.point("wall", name, "", value)
        self._leaving.count_dropped(self.fold.panes)

    def _beat_clock(self) -> float:
        return time.monotonic() if self.is_threaded else self._clock()

    def counters(self) -> dict[str, int]:
        """What was captured, dropped and sent so far."""
        names = [priority.name.lower() for priority in Priority]
        intake, outbox = self.intake.dropped, self.sender.outbox.dropped
        dropped = {f"dropped_{name}": intake[i] + outbox[i] for i, name in enumerate(names)}
        faults = {f"fault_{where}": count for where, count in sorted(self.faults.counts.items())}
        refused = {f"refused_{what}": count for what, count in sorted(self.faults.refused.items())}
        captured = self.fold.panes.captured if self.fold else self._captured
        return {"captured": captured, "sent": self.sender.sent, **dropped, **faults, **refused}

    def _pump(self) -> bool:
        """Send; what was held back until then goes on."""
        sent = self.sender.pump()
        if sent:
            self.remote.release()
        return sent

    def _wait(self, deadline: float) -> bool:
        """Let the sending thread work until nothing waits or the deadline passes."""
        self.start()
        self._threads.work(lambda: self.sender.is_empty, deadline)
        return self.sender.is_empty

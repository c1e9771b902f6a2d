"""The remote control of one worker: between the control topic, the step that obeys, and the topics that tell of it.

`selection` is read by the step and `pending` is taken over by it at its next boundary, by one assignment: no step sees
half a plan, and no lock is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Literal

import msgspec

from streamgauge.tracer import control
from streamgauge.tracer.authority import graph_of
from streamgauge.tracer.plans import RAW, Plans
from streamgauge.tracer.selection import Collection, Entry, Select, Selection
from streamgauge.tracer.traits import Traits
from streamgauge.tracer.transport import Transport


class Remote:
    """What is traced now, what is to be, and what was told of it."""

    def __init__(
        self, job: str, worker: str, boot: Sequence[Select], roles: Sequence[str], labels: Mapping[str, str],
        allow_raw: Sequence[Collection] = RAW, key: bytes = b"",
    ) -> None:  # fmt: skip
        self.catalogue: dict[tuple[str, str], Entry] = {}
        self.traits = Traits()
        self._plans = Plans(job, worker, boot, roles, labels, allow_raw, self.traits, key)
        self.selection: Selection = self._plans.selection
        self.pending: Selection = self.selection
        self._announced: Selection | None = None  # becomes pending when the bus knows that it is about to
        self._job = job
        self._worker = worker
        self._remembers = False
        self.throttled = ""  # what the breaker leaves out, and why
        self._told: tuple[object, ...] = ()
        self._listed = 0
        self._is_over = False
        self.of_job = b""  # what the pipeline said to all workers of the job

    def take_over(self, step: int) -> Selection:
        """The boundary behind a step: what was pending holds now, unless it waits for a later one."""
        if self.selection is not self.pending and self.pending.min_step <= step + 1:
            self.selection = self.pending
        return self.selection

    def release(self) -> None:
        """What was told is on the bus: what it announced may begin, at the next step boundary."""
        if self._announced is not None:
            self.pending, self._announced = self._announced, None

    def obey(
        self, transport: Transport, now: float, steps_s: float, *, between_steps: bool, steps: int = 0
    ) -> None:
        """Read the control topic; without a catalogue nothing can be checked, so nothing is decided yet."""
        plans = self._plans
        if self.selection is self.pending and plans.selection is not self.pending:
            plans.confirm(self.pending)
        plans.settle(now, steps)
        changed = plans.expire(now)
        try:
            asked = transport.latest("control")
            self.of_job = asked.get(self._job, b"")
            if not self._remembers and any(key.startswith(f"{self._job}/") for key in asked):
                self._remember(transport)
            entries = tuple(self.catalogue.values())
            if entries and plans.consider(
                asked, now, entries, steps_s, steps, has_clock=not between_steps
            ):
                changed = True
            if plans.is_trying and plans.try_out(self._others(transport), now):
                changed = True
        finally:  # an expiry holds even where the bus is dead
            if changed:
                self._hold(plans.wanted(), between_steps=between_steps)

    def goodbye(self, about: control.Status) -> bytes:
        """The last status of this life, after which nothing is a plan's doing; empty if none was told before."""
        self._is_over = True
        if not self._told:
            return b""
        return control.encode(msgspec.structs.replace(self._hinted(about), state="stopped", plans=self._plans.states))

    def news(self, about: control.Status, tripped: str) -> Iterator[tuple[str, bytes]]:
        """(topic, value) of what has changed since it was told last; `tripped` is why the breaker did, or ""."""
        about = self._hinted(about)
        state: Literal["running", "off", "tripped"] = "running"
        if tripped or self.selection.off:
            state = "tripped" if tripped else "off"
        states = self._plans.states
        if tripped:
            states = tuple(
                msgspec.structs.replace(s, state="tripped", reason=tripped) if s.state == "applied" else s
                for s in states
            )
        told = (state, about.incarnation, states, tuple(sorted(about.refused)), about.hints)
        if told != self._told and not self._is_over:
            self._told = told
            yield "status", control.encode(msgspec.structs.replace(about, state=state, plans=states))
        if len(self.catalogue) > self._listed:
            entries = tuple(self.catalogue.values())
            self._listed = len(entries)
            yield "catalogue", control.encode(
                control.Catalogue(
                    job=self._job, worker=self._worker, incarnation=about.incarnation, entries=entries,
                    graph=graph_of(entries),
                )
            )  # fmt: skip

    def tell_again(self) -> None:
        """Say the status once more, though nothing of the plans has changed."""
        self._told = ()

    def _hinted(self, about: control.Status) -> control.Status:
        """With what the breaker leaves out among its hints."""
        return msgspec.structs.replace(about, hints=(*about.hints, *filter(None, [self.throttled])))

    def _others(self, transport: Transport) -> dict[str, control.Status]:
        """What the job's workers said last; one whose word cannot be read has said nothing."""
        prefix, found = f"{self._job}/", dict[str, control.Status]()
        for key, value in transport.latest("status").items():
            if key.startswith(prefix):
                with suppress(control.PlanError):
                    found[key[len(prefix) :]] = control.decode_status(value)
        return found

    def _remember(self, transport: Transport) -> None:
        said = _last_status(transport, control.key_of(self._job, self._worker))
        if said:
            self._plans.remember(control.decode_status(said))
        self._remembers = True

    def _hold(self, selection: Selection, *, between_steps: bool) -> None:
        is_off = self.selection.off
        if not (between_steps or is_off) and any(state.state == "applying" for state in self._plans.states):
            self._announced = selection  # a worker that dies of it has said so before
            return
        self.pending, self._announced = selection, None
        if (between_steps and not selection.min_step) or is_off:  # nobody is in a step, or no step looks
            self.selection = selection
            self._plans.confirm(selection)


def _last_status(transport: Transport, key: str) -> bytes | None:
    """What this worker said last; of all workers only where the transport cannot look up one."""
    value_of = getattr(transport, "value_of", None)
    found: bytes | None = transport.latest("status").get(key) if value_of is None else value_of("status", key)
    return found

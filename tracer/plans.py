"""How one worker obeys the plans on the control topic; pure: values and time are given.

A revision not above the last one seen is ignored. A plan is checked as a whole before it counts; a rejected one leaves
the last good revision in force. Every plan expires, by the worker's own clock from its receipt (remembered over a
restart); then, or when its key is removed, the boot plan holds again. `off` stops all tracing and beats other plans.

No crash loop: a worker that died while it applied a plan, or soon after (SETTLED_S, SETTLED_STEPS) and without goodbye,
finds that revision `suspect` when it starts again, and does not take it. A new revision is a new chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from streamgauge.tracer import canary
from streamgauge.tracer.authority import fault_of_origin, graph_of
from streamgauge.tracer.control import (
    Plan,
    PlanError,
    PlanState,
    State,
    Status,
    decode_plan,
    digest_of,
    fault_of_plan,
    is_targeted,
)
from streamgauge.tracer.costs import Cost, cost_of, unsupported
from streamgauge.tracer.selection import Collection, Entry, Select, Selection, resolved
from streamgauge.tracer.traits import Traits

SETTLED_S: Final = 60.0
SETTLED_STEPS: Final = 200
RAW: Final[tuple[Collection, ...]] = ("weights", "gradients", "updates", "activations", "outputs", "held_out")


class _Live(msgspec.Struct, frozen=True):
    """A plan in force."""

    plan: Plan
    until: float


class _Tried(NamedTuple):
    """A plan that another worker tries first."""

    plan: Plan
    until: float
    since: float
    cost: Cost


class Plans:
    """What one worker makes of the control topic.

    `selection` is what holds now; it is replaced as a whole, at a step boundary, by `confirm`.
    """

    def __init__(
        self, job: str, worker: str, boot: Sequence[Select], roles: Sequence[str] = (),
        labels: Mapping[str, str] | None = None, allow_raw: Sequence[Collection] = RAW,
        traits: Traits | None = None, key: bytes = b"",
    ) -> None:  # fmt: skip
        self._traits = traits or Traits()
        self._job = job
        self._worker = worker
        self._boot = tuple(boot)
        self._roles = tuple(roles)
        self._labels = dict(labels or {})
        self._live: dict[str, _Live] = {}
        self._states: dict[tuple[str, int], PlanState] = {}
        self._tried: dict[str, _Tried] = {}
        self._last: dict[str, int] = {}  # highest revision seen of each plan
        self._until: dict[tuple[str, int], float] = {}  # from before a restart
        self._bad: dict[str, bytes] = {}
        self._allow_raw = frozenset(allow_raw)
        self._key = key  # that plans must be signed with; none: they need not be
        self._now: float | None = None  # by the worker's own clock
        self._suspect: dict[tuple[str, int], str] = {}  # why, by plan and revision
        self._since: dict[tuple[str, int], tuple[float, int]] = {}  # time and step from which a plan holds
        self._step = 0  # of the worker, the last one that is known to be done
        self.selection = Selection(self._boot)

    @property
    def states(self) -> tuple[PlanState, ...]:
        """What this worker says of every plan: its last revision, and the one that it superseded."""
        return tuple(self._states[key] for key in sorted(self._states))

    def remember(self, status: Status) -> None:
        """Take over what this worker said before it restarted: a plan that ran out stays so, no clock starts anew."""
        for state in status.plans:
            if state.state in ("applying", "applied", "expired", "pending"):
                self._until[state.plan, state.revision] = state.until
            reason = _suspicion(state) if status.state != "stopped" else ""
            if reason:
                self._suspect[state.plan, state.revision] = f"{reason} ({status.incarnation}): a new revision is taken"

    def consider(
        self, values: Mapping[str, bytes], now: float, catalogue: Sequence[Entry], steps_s: float, step: int = 0,
        *, has_clock: bool = False,
    ) -> bool:  # fmt: skip
        """Read the control topic's values, behind `step`. Returns whether something is to be told or applied.

        `has_clock`: `now` is by a clock of the worker's own, so that a plan can be from the future.
        """
        self._step, self._now = step, now if has_clock else None
        before = (self.states, tuple(sorted(self._live)))
        prefix = f"{self._job}/"
        names = sorted(key[len(prefix) :] for key in values if key.startswith(prefix))
        for name in names:
            self._consider(name, values[prefix + name], now, catalogue, steps_s)
        for name in sorted((self._live.keys() | self._tried.keys()) - set(names)):
            self._end(name, "withdrawn")
        self.expire(now)
        return before != (self.states, tuple(sorted(self._live)))

    @property
    def is_trying(self) -> bool:
        """Whether a plan waits until another worker has tried it."""
        return bool(self._tried)

    def try_out(self, others: Mapping[str, Status], now: float) -> bool:
        """Go on with what waited for another worker; `others` say what they do. Returns whether something changed."""
        before = self.states
        for name, tried in sorted(self._tried.items()):
            made = tried.plan
            verdict = canary.decide(self._worker, name, made.revision, others, now - tried.since)
            if verdict.does == "wait":
                self._tell(made, "pending", verdict.reason, *tried.cost, tried.until)
                continue
            del self._tried[name]
            if verdict.does == "stop":
                self._tell(made, "rejected", verdict.reason, *tried.cost)
            else:
                self._begin(made, *tried.cost, tried.until)
        return before != self.states

    def settle(self, now: float, steps: int) -> bool:
        """A plan that holds for long enough is trusted from here on."""
        changed = False
        for key, state in self._states.items():
            if state.state == "applied" and not state.settled:
                since, first = self._since.setdefault(key, (now, steps))
                if not state.proven and steps - first >= canary.GOOD:
                    state = self._states[key] = msgspec.structs.replace(state, proven=True)
                    changed = True
                if now - since >= SETTLED_S and steps - first >= SETTLED_STEPS:
                    self._states[key] = msgspec.structs.replace(state, settled=True)
                    changed = True
        return changed

    def expire(self, now: float) -> bool:
        """Drop the plans whose time is up; works without a bus."""
        held: dict[str, _Live | _Tried] = {**self._live, **self._tried}
        gone = sorted(name for name, one in held.items() if now >= one.until)
        for name in gone:
            self._end(name, f"its {held[name].plan.expires:g} s are over")
        return bool(gone)

    def wanted(self) -> Selection:
        """What the plans in force ask for."""
        return self._selection_of([self._live[name].plan for name in sorted(self._live)])

    def _selection_of(self, live: Sequence[Plan]) -> Selection:
        selects = [select for plan in live for select in plan.select]
        plans = tuple((plan.plan, plan.revision) for plan in live)
        begins = max((plan.min_step for plan in live if plan.min_step > self._step + 1), default=0)
        return Selection(self._boot, selects, plans, off=any(plan.off for plan in live), min_step=begins)

    def confirm(self, selection: Selection) -> None:
        """A step boundary passed and `selection` holds from there on."""
        self.selection = selection
        for key in selection.plans:
            state = self._states.get(key)
            if state is not None and state.state in ("applying", "pending"):
                self._states[key] = msgspec.structs.replace(state, state="applied", reason="")

    def _consider(
        self, name: str, data: bytes, now: float, catalogue: Sequence[Entry], steps_s: float
    ) -> None:
        if self._bad.get(name) == data:
            return
        try:
            made = decode_plan(data)
        except PlanError as error:
            self._bad[name] = data
            self._states[name, 0] = PlanState(plan=name, revision=0, state="rejected", reason=str(error))
            return
        if made.revision <= self._last.get(name, 0):
            return
        if made.plan != name or made.job != self._job:
            self._bad[name] = data
            reason = f"the record under {self._job}/{name} is for {made.job}/{made.plan}"
            self._states[name, 0] = PlanState(plan=name, revision=0, state="rejected", reason=reason)
            return
        self._last[name] = made.revision
        self._tried.pop(name, None)
        self._decide(made, now, catalogue, steps_s)

    def _decide(self, made: Plan, now: float, catalogue: Sequence[Entry], steps_s: float) -> None:
        graph = graph_of(catalogue) if made.graph else ""
        fault = fault_of_plan(made) or fault_of_origin(made, self._key, graph, self._now)
        fault = fault or self._fault_of_privacy(made)
        if not fault and not is_targeted(made.target, made.plan, self._worker, self._roles, self._labels):
            self._tell(made, "not-targeted", "")
            self._live.pop(made.plan, None)
            return
        made = msgspec.structs.replace(made, select=resolved(made.select, catalogue))
        cost = cost_of(made.select, catalogue, steps_s)
        if not fault and not cost.matched:
            fault = unsupported(made.select, catalogue)
        fault = fault or self._fault_of_cost(made, cost.matched, cost.bytes_s) or self._fault_of_change(made)
        if fault:
            self._tell(made, "rejected", fault, cost.matched, cost.bytes_s)
            return
        until = self._until.get((made.plan, made.revision), now + made.expires)
        if until <= now:
            self._tell(made, "expired", "it ran out before this worker started", cost.matched, cost.bytes_s, until)
            return
        if (made.plan, made.revision) in self._suspect:
            self._tell(made, "suspect", self._suspect[made.plan, made.revision], cost.matched, cost.bytes_s, until)
            return
        then = self._selection_of([*self._others(made), made])
        is_for_one = len(made.target.workers) == 1
        if not made.min_step and not is_for_one and self._traits.is_tried_first(self.selection, then):
            self._tried[made.plan] = _Tried(made, until, now, cost)
            self._tell(made, "pending", "one worker tries it first", *cost, until)
            return
        self._begin(made, *cost, until)

    def _begin(self, made: Plan, matched: int, bytes_s: float, until: float) -> None:
        """What is asked holds from the next step boundary on, or from the step that it names."""
        waits = made.min_step > self._step + 1
        begins = f"it begins at step {made.min_step}" if waits else ""
        self._tell(made, "pending" if waits else "applying", begins, matched, bytes_s, until)
        self._live[made.plan] = _Live(made, until)

    def _fault_of_privacy(self, made: Plan) -> str:
        """What this worker's own configuration keeps, no record on the bus can take."""
        asked = {select.collection for select in made.select if select.emit != "stats"} - self._allow_raw
        if not asked:
            return ""
        return f"raw {', '.join(sorted(asked))} are not allowed by this worker's configuration (Tracer(allow_raw=...))"

    def _fault_of_change(self, made: Plan) -> str:
        """What the change would do to the job, by what its adapter says; a step that is over cannot be waited for."""
        then = self._selection_of([*self._others(made), made])
        fault = self._traits.fault(
            self.selection, then, min_step=made.min_step, allow_stall=made.allow_stall
        )  # fmt: skip
        if not fault and made.min_step and made.min_step <= self._step and self._traits.has_collectives:
            return f"min_step {made.min_step} is over: this worker has done {self._step} steps"
        return fault

    def _others(self, made: Plan) -> list[Plan]:
        return [live.plan for name, live in sorted(self._live.items()) if name != made.plan]

    def _fault_of_cost(self, made: Plan, matched: int, bytes_s: float) -> str:
        if made.select and not matched:
            wanted = ", ".join(sorted({select.collection for select in made.select}))
            return f"nothing that this worker can trace matches (asked for {wanted})"
        if matched > made.budget.max_tensors:
            return f"{matched} tensors match, budget.max_tensors is {made.budget.max_tensors}: choose fewer"
        if bytes_s > made.budget.max_bytes_s:
            return f"about {bytes_s:.0f} bytes/s, budget.max_bytes_s is {made.budget.max_bytes_s:.0f}: raise `every`"
        return ""

    def _tell(
        self, made: Plan, state: State, reason: str, matched: int = 0, bytes_s: float = 0.0, until: float = 0.0
    ) -> None:
        """Record a state; of the older revisions the one in force (now superseded) stays beside it."""
        live = self._live.get(made.plan)
        for key in [key for key in self._states if key[0] == made.plan]:
            if live is None or key[1] != live.plan.revision:
                del self._states[key]
            elif state not in ("rejected", "suspect", "pending"):
                self._states[key] = msgspec.structs.replace(
                    self._states[key], state="superseded", reason=f"by revision {made.revision}"
                )
        self._states[made.plan, made.revision] = PlanState(
            plan=made.plan, revision=made.revision, state=state, reason=reason, matched=matched, bytes_s=bytes_s,
            until=until, digest=digest_of(made),
        )  # fmt: skip

    def _end(self, name: str, reason: str) -> None:
        for one in (self._live.pop(name, None), self._tried.pop(name, None)):
            key = (name, one.plan.revision if one is not None else 0)
            if one is not None and key in self._states:
                self._states[key] = msgspec.structs.replace(self._states[key], state="expired", reason=reason)


def _suspicion(state: PlanState) -> str:
    """Why a plan may have killed a worker that said this last and no goodbye, or ""."""
    if state.state == "applying":
        return "the worker died while it applied this"
    if state.state == "applied" and not state.settled:
        return f"the worker died within {SETTLED_S:.0f} s or {SETTLED_STEPS} steps of this"
    return ""

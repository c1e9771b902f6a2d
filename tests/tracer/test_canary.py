"""A plan that compiles the step anew goes to one worker first, and to the others when it has gone well there."""

from __future__ import annotations

import pytest

from streamgauge.tracer import control
from streamgauge.tracer.selection import Select
from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import MemoryLog

BOOT = [Select(collection="metrics", every=1)]
SELECT = [Select(collection="weights", emit="raw", every=1)]


class Fleet:
    """Workers of one job on one bus, a step a second."""

    def __init__(self, *names: str, rebuilds: bool = True) -> None:
        self.now, self.log, self.rebuilds = 0.0, MemoryLog(), rebuilds
        self.tracers = {name: self.start(name) for name in names}
        self.run(3)

    def start(self, name: str, life: str = "1") -> Tracer:
        tracer = Tracer(
            "ctr", name, self.log, clock=lambda: self.now, select=BOOT, usage=False, incarnation=f"{name}.{life}"
        )
        tracer.tensors.traits.rebuilds = lambda now, then: self.rebuilds
        return tracer

    def run(self, steps: int) -> None:
        for _ in range(steps):
            for tracer in self.tracers.values():
                tracer.tensors.raw("weights", "dense", [1.0])
                tracer.step(loss=0.5)
                tracer.beat()
            self.now += 1.0

    def ask(self, revision: int = 1, expires: float = 1800.0, target: control.Target | None = None) -> None:
        made = control.plan("ctr", "debug", revision, issued=0.0, select=SELECT, expires=expires, target=target)
        self.log.send([("control", "ctr/debug", made)])

    def states(self) -> dict[str, str]:
        said = self.log.latest("status")
        found = {key[4:]: control.decode_status(value).plans for key, value in said.items()}
        return {name: plans[-1].state for name, plans in found.items() if plans}


def test_one_worker_tries_it_and_the_others_follow_after_a_hundred_good_steps() -> None:
    fleet = Fleet("c", "a", "b")
    fleet.ask()
    fleet.run(1)
    assert fleet.states() == {"a": "pending", "b": "pending", "c": "pending"}
    fleet.run(60)
    assert fleet.states() == {"a": "applied", "b": "pending", "c": "pending"}
    reasons = {control.decode_status(fleet.log.latest("status")[f"ctr/{name}"]).plans[-1].reason for name in "bc"}
    assert reasons == {"a tries it first"}
    fleet.run(60)
    assert fleet.states() == dict.fromkeys("abc", "applied")


def test_a_worker_alone_does_not_wait() -> None:
    fleet = Fleet("a")
    fleet.ask()
    fleet.run(2)
    assert fleet.states() == {"a": "applied"}


def test_a_plan_for_one_worker_only_does_not_wait() -> None:
    fleet = Fleet("a", "b")
    fleet.ask(target=control.Target(workers=("b",)))
    fleet.run(2)
    assert fleet.states() == {"a": "not-targeted", "b": "applied"}


def test_a_change_that_compiles_nothing_goes_to_all_at_once() -> None:
    fleet = Fleet("a", "b", rebuilds=False)
    fleet.ask()
    fleet.run(2)
    assert fleet.states() == {"a": "applied", "b": "applied"}


def test_a_worker_that_dies_of_it_is_passed_over_and_two_of_them_stop_it() -> None:
    fleet = Fleet("a", "b", "c")
    fleet.ask()
    fleet.run(20)
    for victim, others in (("a", {"b": "applied", "c": "pending"}), ("b", {"c": "rejected"})):
        fleet.tracers[victim] = fleet.start(victim, "2")  # it died without goodbye, soon after it had applied the plan
        fleet.run(12)
        assert fleet.states().items() >= {victim: "suspect", **others}.items()
    reason = control.decode_status(fleet.log.latest("status")["ctr/c"]).plans[-1].reason
    assert reason == "2 workers had trouble with it: a, b"


@pytest.mark.parametrize("ends", ["expired", "withdrawn", "newer"])
def test_what_waits_ends_as_what_holds_does(ends: str) -> None:
    fleet = Fleet("a", "b")
    fleet.ask(expires=30.0 if ends == "expired" else 1800.0)
    fleet.run(10)
    assert fleet.states() == {"a": "applied", "b": "pending"}
    if ends == "withdrawn":
        fleet.log.send([("control", "ctr/debug", b"")])
    elif ends == "newer":
        fleet.rebuilds = False
        fleet.ask(revision=2)
    fleet.run(30)
    assert fleet.states() == dict.fromkeys("ab", "applied" if ends == "newer" else "expired")
    assert not fleet.tracers["b"].selection.plans or ends == "newer"

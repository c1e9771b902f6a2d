"""Plans reach the workers they are for, are checked as a whole, expire, and are answered."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.tracer import arrays, control
from streamgauge.tracer.control import Budget, Entry, PlanError, PlanState, Select, Target
from streamgauge.tracer.plans import Plans
from streamgauge.tracer.selection import BOOT
from streamgauge.tracer.tracer import Tensor, Tracer
from streamgauge.tracer.transport import MemoryLog
from tests.waiting import until as wait

CATALOGUE = [Entry(name=f"dense_{i}/kernel", collection="weights", bytes=4000) for i in range(3)]
WEIGHTS = [Select(collection="weights", include="dense_1", every=1)]


def _plans(worker: str = "LGA", **options: object) -> Plans:
    return Plans("ctr", worker, BOOT, **options)  # type: ignore[arg-type]


def _topic(*values: bytes) -> dict[str, bytes]:
    return {control.key_of("ctr", control.decode_plan(value).plan): value for value in values}


def _debug(revision: int = 1, **options: object) -> bytes:
    merged = {"issued": 0.0, "select": WEIGHTS, **options}
    return control.plan("ctr", "debug", revision, **merged)  # type: ignore[arg-type]


def _only(plans: Plans) -> PlanState:
    (state,) = plans.states
    return state


def test_a_plan_is_applying_until_a_step_boundary_and_applied_after() -> None:
    plans = _plans()
    assert plans.consider(_topic(_debug()), 100.0, CATALOGUE, 1.0)
    assert (_only(plans).state, _only(plans).matched, _only(plans).until) == ("applying", 1, 1900.0)
    assert plans.selection.plans == ()
    plans.confirm(plans.wanted())
    assert _only(plans).state == "applied"
    assert plans.selection.plans == (("debug", 1),)
    assert plans.selection.takes("weights", "dense_1/kernel", 1)


def test_a_stale_revision_is_ignored() -> None:
    plans = _plans()
    plans.consider(_topic(_debug(5)), 0.0, CATALOGUE, 1.0)
    assert not plans.consider(_topic(_debug(4, off=True)), 1.0, CATALOGUE, 1.0)
    assert not plans.consider(_topic(_debug(5, off=True)), 1.0, CATALOGUE, 1.0)
    assert plans.wanted().plans == (("debug", 5),)
    assert not plans.wanted().off


def test_a_newer_revision_supersedes_the_older() -> None:
    plans = _plans()
    plans.consider(_topic(_debug(1)), 0.0, CATALOGUE, 1.0)
    plans.consider(_topic(_debug(2)), 1.0, CATALOGUE, 1.0)
    assert [(s.revision, s.state) for s in plans.states] == [(1, "superseded"), (2, "applying")]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"select": [Select(collection="weights", include="nothing")]}, "nothing that this worker can trace matches"),
        ({"select": [Select(collection="gradients")]}, "nothing that this worker can trace matches"),
        ({"select": [Select(collection="weights")], "budget": Budget(max_tensors=2)}, "3 tensors match"),
        ({"select": [Select(collection="weights", emit="raw", every=1)], "budget": Budget(max_bytes_s=100)}, "bytes/s"),
    ],
)
def test_a_rejected_plan_leaves_the_last_good_revision_in_force(options: dict[str, object], reason: str) -> None:
    plans = _plans()
    plans.consider(_topic(_debug(1)), 0.0, CATALOGUE, 1.0)
    plans.confirm(plans.wanted())
    assert plans.consider(_topic(_debug(2, **options)), 1.0, CATALOGUE, 1.0)
    assert [(s.revision, s.state) for s in plans.states] == [(1, "applied"), (2, "rejected")]
    assert reason in plans.states[1].reason
    assert plans.wanted().plans == (("debug", 1),)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"revision": 0}, "revision must be >= 1"),
        ({"expires": 0.0}, "expires must be in"),
        ({"expires": 90_000.0}, "expires must be in"),
        ({"select": ()}, "selects something or is off"),
        ({"select": (Select(collection="weights", include="(a+)+"),)}, "repeats a group"),
        ({"target": Target(fraction=1.5)}, "target.fraction"),
        ({"version": 2}, "plan version 2"),
        ({"plan": "a/b"}, "no '/'"),
    ],
)
def test_a_plan_that_nobody_would_take_is_not_even_made(change: dict[str, object], reason: str) -> None:
    made = msgspec.structs.replace(control.decode_plan(_debug()), **change)
    assert reason in control.fault_of_plan(made)


def test_the_constructor_refuses_what_no_worker_would_take() -> None:
    with pytest.raises(PlanError, match="expires"):
        _debug(expires=1e9)


@pytest.mark.parametrize(
    "value", [b"", b"{}", b"\xff\xfe", b'{"job":1}', b"[" * 5000, b"x" * 300_000, b'{"x":' + b"[" * 100_000]
)
def test_garbage_on_the_control_topic_is_rejected_once_with_its_reason(value: bytes) -> None:
    plans = _plans()
    assert plans.consider({"ctr/debug": value}, 0.0, CATALOGUE, 1.0)
    assert (_only(plans).state, bool(_only(plans).reason)) == ("rejected", True)
    assert not plans.consider({"ctr/debug": value}, 1.0, CATALOGUE, 1.0)


def test_a_record_under_a_foreign_key_is_rejected() -> None:
    plans = _plans()
    plans.consider({"ctr/other": _debug()}, 0.0, CATALOGUE, 1.0)
    assert "is for ctr/debug" in _only(plans).reason


def test_plans_of_other_jobs_do_not_concern_this_one() -> None:
    assert not _plans().consider({"ctrx/debug": _debug(), "other/debug": _debug()}, 0.0, CATALOGUE, 1.0)


def test_every_plan_expires_by_the_worker_s_clock_without_a_bus() -> None:
    plans = _plans()
    plans.consider(_topic(_debug(expires=60.0)), 1000.0, CATALOGUE, 1.0)
    assert not plans.expire(1059.9)
    assert plans.expire(1060.0)
    assert (_only(plans).state, plans.wanted().plans) == ("expired", ())
    assert plans.wanted().takes("weights", "dense_0/kernel", 10)  # the boot plan holds again
    assert not plans.consider(_topic(_debug(expires=60.0)), 1061.0, CATALOGUE, 1.0)


def test_a_tombstone_reverts_to_the_boot_plan() -> None:
    plans = _plans()
    plans.consider(_topic(_debug()), 0.0, CATALOGUE, 1.0)
    assert plans.consider({}, 1.0, CATALOGUE, 1.0)
    assert (_only(plans).state, _only(plans).reason, plans.wanted().plans) == ("expired", "withdrawn", ())


def test_off_beats_every_other_plan() -> None:
    plans = _plans()
    topic = _topic(_debug()) | {"ctr/kill": control.plan("ctr", "kill", 1, issued=0.0, off=True)}
    plans.consider(topic, 0.0, CATALOGUE, 1.0)
    assert plans.wanted().off
    assert not plans.wanted().takes("weights", "dense_1/kernel", 1)


@pytest.mark.parametrize(
    ("target", "is_for"),
    [
        (Target(), True), (Target(workers=("LGA", "JFK")), True), (Target(workers=("JFK",)), False),
        (Target(roles=("chief",)), True), (Target(roles=("ps",)), False), (Target(labels={"az": "b"}), True),
        (Target(labels={"az": "c"}), False), (Target(workers=("LGA",), roles=("ps",)), False),
        (Target(fraction=0.0), False),
    ],
)  # fmt: skip
def test_all_conditions_of_a_target_must_hold(target: Target, is_for: bool) -> None:
    plans = _plans(roles=("chief",), labels={"az": "b"})
    plans.consider(_topic(_debug(target=target)), 0.0, CATALOGUE, 1.0)
    assert _only(plans).state == ("applying" if is_for else "not-targeted")


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_a_larger_fraction_keeps_the_workers_of_a_smaller_one(a: float, b: float) -> None:
    small, large = sorted((a, b))
    chosen = [
        {w for w in map(str, range(50)) if control.is_targeted(Target(fraction=f), "debug", w, (), {})}
        for f in (small, large)
    ]
    assert chosen[0] <= chosen[1]


def test_a_restart_does_not_give_a_plan_a_second_life() -> None:
    first = _plans()
    first.consider(_topic(_debug(expires=60.0)), 1000.0, CATALOGUE, 1.0)
    said = control.Status(job="ctr", worker="LGA", incarnation="a", time=1000.0, plans=first.states, state="stopped")
    for now, state, until in ((1030.0, "applying", 1060.0), (1070.0, "expired", 1060.0)):
        again = _plans()
        again.remember(control.decode_status(control.encode(said)))
        again.consider(_topic(_debug(expires=60.0)), now, CATALOGUE, 1.0)
        assert (_only(again).state, _only(again).until) == (state, until)


def test_the_next_revision_is_above_all_that_either_topic_knows() -> None:
    said = control.encode(control.Status(
        job="ctr", worker="LGA", incarnation="a", time=0.0,
        plans=(PlanState(plan="debug", revision=7, state="expired"), PlanState(plan="x", revision=9, state="applied")),
    ))  # fmt: skip
    assert control.next_revision("ctr", "debug", {"ctr/debug": _debug(3)}, {"ctr/LGA": said}) == 8
    assert control.next_revision("ctr", "new", {}, {}) == 1


def test_an_unreadable_status_or_plan_does_not_stop_the_next_plan() -> None:
    plans = (PlanState(plan="debug", revision=7, state="applied"),)
    said = control.encode(control.Status(job="ctr", worker="LGA", incarnation="a", time=0.0, plans=plans))
    assert control.next_revision("ctr", "debug", {"ctr/debug": b"\xc1"}, {"ctr/EWR": b"\xc1", "ctr/LGA": said}) == 8


@given(st.binary(max_size=200))
def test_decoders_refuse_garbage_with_one_error(data: bytes) -> None:
    for decode in (control.decode_plan, control.decode_status, control.decode_catalogue):
        with pytest.raises(PlanError):
            decode(data)


class _Job:
    """Two workers on one bus, in stream time."""

    def __init__(self, workers: Sequence[str] = ("LGA", "JFK")) -> None:
        self.now = 0.0
        self.log = MemoryLog()
        self.tracers = {
            worker: Tracer("ctr", worker, self.log, clock=lambda: self.now, incarnation="a", usage=False)
            for worker in workers
        }

    def run(self, steps: int) -> None:
        kernel = np.ones((2, 3))
        for _ in range(steps):
            self.now += 1.0
            for tracer in self.tracers.values():
                tracer.step(0.5, rows=8, tensors={"dense/kernel": Tensor(kernel, kernel, kernel)})
                tracer.beat()

    def status(self, worker: str) -> control.Status:
        return control.decode_status(self.log.latest("status")[f"ctr/{worker}"])

    def raw(self, worker: str) -> list[arrays.Chunk]:
        chunks = [arrays.decode(message.value) for message in self.log.read("tensors", 0, 1000)]
        return [chunk for chunk in chunks if chunk.worker == worker]


def test_a_plan_changes_the_targeted_worker_only_and_both_answer() -> None:
    job = _Job()
    job.run(3)
    catalogue = control.decode_catalogue(job.log.latest("catalogue")["ctr/LGA"])
    assert ("dense/kernel", "gradients") in {(entry.name, entry.collection) for entry in catalogue.entries}
    select = [Select(collection="gradients", include="kernel", emit="raw", every=2)]
    made = control.plan("ctr", "debug", 1, issued=job.now, select=select, target=Target(workers=("LGA",)), expires=10.0)
    job.log.send([("control", "ctr/debug", made)])
    job.run(6)
    assert [(s.state, s.matched) for s in job.status("LGA").plans] == [("applied", 1)]
    assert [s.state for s in job.status("JFK").plans] == ["not-targeted"]
    assert {chunk.step for chunk in job.raw("LGA")} == {6, 8}
    assert arrays.assemble([msgspec.msgpack.encode(job.raw("LGA")[0])]).tolist() == [[1.0] * 3] * 2
    assert job.raw("JFK") == []
    job.run(10)
    assert [s.state for s in job.status("LGA").plans] == ["expired"]
    assert max(chunk.step for chunk in job.raw("LGA")) <= 14


def test_off_says_goodbye_and_the_way_back_is_a_new_incarnation() -> None:
    job = _Job(("LGA",))
    job.run(2)
    job.log.send([("control", "ctr/kill", control.plan("ctr", "kill", 1, issued=0.0, off=True, expires=5.0))])
    job.run(4)
    assert (job.status("LGA").state, job.status("LGA").plans[0].state) == ("off", "applied")
    sent = job.log.end("traces")
    job.run(1)
    assert job.log.end("traces") == sent
    job.run(5)
    assert (job.status("LGA").state, job.status("LGA").incarnation) == ("running", "a+1")
    assert job.log.end("traces") > sent


def _after_a_death(said: Sequence[PlanState], **status: object) -> Plans:
    """A worker that starts where its last life said this."""
    last = control.Status(job="ctr", worker="LGA", incarnation="a", time=0.0, plans=tuple(said), **status)  # type: ignore[arg-type]
    again = _plans()
    again.remember(control.decode_status(control.encode(last)))
    again.consider(_topic(_debug()), 0.0, CATALOGUE, 1.0)
    return again


@pytest.mark.parametrize(
    ("state", "settled", "goodbye", "found"),
    [
        ("applying", False, False, "suspect"), ("applied", False, False, "suspect"),
        ("applied", True, False, "applying"), ("applied", False, True, "applying"),
        ("applying", False, True, "applying"),
    ],
)  # fmt: skip
def test_a_plan_that_a_worker_may_have_died_of_is_not_taken_again(
    state: str, settled: bool, goodbye: bool, found: str
) -> None:
    said = PlanState(plan="debug", revision=1, state=state, until=900.0, settled=settled)  # type: ignore[arg-type]
    again = _after_a_death([said], state="stopped" if goodbye else "running")
    assert _only(again).state == found
    assert again.wanted().plans == ((("debug", 1),) if found == "applying" else ())
    again.consider(_topic(_debug(2)), 1.0, CATALOGUE, 1.0)
    assert again.wanted().plans == (("debug", 2),)


def test_a_plan_settles_after_both_its_steps_and_its_seconds() -> None:
    plans = _plans()
    plans.consider(_topic(_debug()), 0.0, CATALOGUE, 1.0)
    plans.confirm(plans.wanted())
    for now, steps, settled in ((0.0, 100, False), (61.0, 299, False), (59.0, 400, False), (61.0, 300, True)):
        plans.settle(now, steps)
        assert _only(plans).settled == settled


def test_raw_inputs_are_refused_unless_the_worker_s_own_configuration_allows_them() -> None:
    catalogue = [*CATALOGUE, Entry(name="age", collection="inputs")]
    raw = [Select(collection="inputs", emit="raw")]
    for allowed, state in ((("weights",), "rejected"), (("weights", "inputs"), "applying")):
        plans = _plans(allow_raw=allowed)
        plans.consider(_topic(_debug(select=raw)), 0.0, catalogue, 1.0)
        assert _only(plans).state == state
        assert ("allow_raw" in _only(plans).reason) == (state == "rejected")


def test_the_same_request_has_the_same_digest_and_another_another() -> None:
    one, same, other = (control.decode_plan(p) for p in (_debug(1), _debug(2, author="me"), _debug(1, off=True)))
    assert control.digest_of(one) == control.digest_of(same) != control.digest_of(other)


class _Gated(MemoryLog):
    """Takes nothing while it is shut."""

    is_open = True

    def send(self, messages: Sequence[tuple[str, str, bytes]]) -> None:
        if not self.is_open:
            raise ConnectionError("not now")
        super().send(messages)


def test_a_plan_begins_only_when_the_bus_knows_that_it_is_about_to() -> None:
    log = _Gated()
    tracer = Tracer("ctr", "LGA", log, usage=False, incarnation="a")
    kernel = np.ones((2, 3))

    def step() -> bool:
        tracer.step(0.5, rows=8, tensors={"dense/kernel": Tensor(kernel, kernel, kernel)})
        return tracer.selection.plans == (("debug", 1),)

    wait(lambda: not step() and "ctr/LGA" in log.latest("catalogue"))
    made = control.plan("ctr", "debug", 1, issued=0.0, select=[Select(collection="gradients", every=3)])
    log.send([("control", "ctr/debug", made)])
    log.is_open = False
    wait(lambda: not step() and tracer._worker.life.remote._announced is not None)
    assert not step()
    log.is_open = True
    wait(step)
    tracer.close()
    said = [control.decode_status(message.value) for message in log.read("status", 0, 1000)]
    assert said[-1].state == "stopped"

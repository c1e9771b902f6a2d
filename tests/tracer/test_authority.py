"""Plans that are not signed, made for another graph or from the future are refused, and training goes on."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from streamgauge.tracer import control
from streamgauge.tracer.authority import AHEAD, graph_of, key_in, signed
from streamgauge.tracer.control import Plan, PlanState
from streamgauge.tracer.plans import Plans
from streamgauge.tracer.selection import BOOT, Entry, Select
from streamgauge.tracer.tracer import Tensor, Tracer
from streamgauge.tracer.transport import MemoryLog

KEY = b"correct horse"
WEIGHTS = [Entry(name=name, collection="weights", shape=(4, 2), dtype="float32", bytes=32) for name in ("a", "b")]
OTHERS = [Entry(name="a", collection="weights", shape=(4, 3), dtype="float32", bytes=48)]


def state_of(
    key: bytes = b"", now: float = 0.0, *, has_clock: bool = True, change: Callable[[Plan], Plan] = lambda made: made,
    sign: bytes = b"", graph: str = "", issued: float = 0.0,
) -> PlanState:  # fmt: skip
    """What a worker says of a plan that `change` altered on its way."""
    plans = Plans("ctr", "w", BOOT, key=key)
    select = [Select(collection="weights", every=5)]
    value = control.plan(
        "ctr", "p", 1, issued=issued, select=select, graph=graph, sign=lambda made: change(signed(made, sign))
    )
    plans.consider({"ctr/p": value}, now, WEIGHTS, 1.0, has_clock=has_clock)
    (state,) = plans.states
    return state


def test_a_worker_with_a_key_takes_what_is_signed_with_it() -> None:
    assert state_of(KEY, sign=KEY).state == "applying"


@pytest.mark.parametrize(
    ("sign", "change", "reason"),
    [
        (b"", lambda made: made, "it is not signed"),
        (b"wrong", lambda made: made, "its signature is of another key or text"),
        (KEY, lambda made: msgspec.structs.replace(made, expires=86_400.0), "its signature is of another key or text"),
        (KEY, lambda made: msgspec.structs.replace(made, signature="\u00e9"), "another key or text"),
    ],
)  # fmt: skip
def test_what_is_not_signed_with_it_or_was_changed_is_refused(
    sign: bytes, change: Callable[[Plan], Plan], reason: str
) -> None:
    state = state_of(KEY, sign=sign, change=change)
    assert (state.state, state.reason.partition(":")[0]) == ("rejected", "unauthorised")
    assert reason in state.reason


def test_a_worker_without_a_key_takes_signed_and_unsigned_plans() -> None:
    assert state_of(sign=KEY).state == state_of().state == "applying"


def test_a_plan_that_is_bound_to_a_graph_is_for_no_other() -> None:
    assert state_of(graph=graph_of(WEIGHTS)).state == "applying"
    state = state_of(graph=graph_of(OTHERS))
    assert state.state == "rejected"
    assert state.reason.startswith(f"another_graph: made for the graph {graph_of(OTHERS)}, this worker's is ")


def test_a_graph_is_told_by_its_weights_in_any_order_and_by_nothing_else() -> None:
    activations = [Entry(name="relu", collection="activations")]
    assert graph_of(WEIGHTS) == graph_of([*activations, *reversed(WEIGHTS)])
    assert graph_of(activations) == ""


@pytest.mark.parametrize(
    ("issued", "has_clock", "state"),
    [(1000.0 + AHEAD, True, "applying"), (1001.0 + AHEAD, True, "rejected"), (1e9, False, "applying")],
)
def test_a_plan_from_the_future_is_refused_where_the_worker_has_a_clock_of_its_own(
    issued: float, has_clock: bool, state: str
) -> None:
    found = state_of(now=1000.0, issued=issued, has_clock=has_clock)
    assert found.state == state
    assert found.reason.startswith("from_the_future") is (state == "rejected")


def test_the_key_of_the_environment_is_the_worker_s_and_training_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMGAUGE_PLAN_KEY", " correct horse\n")
    log, now = MemoryLog(), [10.0]
    tracer = Tracer("ctr", "w", log, clock=lambda: now[0], usage=False)

    def answer(revision: int, key: bytes) -> str:
        select = [Select(collection="weights", every=1)]
        value = control.plan(
            "ctr", "p", revision, issued=0.0, select=select, sign=lambda made: signed(made, key)
        )
        log.send([("control", "ctr/p", value)])
        for _ in range(2):
            tracer.step(loss=0.5, tensors={"a": Tensor(weight=[1.0, 2.0])})
            now[0] += 10.0
            tracer.beat()
        said = control.decode_status(log.latest("status")["ctr/w"])
        return next(one.state for one in said.plans if one.revision == revision)

    assert answer(1, b"") == "rejected"
    assert answer(2, key_in({"STREAMGAUGE_PLAN_KEY": "correct horse"})) == "applied"
    assert not {name for name in tracer.counters if name.startswith("fault")}
    assert control.decode_catalogue(log.latest("catalogue")["ctr/w"]).graph

"""Versions of state: every old one is brought to today's form step by step, others are refused with both numbers."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from random import Random

import msgspec
import pytest

from streamgauge.anomaly.types import Anomaly
from streamgauge.pipelines.config.schema import Config, JobConfig
from streamgauge.pipelines.engines.keyed import Keyed
from streamgauge.pipelines.engines.parts import combiner_of, operator_of
from streamgauge.pipelines.paging.feedback import FeedbackLoop
from streamgauge.pipelines.paging.pager import Pager
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.states import FORMS, Form, StateVersionError, current, written
from streamgauge.tracer.records import Tick
from tests.pipelines.paging import test_feedback
from tests.pipelines.stream.logs import script, shard_outputs, without_configuration
from tests.places import ROOT, TESTS

GOLDEN = TESTS / "pipelines" / "stream" / "golden"
JOB = JobConfig(name="j")
SHARDED = JobConfig(name="j", shards=2)
MADE: dict[str, Callable[[], Keyed]] = {
    "operator": lambda: operator_of(JOB, 0),  # with the second stage, the evaluator, the watches and the scorer in it
    "combiner": lambda: combiner_of(SHARDED),
    "pager": lambda: Pager(Config(jobs=(JOB,))),
    "verdicts": lambda: FeedbackLoop(test_feedback.JOB),
}


def test_steps_are_taken_one_after_the_other() -> None:
    forms = {"pager": Form(4, {2: lambda old: [3, *old[1:], "b"], 3: lambda old: [4, *old[1:], "c"]})}
    for version, expected in ((2, [4, "a", "b", "c"]), (3, [4, "a", "c"]), (4, [4, "a"])):
        state = msgspec.msgpack.encode([version, "a"])
        assert msgspec.msgpack.decode(current("pager", state, forms)) == expected


@pytest.mark.parametrize("version", [-1, 0, 1, 5, 99])
def test_a_version_that_no_step_starts_from_is_refused_with_what_can_be_read(version: int) -> None:
    forms = {"pager": Form(4, {0: lambda old: old, 2: lambda old: old, 3: lambda old: old})}
    text = f"the state of the pager has version {version}, this release reads versions 2 to 4; start the"
    with pytest.raises(StateVersionError, match=text):
        current("pager", msgspec.msgpack.encode([version, "a"]), forms)


@pytest.mark.parametrize("state", [b"", b"\xc1", b"\x90", b"\x05", b"\x91\xa1a", b'{"version": 1}'])
def test_what_is_no_state_is_refused(state: bytes) -> None:
    with pytest.raises(StateVersionError, match="the state of the operator cannot be read"):
        current("operator", state)


def test_every_kind_that_the_code_keeps_has_a_form() -> None:
    of_state = re.compile(r"\b(?:encoded|decoded|written|packed|states\.read|unpacked)\(\s*\"([a-z ]+)\"")
    found = {kind for path in (ROOT / "pipelines").rglob("*.py") for kind in of_state.findall(path.read_text("utf-8"))}
    assert len(found) > 30
    assert found - {"ctr"} <= set(FORMS), "`ctr` is a doctest's"


def test_every_form_reads_what_it_writes_and_its_steps_have_no_gap() -> None:
    for kind, form in FORMS.items():
        assert sorted(form.steps) == list(range(form.version - len(form.steps), form.version)), kind
        state = msgspec.msgpack.encode([form.version])
        assert current(kind, state) is state


@pytest.mark.parametrize(
    ("kind", "version"), [(kind, version) for kind in MADE for version in range(1, written(kind) + 1)]
)
def test_a_state_of_every_version_is_restored_whole_and_goes_on(kind: str, version: int) -> None:
    state, rest = msgspec.msgpack.decode(_golden(kind, version).read_bytes(), type=tuple[bytes, list[bytes]])
    one, other = MADE[kind](), MADE[kind]()
    one.restore(state)
    if version == written(kind):
        assert without_configuration(one.snapshot()) == without_configuration(state)
    other.restore(one.snapshot())
    said = [output.value for output in one.on_records(rest)]
    assert said and said == [output.value for output in other.on_records(rest)]


def _golden(kind: str, version: int) -> Path:
    return GOLDEN / f"{kind.replace(' ', '-')}-{version}.msgpack"


def write(kind: str) -> None:
    """Write the golden file of this version; only for a new one."""
    log = _log(kind)
    cut = len(log) * 2 // 3
    made = MADE[kind]()
    made.on_records(log[:cut])
    _golden(kind, written(kind)).write_bytes(msgspec.msgpack.encode((made.snapshot(), log[cut:])))


def _log(kind: str) -> list[bytes]:
    if kind == "pager":
        return _anomalies()
    if kind == "verdicts":
        series = [test_feedback.key(feature) for feature in ("a", "b", "c")]
        paged = [test_feedback.told(one.entity, test_feedback.alert(one)) for one in series]
        return [*paged, *(test_feedback.said(one.entity, time=float(i)) for i, one in enumerate(series))]
    config = SHARDED if kind == "combiner" else JOB
    plan, chance = script(Random(3), config, panes=36), Random(4)
    if kind == "operator":
        return plan.log(chance)
    shipped = shard_outputs(plan, chance)
    return [value for several in itertools.zip_longest(*shipped) for value in several if value is not None]


def _anomalies() -> list[bytes]:
    found: list[bytes] = []
    for number in range(1, 20):
        found.append(outputs.encode(Anomaly(
            kind="fact", job="j", worker=f"w{number}", domain="system", entity="", metric="missing",
            severity="page", start=60.0 * number, time=60.0 * number, score=1e9, text="no record", number=number,
        )))  # fmt: skip
        found.append(outputs.encode(Tick(job="j", time=60.0 * number)))
    return found

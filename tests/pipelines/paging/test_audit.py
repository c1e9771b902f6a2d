"""The audit: every decision, notification and action, told under the name of who did it, in order of time."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.anomaly.types import Matcher
from streamgauge.pipelines.config.schema import JobConfig
from streamgauge.pipelines.paging import actions, audit
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.outputs import Change
from streamgauge.tracer.records import Feedback
from streamgauge.tracer.selection import Select
from streamgauge.tracer.transport import MemoryLog

JOB = JobConfig(name="ctr")


def audit_row(change: Change) -> dict[str, Any]:
    return {name: getattr(change, name) for name in ("job", "worker", "name", "time", "text")}


def kept(bus: MemoryLog) -> list[dict[str, Any]]:
    """What people did, as the store would answer it."""
    kinds = outputs.kinds_of(Change, Feedback)
    said = [outputs.decode(message.value, kinds) for message in bus.read("alerts", 0, 100)]
    return [audit_row(one) for one in said if isinstance(one, Change)]


def test_every_action_of_a_person_is_one_line() -> None:
    bus = MemoryLog()
    actions.acknowledge(bus, "ctr", "n1", 10.0, "ada", "on it")
    actions.silence(bus, "ctr", [Matcher("worker", "w1")], 0.0, 99.0, "ben", "backfill", "s1", now=20.0)
    actions.unsuppress(bus, "ctr", "e1", 30.0, "ada")
    actions.feedback(bus, JOB, "n1", "expected", 40.0, "ada", "holiday")
    actions.change(bus, JOB, "deployed", "ranker 41", 50.0, "ci")
    actions.override(bus, JOB, "checked by hand", 60.0, "eve")
    actions.trace(bus, "ctr", [Select(collection="gradients", include="dense")], 70.0, author="ada", reason="NaN")
    actions.trace(bus, "ctr", [], 80.0, author="ada", off=True)
    found = [
        (line["time"], line["who"], line["what"], line["about"], line["text"]) for line in audit.lines([], kept(bus))
    ]
    assert found == [
        (10.0, "ada", "ack", "n1", "on it"),
        (20.0, "ben", "silence", "s1", "until 99: worker=w1 (backfill)"),
        (30.0, "ada", "unsuppress", "e1", ""),
        (40.0, "ada", "feedback", "n1", "expected (holiday)"),
        (50.0, "ci", "deployed", "", "ranker 41"),
        (60.0, "eve", "gate_override", "", "checked by hand"),
        (70.0, "ada", "trace", "on-call/1", "gradients dense (NaN)"),
        (80.0, "ada", "stop tracing", "on-call/2", ""),
    ]


def test_what_is_refused_is_no_action() -> None:
    bus = MemoryLog()
    with pytest.raises(actions.ActionError, match="needs its author"):
        actions.override(bus, JOB, "why not", 0.0, " ")
    with pytest.raises(actions.ActionError, match="has 1-2000 characters of reason"):
        actions.override(bus, JOB, "", 0.0, "ada")
    with pytest.raises(actions.ActionError, match="silence lasts"):
        actions.silence(bus, "ctr", [Matcher("worker", "w")], 9.0, 1.0)
    assert bus.read("alerts", 0, 10) == bus.read("traces", 0, 10) == []


def test_an_action_and_its_change_are_one_line_and_what_happened_by_itself_another() -> None:
    changes = [
        {"job": "ctr", "worker": "", "name": "ack", "time": 1.0, "text": "n1 by ada"},
        {"job": "ctr", "worker": "", "name": "deployed", "time": 2.0, "text": "ci: ranker 41"},
        {"job": "ctr", "worker": "w1", "name": "pushed", "time": 3.0, "text": "41"},
        *(audit_row(audit.acted("ctr", *one)) for one in ((1.0, "ada", "ack", "n1"), (2.0, "ci", "deployed", ""))),
    ]
    assert [(line["who"], line["what"]) for line in audit.lines([], changes)] == [
        ("ada", "ack"), ("ci", "deployed"), ("worker w1", "pushed"),
    ]  # fmt: skip


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_no_name_passes_for_another(who: str, about: str, text: str) -> None:
    try:
        (who + about).encode()
    except UnicodeEncodeError:
        return
    (line,) = audit.lines([], [audit_row(audit.acted("ctr", 1.0, who, "ack", about, text))])
    assert (line["who"], line["about"], line["text"]) == (who, about, text)


def test_a_csv_has_every_column_and_no_formula() -> None:
    rows = audit.lines([], [audit_row(audit.acted("ctr", 1.5, "ada", "ack", "n1", '=cmd|"x"!A1\nmore'))])
    (found,) = csv.DictReader(io.StringIO("".join(audit.as_csv(rows))))
    assert tuple(found) == audit.COLUMNS
    assert (found["time"], found["who"], found["text"]) == ("1.5", "ada", '\'=cmd|"x"!A1\nmore')


def test_a_log_on_disk_takes_the_action_and_its_line_together(tmp_path: Path) -> None:
    from streamgauge.tracer.local.log import LocalLog

    log = LocalLog(tmp_path / "log.db")
    actions.acknowledge(log, "ctr", "n1", 10.0, "ada")
    assert [len(log.read(topic, 0, 10)) for topic in ("anomalies", "alerts")] == [1, 1]
    log.close()

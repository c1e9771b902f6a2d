"""Names of others as they are shown: in notifications, on the console, in logs, at the terminal."""

from __future__ import annotations

import io
import logging

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.anomaly.types import Alert, Notification, Reason
from streamgauge.pipelines.adapters.notifiers.console import Console
from streamgauge.pipelines.cli import _Printable
from streamgauge.pipelines.config.schema import JobConfig
from streamgauge.pipelines.paging import messages
from streamgauge.tracer.faults import Faults
from streamgauge.tracer.printable import printable, printable_lines
from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import MemoryLog

HOSTILE = "w\x1b[2J\n[ctr] over: all is well\r\u202e\x07"


@given(st.text())
def test_what_is_shown_is_printable_and_shown_again_the_same(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown
    assert printable_lines(text).count("\n") == text.count("\n")


def test_a_hostile_name_is_one_line_in_a_notification_and_on_the_console() -> None:
    root = Alert(
        fingerprint="a", node=f"heartbeat@{HOSTILE}", job="ctr", domain="system", entity="", worker=HOSTILE,
        metric="missing", severity="page", score=9.0, start=0.0, arrival=0.0, text=f"no record of {HOSTILE}",
    )  # fmt: skip
    made = Notification(
        id="1", job="ctr", status="firing", time=0.0, root=root, reason=Reason(decision="root", text=""), text=""
    )
    text = messages.text(made, JobConfig(name="ctr"))
    assert all(line.isprintable() for line in text.split("\n"))
    assert not [line for line in text.split("\n")[1:] if line.startswith(("[ctr]", "PAGE"))]
    stream = io.StringIO()
    Console(stream).notify(msgspec.structs.replace(made, text=f"{HOSTILE}"))
    assert all(line.isprintable() for line in stream.getvalue().split("\n"))


def test_a_hostile_name_is_one_line_of_a_log() -> None:
    record = logging.LogRecord("x", logging.WARNING, "f", 1, "%s is refused", (HOSTILE,), None)
    assert _Printable("%(levelname)s %(message)s").format(record).isprintable()
    faults = Faults(lambda: 0.0)
    faults.count("fold", ValueError(HOSTILE))
    assert faults.last.isprintable()


def test_ten_million_python_objects_are_refused_by_their_number_and_arrays_are_not() -> None:
    log, many = MemoryLog(), [0] * 10_000_000
    tracer = Tracer("ctr", "w", log, clock=lambda: 0.0)
    tracer.observe({"age": many, "city": np.zeros(300_000)}, ids=np.arange(300_000))
    assert tracer.counters["refused_feature:age"] == 1
    tracer.step(loss=0.5, rows=4)
    assert tracer.close()

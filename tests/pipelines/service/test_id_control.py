"""The share of ids that workers keep follows their rate: from records to the choice, over `control`, to all workers."""

from __future__ import annotations

import msgspec
import numpy as np

from streamgauge.pipelines.adapters.http.traces import traced_by
from streamgauge.pipelines.config.schema import JobConfig, WindowSpec
from streamgauge.pipelines.engines.parts import operator_of
from streamgauge.pipelines.service.id_control import IdControl
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.outputs import Change
from streamgauge.tracer import codec, summaries
from streamgauge.tracer.records import Tick, TraceBatch
from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import MemoryLog

PANE = 10.0
SHORT = WindowSpec(name="short", kind="short", length=30.0, slide=30.0)


class Loop:
    """Workers of one job, its operator, and what goes on to `control`."""

    def __init__(self, *given: int, rows: int = 20_000, **job: object) -> None:
        self.log, self.now, self.rows, self.read = MemoryLog(), 0.0, rows, 0
        self.operator = operator_of(JobConfig(name="ctr", pane=PANE, windows=(SHORT,), **job), 0)  # type: ignore[arg-type]
        self.control, self.changes = IdControl(self.log), list[Change]()
        self.workers = [
            Tracer("ctr", f"w{i}", self.log, clock=lambda: self.now, pane=PANE, modulus=modulus, usage=False)
            for i, modulus in enumerate(given)
        ]
        self.used: dict[float, set[int]] = {}  # moduli by pane
        self.kept: dict[float, int] = {}  # ids by pane

    def pane(self) -> None:
        """All workers train on a pane of rows, and its records reach the operator."""
        start = self.now
        self.now = start + PANE / 2
        for worker in self.workers:
            ids = np.arange(self.rows) + int(start) * self.rows
            worker.step(0.1, ids=ids, labels=np.zeros(self.rows), predictions=np.full(self.rows, 0.1))
        self.now = start + PANE
        for worker in self.workers:
            worker.idle()
            worker.flush()
        sent = self.log.read("traces", self.read, 1000)
        self.read += len(sent)
        for record in [codec.decode(message.value) for message in sent]:
            self._note(record)
        tick = codec.encode(Tick(job="ctr", time=self.now))
        for output in self.operator.on_records([*(message.value for message in sent), tick]):
            if output.topic == "scores" and isinstance(said := outputs.decode(output.value, outputs.KINDS), Change):
                self.changes += [said] if said.name == "ids" else []
                self.control.note(said)
        self.control.step()

    def _note(self, record: object) -> None:
        assert isinstance(record, TraceBatch)
        for sketch in record.sketches:
            if sketch.kind == "ids":
                ids = summaries.decode(sketch)
                self.used.setdefault(record.pane, set()).add(ids.modulus)  # type: ignore[attr-defined]
                self.kept[record.pane] = self.kept.get(record.pane, 0) + len(ids.hashes)  # type: ignore[attr-defined]


def test_workers_of_many_ids_keep_a_share_from_the_same_pane_on_and_what_is_kept_is_bounded() -> None:
    loop = Loop(0, 0)
    for _ in range(20):
        loop.pane()
    (change,) = loop.changes
    assert change.text.startswith("one id in 4 is kept")
    for pane, used in loop.used.items():
        assert used == ({1} if pane < change.time else {4}), pane
    assert change.time >= 90.0  # there was time to read it
    assert traced_by(loop.log, "ctr")["ids"] == {"version": 1, "modulus": 4, "start": change.time}
    assert max(kept for pane, kept in loop.kept.items() if pane >= change.time) < 16_384


def test_a_choice_that_nobody_hears_is_said_again_after_ever_longer_times() -> None:
    loop = Loop(1, 1)  # these were told by their job
    for _ in range(60):
        loop.pane()
    gaps = np.diff([change.time for change in loop.changes])
    assert len(gaps) >= 2
    assert (gaps[1:] > gaps[:-1] + 50.0).all()
    assert {modulus for used in loop.used.values() for modulus in used} == {1}


def test_few_ids_are_all_kept_and_a_declared_modulus_is_left_alone() -> None:
    for loop in (Loop(0, rows=100), Loop(0, duplicate_modulus=1)):
        for _ in range(8):
            loop.pane()
        assert not loop.changes


def test_the_choice_survives_a_restart_of_the_operator() -> None:
    loop = Loop(0, 0)
    for _ in range(20):
        if int(loop.now) % 30 == 0:
            again = operator_of(loop.operator.config, 0)
            again.restore(loop.operator.snapshot())
            loop.operator = again
        loop.pane()
    assert len(loop.changes) == 1


def test_a_worker_takes_no_choice_that_is_none() -> None:
    loop = Loop(0)
    for value in (b"{", b'{"modulus": 3, "start": 0}', b'{"modulus": 8, "start": 0, "version": 9}', b"[1]"):
        loop.log.send([("control", "ctr", value)])
        loop.pane()
    loop.pane()
    assert {modulus for used in loop.used.values() for modulus in used} == {1}
    loop.log.send([("control", "ctr", msgspec.json.encode({"modulus": 8, "start": 0}))])
    for _ in range(3):  # read in the first, held from the pane that begins behind it
        loop.pane()
    assert loop.used[max(loop.used)] == {8}

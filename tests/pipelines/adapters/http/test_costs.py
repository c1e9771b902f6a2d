"""The cost of a plan before it is applied: the workers' own check on their own catalogues."""

from __future__ import annotations

from streamgauge.pipelines.adapters.http.costs import estimate, steps_of
from streamgauge.tracer import codec, control
from streamgauge.tracer.records import TraceBatch
from streamgauge.tracer.selection import Budget, Entry, Select
from streamgauge.tracer.transport import MemoryLog
from tests.pipelines.adapters.http.test_server import Running, running

__all__ = ["running"]
ENTRIES = (
    Entry(name="dense/kernel", collection="weights", shape=(100, 10), dtype="float32", bytes=4000),
    Entry(name="dense/bias", collection="weights", shape=(10,), dtype="float32", bytes=40),
    Entry(name="dense/kernel", collection="gradients", shape=(100, 10), dtype="float32", bytes=4000),
)


def list_entries(log: MemoryLog, *workers: str, job: str = "a") -> None:
    for worker in workers:
        value = control.Catalogue(job=job, worker=worker, incarnation="i", entries=ENTRIES)
        log.send([("catalogue", control.key_of(job, worker), control.encode(value))])


def step(log: MemoryLog, worker: str, pane: float, first: int, last: int) -> None:
    batch = TraceBatch(
        job="a", worker=worker, incarnation="i", sequence=1, pane=pane, pane_length=10.0, interval=10.0,
        watermark=pane, step_first=first, step_last=last,
    )  # fmt: skip
    log.send([("traces", "a", codec.encode(batch))])


def test_raw_arrays_cost_their_bytes_at_the_workers_speed() -> None:
    log = MemoryLog()
    list_entries(log, "w1", "w2")
    step(log, "w1", 0.0, 1, 10)
    step(log, "w1", 10.0, 11, 30)
    step(log, "w1", 10.0, 31, 60)
    assert steps_of(log, "a") == {"w1": 5.0}
    found = estimate(log, "a", [Select(collection="weights", emit="raw", every=10)], [], Budget())
    assert (found["fault"], found["matched"], found["names"]) == ("", 2, ["dense/bias", "dense/kernel"])
    assert [(one["worker"], one["bytes_s"]) for one in found["workers"]] == [("w1", 2020.0), ("w2", 404.0)]


def test_a_budget_and_an_empty_match_are_told_before_a_worker_refuses() -> None:
    log = MemoryLog()
    list_entries(log, "w1")
    dear = estimate(log, "a", [Select(collection="weights", emit="raw", every=1)], [], Budget(max_bytes_s=100.0))
    assert dear["workers"][0]["fault"] == "about 4040 bytes/s, the budget is 100"
    none = estimate(log, "a", [Select(collection="weights", include="^conv")], [], Budget())
    assert none["workers"][0]["fault"] == "nothing that this worker can trace matches"


def test_only_the_chosen_workers_of_the_job_count() -> None:
    log = MemoryLog()
    list_entries(log, "w1", "w2")
    list_entries(log, "w3", job="b")
    log.send([("catalogue", "a/broken", b"{")])
    found = estimate(log, "a", [Select(collection="weights")], ["w2", "w3"], Budget())
    assert [one["worker"] for one in found["workers"]] == ["w2"]


def test_a_pattern_that_could_take_for_ever_is_a_fault_and_is_not_matched(running: Running) -> None:
    list_entries(running.log, "w1")
    asked = {"select": [{"collection": "weights", "include": "(a+)+$"}]}
    status, found, _ = running.ask("/api/jobs/a/trace/cost", asked)
    assert (status, found["workers"]) == (200, [])
    assert "for ever" in found["fault"]


def test_asking_for_the_cost_changes_nothing(running: Running) -> None:
    list_entries(running.log, "w1")
    running.ask("/api/jobs/a/trace/cost", {"select": [{"collection": "weights"}]})
    assert running.log.end("control") == 0

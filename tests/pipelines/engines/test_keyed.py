"""The consumer behind every key: what a stream of records that an operator cannot take costs."""

from __future__ import annotations

import pytest

from streamgauge.pipelines.config.schema import Config, JobConfig
from streamgauge.pipelines.engines.keyed import KeyedConsumer, Route
from streamgauge.pipelines.engines.partition import Commit, Partition
from streamgauge.pipelines.engines.routing import Routing
from streamgauge.pipelines.wire.frames import unframed
from streamgauge.pipelines.wire.outputs import Output
from streamgauge.pipelines.wire.states import Unfit
from streamgauge.tracer.transport import MemoryLog, Message
from tests.pipelines.engines.flink.test_parts import Cells, kept_in
from tests.pipelines.engines.tally import Tally, batch


def test_each_record_that_makes_an_operator_fail_is_one_dead_letter_however_many_come() -> None:
    log = MemoryLog()
    consumer = KeyedConsumer(
        log, "engine", "traces", lambda message: Route(message.key), lambda key: Tally(JobConfig(name=key)),
        every=3600.0,
    )  # fmt: skip
    for number in range(30):
        log.send([("traces", "ctr", batch("ctr", worker="poison", sequence=number))])
        while consumer.lag(log):
            consumer.step()
    assert log.end("dead-letters") == 30


def test_a_partitions_state_that_nobody_wants_is_stored_on_and_comes_back() -> None:
    """As the Faust host keeps it: the rows of all states of a partition, and what a commit changes of them."""
    both = {"ctr": JobConfig(name="ctr"), "ads": JobConfig(name="ads")}
    stored = Commit(0, b"", {})
    for jobs in (both, {"ads": both["ads"]}, both):
        routing = Routing(Config(jobs=tuple(jobs.values())))
        partition = Partition(0, stored, routing.route, lambda key, r=routing: Tally(*r.job_of(key)), every=0.0)  # type: ignore[misc]
        for key in both:
            partition.accept(Message("traces", key, batch(key), partition.wanted))
        partition.keyed.commit()
        assert partition.unstored is not None
        stored = partition.unstored._replace(rows={**stored.rows, **partition.unstored.rows})
    counted = {key: tally.count for key, tally in partition.keyed.states.items() if isinstance(tally, Tally)}
    assert counted == {"ctr": 2, "ads": 3}
    assert not partition.keyed.parking.kept


def test_under_flink_a_state_that_does_not_fit_begins_anew_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    class Once:
        """Refuses a state of two shards."""

        def restore(self, state: bytes) -> None:
            raise Unfit("it is of 2 shards, job ctr has 3 now")

        def on_records(self, records: list[bytes]) -> list[Output]:
            return [Output("scores", "ctr", b"anew")]

        def snapshot(self) -> bytes:
            return b"new"

    cells = Cells(b"\x91\x04")
    cells.add(b"a record")
    kept = kept_in(cells, Once)
    assert kept.feed(Message("traces", "ctr/0", b"x", 0)) == [Output("scores", "ctr", b"anew")]
    assert (unframed(cells.rows["state"], "state"), cells.entries) == (b"new", [b"x"])
    assert "does not fit and begins anew: it is of 2 shards" in caplog.text

"""What an engine sends again after a crash changes nothing for those who read it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamgauge.anomaly.types import Anomaly
from streamgauge.pipelines.config.schema import Config, JobConfig, Paging
from streamgauge.pipelines.paging.pager import Pager
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.outputs import Output
from streamgauge.tracer.records import Tick

CONFIG = Config(jobs=(JobConfig(name="ctr", paging=Paging(grace=5.0, max_wait=20.0, group=10.0, clear_hold=10.0)),))
EVENTS = st.lists(
    st.tuples(st.sampled_from(["tick", "fire", "clear"]), st.sampled_from(["u", "v", ""]), st.sampled_from("ab")),
    min_size=4, max_size=40,
)  # fmt: skip


def messages(events: list[tuple[str, str, str]]) -> list[bytes]:
    """Anomalies with rising numbers, ticks with rising times, as an engine writes them."""
    sent, time, begun = [], 0.0, {}
    for number, (kind, worker, entity) in enumerate(events, 1):
        time += 3.0
        if kind == "tick":
            sent.append(outputs.encode(Tick(job="ctr", time=time)))
            continue
        start = begun.setdefault((worker, entity), time)
        end = time if kind == "clear" else None
        if end is not None:
            del begun[worker, entity]
        sent.append(outputs.encode(Anomaly(
            kind="anomaly", job="ctr", worker=worker, domain="sample", entity=f"feature:{entity}",
            metric="missing_rate", severity="page", start=start, time=time, end=end, score=9.0, number=number,
        )))  # fmt: skip
    return sent


@given(EVENTS, st.data())
def test_a_pager_decides_the_same_when_a_stretch_of_its_log_comes_twice(
    events: list[tuple[str, str, str]], data: st.DataObject
) -> None:
    log = messages([*events, *[("tick", "", "")] * 5])
    last = data.draw(st.integers(1, len(events)))
    first = data.draw(st.integers(0, last - 1))
    assert decided(log) == decided(log[:last] + log[first:])


def decided(log: list[bytes]) -> list[Output]:
    pager = Pager(CONFIG)
    return [output for message in log for output in pager.on_records([message])]

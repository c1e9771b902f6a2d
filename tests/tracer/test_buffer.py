"""The hand-off never waits: what does not fit is counted."""

from __future__ import annotations

import threading

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.tracer import codec
from streamgauge.tracer.buffer import SHARES, Buffer, Priority
from streamgauge.tracer.summaries import Counts, decode
from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import MemoryLog

PUTS = st.lists(st.tuples(st.integers(1, 400), st.sampled_from(Priority)), max_size=60)


@given(PUTS)
def test_every_item_is_either_taken_in_order_or_counted_as_dropped(puts: list[tuple[int, Priority]]) -> None:
    buffer: Buffer[int] = Buffer(1000)
    accepted = [i for i, (size, priority) in enumerate(puts) if buffer.put(i, size, priority, points=3)]
    assert buffer.drain() == accepted
    assert sum(buffer.dropped) == 3 * (len(puts) - len(accepted))
    assert sum(buffer.refused) == len(puts) - len(accepted)


@given(PUTS)
def test_each_priority_stays_within_its_share(puts: list[tuple[int, Priority]]) -> None:
    buffer: Buffer[int] = Buffer(1000)
    for size, priority in puts:
        if buffer.put(0, size, priority):
            assert buffer.used <= 1000 * SHARES[priority]


def test_a_flood_of_raw_arrays_leaves_room_for_scalars_and_facts() -> None:
    buffer: Buffer[str] = Buffer(1000)
    while buffer.put("raw", 100, Priority.RAW):
        pass
    assert buffer.put("stats", 100, Priority.STATS)
    assert buffer.put("scalar", 100, Priority.SCALAR)
    assert buffer.put("fact", 100, Priority.HARD)


@given(st.integers(1, 500), st.lists(st.integers(1, 200), min_size=1, max_size=30))
def test_take_up_to_a_size_gives_at_least_one_item_and_loses_none(limit: int, sizes: list[int]) -> None:
    buffer: Buffer[int] = Buffer(10_000)
    for i, size in enumerate(sizes):
        buffer.put(i, size, Priority.HARD)
    taken: list[int] = []
    while len(buffer):
        piece = buffer.drain(limit)
        assert len(piece) == 1 or sum(sizes[i] for i in piece) <= limit
        taken += piece
    assert taken == list(range(len(sizes)))
    assert buffer.used == 0


def test_the_byte_count_is_right_after_threads_put_at_once() -> None:
    buffer: Buffer[int] = Buffer(10_000_000)
    threads = [
        threading.Thread(target=lambda: [buffer.put(0, 10, Priority.STATS) for _ in range(2000)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(buffer.drain()) == 8000
    assert buffer.used == 0


def test_one_item_above_the_limit_is_taken_where_nothing_waits_but_no_raw_array() -> None:
    buffer: Buffer[str] = Buffer(100)
    assert not buffer.put("tensor", 101, Priority.RAW)
    assert buffer.put("call", 1_000, Priority.STATS)
    assert not buffer.put("next", 1, Priority.STATS)
    assert buffer.drain() == ["call"]


def test_a_call_larger_than_the_tracers_limit_is_profiled_whole() -> None:
    log, values = MemoryLog(), np.arange(100_000.0)
    tracer = Tracer("ctr", "w", log, clock=lambda: 1e9, limit=100_000)
    tracer.observe({"age": values, "city": np.array(["a", "b"] * 50_000, object)})
    assert tracer.flush()
    batches = [codec.decode(message.value) for message in log.read("traces", 0, 100)]
    rows = [decode(sketch) for batch in batches for sketch in batch.sketches if sketch.kind == "counts"]
    assert [one.rows for one in rows if isinstance(one, Counts)] == [100_000, 100_000]

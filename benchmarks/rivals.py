"""What the engines are measured against, each a process of its own that says `rate NUMBER`, points per CPU second.

bare    confluent-kafka consumes the engines' own topic, `codec.decode`, five `ufunc.at`; nothing is kept of it
faust   a stock Faust agent: one JSON message a point into a tumbling Table of count, sum, minimum and maximum
sql     Flink SQL's TUMBLE with AVG, MIN, MAX, COUNT into a blackhole, one message a point in the cheapest form that is:
        raw key (the series, 4 bytes), raw value (a double), the message's timestamp as event time; no compression

Each is warm when its clock starts: `bare` and `faust` have taken the first messages, `sql` has run the same job once,
and the cost of the same job over a few messages, its start and end, is taken off.
"""

from __future__ import annotations

import asyncio
import os
import pathlib
import random
import struct
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
import numpy as np

from benchmarks import cpu

SERIES: Final = 10_000
WINDOW: Final = 60.0
_POINTS: Final = 500  # of a record
_FEW: Final = 1_000
_HEAP: Final = 1_024  # megabytes
_INSERT: Final = """
INSERT INTO sink SELECT series, window_start, AVG(v), MIN(v), MAX(v), COUNT(v)
FROM TABLE(TUMBLE(TABLE `{topic}`, DESCRIPTOR(ts), INTERVAL '60' SECOND)) GROUP BY series, window_start, window_end
"""
_SOURCE: Final = """
CREATE TABLE `{topic}` (
  series INT, v DOUBLE, ts TIMESTAMP_LTZ(3) METADATA FROM 'timestamp', WATERMARK FOR ts AS ts
) WITH (
  'connector' = 'kafka', 'topic' = '{topic}', 'properties.bootstrap.servers' = '{bootstrap}',
  'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset',
  'key.format' = 'raw', 'key.fields' = 'series', 'value.format' = 'raw', 'value.fields-include' = 'EXCEPT_KEY'
)
"""
_SINK: Final = """
CREATE TABLE sink (series INT, opened TIMESTAMP(3), mean DOUBLE, low DOUBLE, high DOUBLE, n BIGINT)
WITH ('connector' = 'blackhole')
"""


class Task(msgspec.Struct, kw_only=True):
    """What a rival is to do."""

    bootstrap: str
    topic: str
    warm: int  # messages before the clock starts
    until: int  # messages in all
    jar: str = ""  # Flink's connector
    folder: str = ""  # for a JVM's files


def send_rows(task: Task, *, json: bool) -> None:
    """One message a point, shuffled over the series, the window's seconds spread over them; a `few` topic for `sql`."""
    from confluent_kafka import Producer

    producer = Producer({
        "bootstrap.servers": task.bootstrap, "linger.ms": 50, "batch.size": 1_000_000, "log_level": 0,
        "queue.buffering.max.messages": 1_000_000,
    })  # fmt: skip
    for topic, count in ((task.topic, task.until), *(() if json else ((few(task.topic), _FEW),))):
        for key, value, time in _json_rows(count) if json else _raw_rows(count):
            while True:
                try:
                    producer.produce(topic, value, key, timestamp=time)
                    break
                except BufferError:
                    producer.poll(0.1)
        producer.flush()


def few(topic: str) -> str:
    """The topic with a few of the messages."""
    return f"{topic}-few"


def bare(task: Task) -> float:
    """What the machine can do with the engines' own records at most."""
    from confluent_kafka import Consumer

    consumer = Consumer({
        "bootstrap.servers": task.bootstrap, "group.id": f"bare-{os.getpid()}", "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    })  # fmt: skip
    consumer.subscribe([task.topic])
    tables: dict[str, Any] = {}
    seen, started = 0, 0.0
    while seen < task.until:
        for message in consumer.consume(200, 1.0):
            seen += _fold(message.value() or b"", tables)
            if not started and seen >= task.warm:
                seen, started = task.warm, cpu.tree(os.getpid())
    return (task.until - task.warm) * _POINTS / (cpu.tree(os.getpid()) - started)


def faust(task: Task) -> float:
    """A stock Faust application."""
    return asyncio.new_event_loop().run_until_complete(_faust(task))


def sql(task: Task) -> float:
    """Flink SQL in one JVM; of three jobs the last is measured."""
    from pyflink.common import Configuration
    from pyflink.datastream import StreamExecutionEnvironment
    from pyflink.table import StreamTableEnvironment

    from streamgauge.pipelines.engines.flink.jvm import prepare

    prepare(pathlib.Path(task.folder), _HEAP)
    configuration = Configuration()
    configuration.set_string("pipeline.jars", pathlib.Path(task.jar).as_uri())
    configuration.set_string("parallelism.default", "1")
    tables = StreamTableEnvironment.create(StreamExecutionEnvironment.get_execution_environment(configuration))
    tables.execute_sql(_SINK)
    for topic in (task.topic, few(task.topic)):
        tables.execute_sql(_SOURCE.format(topic=topic, bootstrap=task.bootstrap))

    def taken(topic: str) -> float:
        before = cpu.tree(os.getpid())
        tables.execute_sql(_INSERT.format(topic=topic)).wait()
        return cpu.tree(os.getpid()) - before

    taken(task.topic)
    start_and_end = taken(few(task.topic))
    return (task.until - _FEW) / (taken(task.topic) - start_and_end)


async def _faust(task: Task) -> float:
    import faust as library

    class Point(library.Record, serializer="json"):
        series: str
        value: float

    with tempfile.TemporaryDirectory() as folder:
        app = library.App(
            f"stock-{os.getpid()}", broker=f"kafka://{task.bootstrap}", datadir=folder, web_enabled=False,
            topic_partitions=1, consumer_auto_offset_reset="earliest",
        )  # fmt: skip
        table = app.Table("points", default=lambda: (0, 0.0, np.inf, -np.inf)).tumbling(WINDOW)
        marks: asyncio.Queue[float] = asyncio.Queue()

        async def fold(stream: Any) -> None:
            seen = 0
            async for point in stream:
                count, total, low, high = table[point.series].value()
                value = point.value
                table[point.series] = (count + 1, total + value, min(low, value), max(high, value))
                seen += 1
                if seen in (task.warm, task.until):
                    marks.put_nowait(cpu.tree(os.getpid()))

        app.agent(app.topic(task.topic, value_type=Point))(fold)
        await app.start()
        started = await marks.get()
        return (task.until - task.warm) / (await marks.get() - started)


def _fold(data: bytes, tables: dict[str, Any]) -> int:
    from streamgauge.tracer import codec
    from streamgauge.tracer.records import TraceBatch

    batch = codec.decode(data)
    if not isinstance(batch, TraceBatch):
        return 0
    index, value, _ = codec.points(batch)
    table = tables.get(batch.worker)
    if table is None:
        table = tables[batch.worker] = np.zeros((5, int(index.max()) + 1))
    np.add.at(table[0], index, 1.0)
    np.add.at(table[1], index, 1.0)
    np.add.at(table[2], index, value)
    np.minimum.at(table[3], index, value)
    np.maximum.at(table[4], index, value)
    return 1


def _raw_rows(count: int) -> Iterator[tuple[bytes, bytes, int]]:
    values = np.random.default_rng(1).normal(size=count)
    series = np.random.default_rng(2).integers(0, SERIES, count)
    times = (1_700_000_040.0 + np.arange(count) * (WINDOW / count)) * 1000
    packed = struct.Struct(">d").pack
    for key, value, time in zip(series.tolist(), values.tolist(), times.tolist(), strict=True):
        yield key.to_bytes(4, "big"), packed(value), int(time)


def _json_rows(count: int) -> Iterator[tuple[bytes, bytes, int]]:
    chance = random.Random(1)
    for i in range(count):
        series = f"worker:{chance.randrange(100)}/tensor:{chance.randrange(100)}"
        row = msgspec.json.encode({"series": series, "value": chance.gauss(0.0, 1.0)})
        yield series.encode(), row, 1_700_000_040_000 + i * 60_000 // count


RIVALS: Final[dict[str, Callable[[Task], float]]] = {"bare": bare, "faust": faust, "sql": sql}


if __name__ == "__main__":
    print(f"rate {RIVALS[sys.argv[1]](msgspec.json.decode(sys.argv[2], type=Task))}", flush=True)
    os._exit(0)  # without the goodbyes of clients and JVM

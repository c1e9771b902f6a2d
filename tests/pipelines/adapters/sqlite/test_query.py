"""What is the embedded store's own: levels that outlive others, readers that cannot write, one canonical form."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamgauge.pipelines.adapters.sqlite.canonical import canonical_dump
from streamgauge.pipelines.adapters.sqlite.query import SqliteQuery
from streamgauge.pipelines.adapters.sqlite.read import Reader
from streamgauge.pipelines.adapters.sqlite.store import SqliteStore
from streamgauge.pipelines.config.schema import HOUR, Retention
from streamgauge.pipelines.ports import Query
from streamgauge.tracer.local.sqlite_file import FileError
from tests.pipelines.adapters.sqlite.records import anomaly, columns, score

T = 1_360_000_800.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "s.db", retention=Retention(raw=2 * HOUR, r10=2 * HOUR, r60=2 * HOUR))
    yield opened
    opened.close()


@pytest.fixture
def query(store: SqliteStore, tmp_path: Path) -> Iterator[Query]:
    opened = SqliteQuery(tmp_path / "s.db")
    yield opened
    opened.close()


def test_a_chart_of_long_ago_takes_what_is_left(store: SqliteStore, query: Query) -> None:
    for i in range(10):
        store.write([columns(T + HOUR * i + 60 * j, [1.0, 1.0], step=60.0) for j in range(1, 61)])
    while store.purge():
        pass
    assert query.points(1, T + 9 * HOUR, T + 10 * HOUR)["level"] == "raw"
    old = query.points(1, T, T + 2 * HOUR)
    assert (old["level"], old["time"]) == ("r3600", [T + HOUR, T + 2 * HOUR])


def test_changed_over_days_compares_hourly_means(store: SqliteStore, query: Query) -> None:
    for i in range(96):
        values = [1.0 + (i % 2) + (i >= 48), 0.0]
        store.write([columns(T + HOUR * i + 600 * j, values, step=600.0) for j in range(1, 7)])
    while store.purge():
        pass  # raw points are gone, hours are left
    [moved, still] = query.changed("ctr", T + 48 * HOUR + 60, T + 96 * HOUR + 60)
    assert (moved["metric"], moved["before"], moved["after"]) == ("missing_rate", 1.5, 2.5)
    assert still["effect"] == 0.0


def test_readers_cannot_write(store: SqliteStore, tmp_path: Path) -> None:
    reader = Reader(tmp_path / "s.db")
    with pytest.raises(FileError, match="readonly"), reader.reading() as connection:
        connection.execute("DELETE FROM series")
    reader.close()


def test_many_threads_read_while_one_writes(store: SqliteStore, query: Query) -> None:
    store.write([score(T, 90), columns(T, [1.0, 1.0])])
    failures: list[BaseException] = []

    def read() -> None:
        try:
            for _ in range(20):
                assert query.jobs()[0]["job"] == "ctr"
                assert query.points(1, 0, 4e9)["time"]
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for i in range(20):
        store.write([score(T + 60 * i, 90), columns(T + 60 * i, [1.0, 1.0])])
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_missing_store_is_named(tmp_path: Path) -> None:
    query = SqliteQuery(tmp_path / "nothing.db")
    with pytest.raises(FileError, match=r"nothing\.db"):
        query.jobs()
    assert not (tmp_path / "nothing.db").exists()


def test_the_canonical_form_tells_one_bit_and_forgets_numbers(tmp_path: Path) -> None:
    dumps = []
    for name, value, number in (("a", 0.1, 1), ("b", 0.1, 2), ("c", math.nextafter(0.1, 1), 1)):
        store = SqliteStore(tmp_path / name)
        store.write([columns(T, [value, math.nan]), anomaly(T, number=number), score(T, 80)])
        store.close()
        dumps.append(canonical_dump(tmp_path / name))
    assert dumps[0] == dumps[1]
    assert dumps[0] != dumps[2]
    assert b'"0x1.999999999999ap-4"' in dumps[0]
    assert len(canonical_dump(tmp_path / "a", ("point",)).splitlines()) == 2

"""Writing the embedded store: idempotent, newest revision wins, all or nothing, bounded; crashes leave it equal."""

from __future__ import annotations

import itertools
import math
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamgauge.pipelines.adapters.sqlite import retention
from streamgauge.pipelines.adapters.sqlite.canonical import canonical_dump
from streamgauge.pipelines.adapters.sqlite.query import SqliteQuery
from streamgauge.pipelines.adapters.sqlite.store import _WRITERS, SqliteStore
from streamgauge.pipelines.config.schema import DAY, HOUR, Retention
from streamgauge.pipelines.ports import Store, StoreBusy, Stored
from streamgauge.pipelines.wire.outputs import Change, Counters, DeadLetter, Profiles
from streamgauge.tracer.local.sqlite_file import FileError
from streamgauge.tracer.records import Sketch
from tests.pipelines.adapters.sqlite.records import alert, anomaly, columns, decision, notification, score
from tests.places import ROOT

T = 1_360_000_800.0  # an hour's end


def table(path: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    rows = connection.execute(query).fetchall()
    connection.close()
    return rows


def dead(identity: str, data: bytes = b"?") -> DeadLetter:
    return DeadLetter(identity=identity, reason="truncated", text="cut", topic="traces", key="ctr", data=data)


def profiles(end: float, revision: int = 0) -> Profiles:
    sketch = Sketch("counts", "sample", "profile", "feature:tailnum", (b"\x01" * 8, b"%d" % revision))
    return Profiles(
        job="ctr", worker="LGA", window="long", start=end - 60, end=end, revision=revision, number=1, sketches=(sketch,)
    )


EVERYTHING: tuple[Stored, ...] = (
    columns(T, [0.25, math.nan], rows=[100, 0]),
    columns(T + 60, [0.5, 0.75]),
    score(T, 80),
    score(T, 70, domain="sample"),
    anomaly(T, number=3),
    decision(T, alert("b", T), alert("a", T)),
    notification("firing", T, alert("a", T), folded=[alert("b", T)]),
    Change(job="ctr", name="started", time=T),
    Counters(job="ctr", number=5, time=T, counts={"records": 7}),
    dead("x"),
    profiles(T),
)


def test_writing_a_batch_again_changes_nothing(tmp_path: Path) -> None:
    store: Store = SqliteStore(tmp_path / "s.db")
    store.write(EVERYTHING)
    once = canonical_dump(tmp_path / "s.db")
    rollups = table(tmp_path / "s.db", "SELECT * FROM r3600")
    store.write(EVERYTHING)
    store.write(reversed(EVERYTHING))
    assert canonical_dump(tmp_path / "s.db") == once
    assert table(tmp_path / "s.db", "SELECT * FROM r3600") == rollups
    assert len(once.splitlines()) == len(EVERYTHING) + 2  # two records have two points
    store.close()


@settings(max_examples=60)
@given(data=st.data())
def test_the_store_ends_equal_whatever_the_batches_order_and_repeats(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    records: list[Stored] = [
        *(columns(T + 60 * i, [i + r / 10, -i]) if not r else columns(T + 60 * i, [i + r / 10, math.nan], revision=r)
          for i, r in itertools.product(range(3), range(3))),
        *(score(T, 90 - r, revision=r) for r in range(3)),
        *(profiles(T, r) for r in range(2)),
        *(anomaly(T, number=n, text=str(n)) for n in range(3)),
        *(Counters(job="ctr", number=n, time=T + n, counts={"records": n}) for n in range(2)),
    ]  # fmt: skip
    shuffled = data.draw(st.permutations(records))
    repeated = data.draw(st.lists(st.sampled_from(records), max_size=5))
    cut = data.draw(st.integers(0, len(shuffled)))
    folder = tmp_path_factory.mktemp("store")
    dumps = []
    for name, batches in {"ordered": [records], "shuffled": [shuffled[:cut], shuffled[cut:], repeated]}.items():
        store = SqliteStore(folder / name)
        for batch in batches:
            store.write(batch)
        store.close()
        dumps.append(canonical_dump(folder / name))
    assert dumps[0] == dumps[1]


def test_an_older_revision_never_overwrites_a_newer_one(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db")
    store.write([columns(T, [2.0, 2.0], revision=2), columns(T, [1.0, 1.0], revision=1)])
    store.write([score(T, 60, revision=1), score(T, 90)])
    assert table(tmp_path / "s.db", "SELECT DISTINCT value, revision FROM points") == [(2.0, 2)]
    assert table(tmp_path / "s.db", "SELECT micropoints, revision FROM scores") == [(60_000_000, 1)]
    assert table(tmp_path / "s.db", "SELECT max FROM r3600") == [(2.0,), (2.0,)]
    store.close()


def test_a_later_record_of_an_episode_updates_it_and_an_earlier_one_does_not(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db")
    store.write([anomaly(T, number=1), anomaly(T, number=2, end=T + 600), anomaly(T, number=1)])
    store.write([anomaly(T + 3600, number=9)])
    episodes = table(tmp_path / "s.db", "SELECT start, end FROM anomalies ORDER BY start")
    assert episodes == [(T, T + 600), (T + 3600, None)]
    store.close()


def test_what_is_unknown_is_null_and_infinity_is_kept(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db")
    store.write([columns(T, [math.nan, math.inf])])
    assert table(tmp_path / "s.db", "SELECT value FROM points ORDER BY sid") == [(None,), (math.inf,)]
    store.close()


def test_rollups_hold_count_sum_and_extremes_of_their_bucket(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db")
    values = [float((7 * i) % 11) for i in range(1, 181)]  # three minutes of seconds
    for i in range(0, 180, 20):
        store.write([columns(T + j + 1, [values[j], math.nan], step=1.0) for j in range(i, i + 20)])
    for name, length in (("r10", 10), ("r60", 60), ("r3600", 3600)):
        rows = table(tmp_path / "s.db", f"SELECT ts, n, sum, min, max FROM {name} WHERE sid = 1 ORDER BY ts")
        chunks = [values[i : i + length] for i in range(0, 180, length)]
        expected = [(T + length * (k + 1), len(c), sum(c), min(c), max(c)) for k, c in enumerate(chunks)]
        assert rows == expected
    assert table(tmp_path / "s.db", "SELECT DISTINCT n, sum FROM r10 WHERE sid = 2") == [(0, None)]
    store.close()


def test_a_revision_corrects_every_rollup(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db")
    store.write([columns(T + i, [1.0, 1.0], step=1.0) for i in range(1, 11)])
    store.write([columns(T + 5, [9.0, 1.0], step=1.0, revision=1)])
    for name in ("r10", "r60", "r3600"):
        assert table(tmp_path / "s.db", f"SELECT sum, max FROM {name} WHERE sid = 1") == [(18.0, 9.0)]
    store.close()


def test_a_window_of_hours_is_its_own_rollup(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db")
    for i in range(1, 5):
        store.write([columns(T + 3 * HOUR * i, [1.0, 1.0], step=3 * HOUR)])
    first = T + 3 * HOUR  # its step was not known yet
    assert table(tmp_path / "s.db", f"SELECT count(*) FROM r3600 WHERE ts > {first}") == [(0,)]
    assert table(tmp_path / "s.db", "SELECT count(*) FROM points") == [(8,)]
    store.close()


def test_a_series_keeps_its_number_when_the_set_of_keys_changes(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db")
    more = [("", "sample", "", "volume"), ("LGA", "sample", "feature:tailnum", "missing_rate")]
    store.write([columns(T, [1.0, 2.0]), columns(T + 60, [3.0, 4.0], keys=more)])
    assert table(tmp_path / "s.db", "SELECT ts, value FROM points WHERE sid = 1") == [(T, 1.0), (T + 60, 4.0)]
    assert table(tmp_path / "s.db", "SELECT count(*) FROM series") == [(3,)]
    store.close()


def test_a_failing_batch_leaves_nothing_and_the_next_one_is_whole(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db")
    with pytest.raises(KeyError):
        store.write([columns(T, [1.0, 2.0]), "no record"])  # type: ignore[list-item]
    assert table(tmp_path / "s.db", "SELECT count(*) FROM series") == [(0,)]
    store.write([columns(T, [1.0, 2.0])])  # the series that were rolled back are made again
    assert table(tmp_path / "s.db", "SELECT worker, value FROM points JOIN series ON id = sid ORDER BY 1") == [
        ("", 2.0), ("LGA", 1.0),
    ]  # fmt: skip
    store.close()


def test_a_locked_store_is_busy_and_the_batch_can_be_tried_again(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db", busy=0.05)
    other = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy, match=r"s\.db.*busy"):
        store.write(EVERYTHING)
    with pytest.raises(StoreBusy):
        store.purge()
    other.execute("ROLLBACK")
    other.close()
    store.write(EVERYTHING)
    assert len(canonical_dump(tmp_path / "s.db").splitlines()) == len(EVERYTHING) + 2
    store.close()


def test_a_full_store_is_busy_says_so_and_keeps_what_it_has(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db", retention=Retention(max_bytes=200_000))
    store.write(EVERYTHING)
    before = canonical_dump(tmp_path / "s.db")
    with pytest.raises(StoreBusy, match=r"full.*free disk space"):
        store.write([dead(str(i), os.urandom(60_000)) for i in range(20)])
    assert canonical_dump(tmp_path / "s.db") == before
    store.write([score(T + 60, 50)])
    store.close()


def test_a_damaged_store_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "s.db").write_bytes(os.urandom(10_000))
    with pytest.raises(FileError, match=r"s\.db.*damaged.*move it"):
        SqliteStore(tmp_path / "s.db")


def test_a_dead_letter_keeps_a_bounded_part_of_its_bytes(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db")
    store.write([dead("big", bytes(1_000_000))])
    assert table(tmp_path / "s.db", "SELECT bytes, length(data) FROM dead_letters") == [(1_000_000, 65_536)]
    store.close()


def purge_all(store: SqliteStore) -> None:
    """Purge to the end."""
    while store.purge(0.01):
        pass


def test_raw_points_go_after_their_retention_and_rollups_stay(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db", retention=Retention(raw=HOUR, r10=HOUR, r60=HOUR, r3600=DAY))
    for i in range(6):
        store.write([columns(T + HOUR * i + 30 * j, [float(j), 1.0], step=30.0) for j in range(1, 121)])
    purge_all(store)
    assert table(tmp_path / "s.db", "SELECT min(ts), count(*) FROM points") == [(T + 5 * HOUR + 30, 240)]
    assert table(tmp_path / "s.db", "SELECT ts, n FROM r3600 WHERE sid = 1 ORDER BY ts") == [
        (T + HOUR * i, 120) for i in range(1, 7)
    ]
    store.close()


def test_points_from_before_the_horizon_do_not_spoil_a_rollup(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db", retention=Retention(raw=HOUR, r10=HOUR, r60=HOUR))
    first = [columns(T + 60 * j, [1.0, 1.0]) for j in range(1, 61)]
    store.write(first)
    store.write([columns(T + HOUR * 3 + 60 * j, [1.0, 1.0]) for j in range(1, 61)])
    purge_all(store)
    store.write(first[30:])  # redelivered after a crash, when half of the hour's raw points would be missing
    assert table(tmp_path / "s.db", f"SELECT n FROM r3600 WHERE ts = {T + HOUR} AND sid = 1") == [(60,)]
    assert table(tmp_path / "s.db", f"SELECT count(*) FROM points WHERE ts <= {T + HOUR}") == [(0,)]
    store.close()


def test_records_and_profiles_go_after_their_retention_by_the_jobs_own_clock(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db", retention=Retention(records=DAY, profiles=DAY, r3600=DAY))
    store.write([*EVERYTHING, columns(T, [1.0, 1.0], job="other")])
    late: list[Stored] = [columns(T + 2 * DAY, [1.0, 1.0]), score(T + 2 * DAY, 80), profiles(T + 2 * DAY)]
    store.write(late)
    purge_all(store)
    for name in ("scores", "breakdowns", "profiles"):
        assert table(tmp_path / "s.db", f"SELECT min(ts) FROM {name}") == [(T + 2 * DAY,)]
    for name in ("anomalies", "decisions", "notifications", "changes"):
        assert table(tmp_path / "s.db", f"SELECT count(*) FROM {name}") == [(0,)]
    kept = "SELECT count(*) FROM points JOIN series ON id = sid WHERE job = 'other'"
    assert table(tmp_path / "s.db", kept) == [(2,)]  # this job's clock stands still
    store.close()


def test_a_purge_works_in_short_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as its seconds allow: here one statement a call, by a clock that goes on by one at each look."""
    store = SqliteStore(tmp_path / "s.db", retention=Retention(raw=HOUR, r10=HOUR, r60=HOUR, r3600=HOUR))
    keys = [("w", "sample", f"feature:{i}", "mean") for i in range(30)]
    for i in range(8):
        store.write([columns(T + 6 * (200 * i + j), [1.0] * 30, keys=keys) for j in range(1, 201)])
    store.write([columns(T + DAY, [1.0] * 30, keys=keys)])
    ticks = itertools.count()
    monkeypatch.setattr(retention, "time", SimpleNamespace(monotonic=lambda: float(next(ticks))))
    left = [48_030]
    while store.purge(2.0):
        left.append(int(table(tmp_path / "s.db", "SELECT count(*) FROM points")[0][0]))  # type: ignore[call-overload]
    assert max(before - after for before, after in itertools.pairwise(left)) == 500
    assert left[-1] == 30
    store.close()


def test_the_size_cap_shortens_raw_points_first(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    store = SqliteStore(path, retention=Retention(raw=DAY, r10=DAY, r60=DAY, max_bytes=800_000))
    keys = [("w", "sample", f"feature:{i}", "mean") for i in range(20)]
    for i in range(24):
        store.write([
            columns(T + HOUR * i + 60 * j, [j / 7] * 20, keys=keys, reference=[j / 3] * 20) for j in range(1, 61)
        ])  # fmt: skip
        purge_all(store)
    size = "SELECT (page_count - freelist_count) * 4096 FROM pragma_page_count, pragma_freelist_count"
    used = table(path, size)[0][0]
    assert isinstance(used, int)
    assert used < 850_000
    oldest = table(path, "SELECT (SELECT min(ts) FROM points), (SELECT min(ts) FROM r3600)")[0]
    assert oldest[1] == T + HOUR
    assert T + 12 * HOUR < oldest[0] < T + 24 * HOUR  # type: ignore[operator]
    assert path.stat().st_size <= 1_600_000
    store.close()


# Writes numbered batches for ever and says each once it is stored.
WRITER = """
import sys
sys.path.insert(0, sys.argv[2])
from tests.pipelines.adapters.sqlite.records import columns, score, anomaly
from streamgauge.pipelines.adapters.sqlite.store import SqliteStore
store = SqliteStore(sys.argv[1])
T = 1_360_000_800.0
for i in range(int(sys.argv[3]), 10**6):
    store.write([columns(T + 60 * i, [i, -i]), score(T + 60 * i, i % 100), anomaly(T, number=i)])
    store.purge(0.001)
    print(i, flush=True)
"""


def test_a_store_killed_at_any_moment_ends_as_one_that_was_not(tmp_path: Path) -> None:
    path, chance, first = tmp_path / "s.db", random.Random(3), 0
    for _ in range(3):
        command = [sys.executable, "-c", WRITER, str(path), str(ROOT), str(first)]
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.1))
        writer.send_signal(signal.SIGKILL)
        said = [line for line in writer.communicate()[0].split("\n")[:-1] if line]
        first = max(0, (int(said[-1]) if said else first) - 3)  # the next one starts behind, as an offset may be
    stored = table(path, "SELECT count(*) FROM scores")[0][0]
    assert isinstance(stored, int)
    assert stored >= first + 4
    whole = SqliteStore(tmp_path / "whole.db")
    for i in range(stored):
        whole.write([columns(T + 60 * i, [i, -i]), score(T + 60 * i, i % 100), anomaly(T, number=i)])
    whole.close()
    assert canonical_dump(path) == canonical_dump(tmp_path / "whole.db")
    rollup = "SELECT * FROM r3600 ORDER BY sid, ts"
    assert table(path, rollup) == table(tmp_path / "whole.db", rollup)


def test_readers_see_whole_batches_while_the_store_writes(tmp_path: Path) -> None:
    store, query = SqliteStore(tmp_path / "s.db"), SqliteQuery(tmp_path / "s.db")
    for i in range(5):
        store.write([columns(T + 60 * i, [i, i]), score(T + 60 * i, 90)])
        assert len(query.scores("ctr", T, T + HOUR)) == i + 1
    query.close()
    store.close()


def test_every_kind_of_record_that_is_emitted_can_be_stored() -> None:
    assert set(_WRITERS) == set(get_args(Stored))
    assert all(issubclass(kind, msgspec.Struct) for kind in _WRITERS)

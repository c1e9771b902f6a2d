"""Writing to a real InfluxDB that is down, slow, full or refuses: nothing is lost, the order is kept."""

from __future__ import annotations

import logging
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from streamgauge.pipelines.adapters.influx.api import InfluxApi
from streamgauge.pipelines.adapters.influx.query import InfluxQuery
from streamgauge.pipelines.adapters.influx.store import InfluxStore
from streamgauge.pipelines.config.schema import Influx
from streamgauge.pipelines.ports import Store, StoreBusy
from tests.pipelines.adapters.sqlite.records import columns, revised, score
from tests.pipelines.adapters.sqlite.test_store import EVERYTHING
from tests.places import ROOT
from tests.servers.influx import InfluxServer

pytestmark = pytest.mark.real
T = 1_360_000_800.0
PATIENCE = 60.0
Open = Callable[..., InfluxStore]


@pytest.fixture
def opened(influx: InfluxServer, bucket: str, tmp_path: Path) -> Iterator[Open]:
    """Opens stores on one queue, one after the other."""
    stores: list[InfluxStore] = []

    def open_store(**changes: Any) -> InfluxStore:
        config = Influx(**{"url": influx.url, "bucket": bucket, "timeout": 5.0} | changes)
        stores.append(InfluxStore(config, tmp_path / "queue"))
        return stores[-1]

    yield open_store
    influx.heal()
    influx.resume()
    for store in stores:
        store.close()


def until(is_true: Callable[[], Any], store: InfluxStore) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_true():
        assert time.monotonic() < deadline, store.health()
        time.sleep(0.005)


def settled(store: InfluxStore) -> None:
    until(lambda: store.health()["waiting"] == 0, store)


def ends(server: InfluxServer, bucket: str) -> list[float]:
    found = server.query(bucket, "SELECT micropoints FROM quality_score WHERE domain = 'overall'")
    return [row[1] / 1e6 for series in found for row in series["values"]]


def sent(server: InfluxServer) -> list[str]:
    """Every line that was accepted, in the order of the writes."""
    return [line for text in server.accepted for line in text.split("\n")]


def test_what_is_written_while_the_server_is_down_comes_later_in_order(
    influx: InfluxServer, bucket: str, opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    store: Store = opened()
    for i in range(30):
        if i == 10:
            influx.pause()
        if i == 20:
            until(lambda: store.health()["failures"] > 1, store)
            influx.resume()
        store.write([score(T + 60 * i, i)])
    settled(store)
    assert ends(influx, bucket) == list(range(30))
    times = [int(line.split(" ")[-1]) for line in sent(influx) if line.startswith("quality_score")]
    assert times == sorted(times)
    said = [record.message for record in caplog.records if record.name.startswith("streamgauge.pipelines")]
    assert "does not answer: " in said[0] and "wait on disk" in said[0] and "0x" not in said[0]
    assert said[-1].startswith("InfluxDB takes lines again after")


@pytest.mark.parametrize(
    ("status", "body", "headers", "told"),
    [
        (429, '{"message": "too many"}', {"Retry_After": "0"}, "asks for a pause (429): too many"),
        (503, "", {"Retry_After": "Wed, 21 Oct 2015 07:28:00 GMT"}, "asks for a pause (503)"),
        (500, '{"error": "engine: no space left on device"}', {}, "fails (500): engine: no space left on device"),
        (502, "<html>Bad Gateway</html>", {}, "fails (502): <html>"),
        (405, "", {}, "fails (405)"),
    ],
)
def test_what_may_pass_is_tried_again(
    influx: InfluxServer, bucket: str, opened: Open, status: int, body: str, headers: dict[str, str], told: str
) -> None:
    store = opened()
    influx.fail(status, body, times=2, **headers)
    store.write(EVERYTHING)
    until(lambda: store.health()["failures"] == 2, store)
    assert told in store.health()["error"]
    settled(store)
    assert influx.asked == 3
    assert (store.health()["failures"], store.health()["error"], store.health()["rejected"]) == (0, "", 0)


def test_a_pause_that_the_server_asks_for_is_kept(influx: InfluxServer, opened: Open) -> None:
    store = opened()
    influx.fail(429, times=1, Retry_After="1")
    begin = time.monotonic()
    store.write([score(T, 90)])
    settled(store)
    assert time.monotonic() - begin >= 1.0
    assert influx.asked == 2


def test_a_write_that_took_too_long_is_sent_again_and_changes_nothing(
    influx: InfluxServer, bucket: str, opened: Open
) -> None:
    store = opened(timeout=0.3)
    influx.fail(0, seconds=1.0, times=2)  # it is written, after the client has given up
    store.write([score(T, 90)])
    store.write([score(T + 60, 91)])
    settled(store)
    until(lambda: len(influx.accepted) >= 3, store)
    assert ends(influx, bucket) == [90, 91]


def test_a_line_of_the_wrong_type_is_given_up_counted_and_told_and_the_rest_is_kept(
    influx: InfluxServer, bucket: str, opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    InfluxApi(Influx(url=influx.url, bucket=bucket)).write(f'metric,job=ctr value="text" {int(T) * 10**9}')
    store = opened()
    store.write(EVERYTHING)
    settled(store)
    health = store.health()
    assert health["rejected"] == 3  # the values that are numbers; the row without one has nothing of the wrong type
    assert health["sent"] == len(EVERYTHING) + 6 - 3
    assert all(rejection["line"].startswith("metric,job=ctr,") for rejection in health["rejections"])
    assert "field type conflict" in health["rejections"][0]["why"]
    assert ends(influx, bucket) == [80]
    assert "InfluxDB refuses" in caplog.text and "metric,job=ctr,worker=LGA" in caplog.text
    asked = influx.asked
    store.write([score(T + 60, 91)])
    settled(store)
    assert influx.asked == asked + 1  # what was refused is not sent again


def test_a_line_that_no_server_can_read_is_found_among_many(influx: InfluxServer, bucket: str, opened: Open) -> None:
    influx.query("", f'CREATE DATABASE "{bucket}rp" WITH DURATION 1h', method="POST")
    now = time.time() // 60 * 60
    store = opened(bucket=f"{bucket}rp")
    bad = {3, 40, 41}  # days ago: the bucket keeps an hour
    store.write([score(now - 60 * i - (86400 * 30 if i in bad else 0), i) for i in range(50)])
    settled(store)
    assert store.health()["rejected"] == 2 * len(bad)  # a score and the one part of its breakdown
    assert "beyond retention policy" in store.health()["rejections"][0]["why"]
    assert sorted(ends(influx, f"{bucket}rp")) == [i for i in range(50) if i not in bad]
    for table in ("quality_score", "breakdown"):  # written newest first; parts of a batch go in the same order
        times = [int(line.split(" ")[-1]) for line in sent(influx) if line.startswith(table)]
        assert times == sorted(times, reverse=True)
        assert len(times) > 20
    influx.drop(f"{bucket}rp")


def test_all_of_a_batch_is_given_up_at_once_when_the_server_says_so(influx: InfluxServer, opened: Open) -> None:
    influx.fail(400, '{"error": "partial write: points beyond retention policy dropped=60"}', times=1)
    store = opened()
    store.write([columns(T + 60 * i, [1.0, 2.0]) for i in range(20)])  # two rows and their window's each
    settled(store)
    assert (store.health()["rejected"], store.health()["sent"], influx.asked) == (60, 0, 1)


def test_a_wrong_token_and_a_missing_bucket_are_named_and_mended_without_a_restart(
    influx: InfluxServer, bucket: str, opened: Open, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("wrong\n")
    influx.token = "right"
    store = opened(token_file=str(token), bucket=f"{bucket}new")
    query = InfluxQuery(InfluxApi(Influx(url=influx.url, bucket=f"{bucket}new", token_file=str(token))))
    store.write([score(T, 90)])
    until(lambda: store.health()["failures"], store)
    remedy = f"refuses the token (401): put one that may read and write '{bucket}new' into {token}"
    assert remedy in store.health()["error"]
    with pytest.raises(StoreBusy, match="refuses the token"):
        query.jobs()
    token.write_text("right")
    until(lambda: "has no bucket" in store.health()["error"], store)
    with pytest.raises(StoreBusy, match=f"has no bucket '{bucket}new': create it"):
        query.jobs()
    influx.create(f"{bucket}new")
    settled(store)
    assert [job["score"] for job in query.jobs()] == [90.0]
    token.unlink()
    with pytest.raises(StoreBusy, match=r"cannot read the token in influx\.token_file"):
        query.jobs()
    token.write_text("right")
    query.close()
    influx.drop(f"{bucket}new")


def test_a_server_that_is_too_old_is_named(influx: InfluxServer, bucket: str, opened: Open) -> None:
    store = opened(url=influx.native)
    store.write([score(T, 90)])
    until(lambda: store.health()["failures"], store)
    assert "does not know /api/v2/write: it needs to be InfluxDB 1.8 or newer" in store.health()["error"]


def test_a_full_queue_holds_the_writer_and_lets_go(influx: InfluxServer, bucket: str, opened: Open) -> None:
    store = opened(spill_bytes=2_000)
    influx.pause()
    held, deadline = "", time.monotonic() + PATIENCE
    for i in range(20):
        while True:
            try:
                store.write([score(T + 60 * i, i)])
                break
            except StoreBusy as busy:
                held = held or str(busy)
                influx.resume()
                assert time.monotonic() < deadline
                time.sleep(0.01)
    settled(store)
    assert "may not hold more than spill_bytes" in held
    assert ends(influx, bucket) == list(range(20))


def test_what_waits_at_the_end_is_sent_by_the_next_start(influx: InfluxServer, bucket: str, opened: Open) -> None:
    store = opened()
    influx.pause()
    store.write([score(T, 90)])
    store.close()
    assert store.health()["waiting"] == 2
    influx.resume()
    again = opened()
    again.write([score(T + 60, 91)])
    settled(again)
    assert ends(influx, bucket) == [90, 91]


def test_closing_sends_what_waits(influx: InfluxServer, bucket: str, opened: Open) -> None:
    store = opened(batch=10)
    store.write([score(T + 60 * i, i) for i in range(100)])
    store.close()
    assert ends(influx, bucket) == list(range(100))


_WRITER = """
import sys
from pathlib import Path
from streamgauge.pipelines.adapters.influx.store import InfluxStore
from streamgauge.pipelines.config.schema import Influx
from tests.pipelines.adapters.sqlite.records import revised

store = InfluxStore(Influx(url=sys.argv[1], bucket=sys.argv[2], batch=20), Path(sys.argv[3]))
begin = int(sys.argv[4])
for number in range(begin, begin + 60):
    store.write(revised(number))
    print(number, flush=True)
sys.stdin.read()
"""


def test_a_writer_killed_at_any_moment_ends_as_one_that_was_not(
    influx: InfluxServer, bucket: str, opened: Open, tmp_path: Path
) -> None:
    moments = random.Random(4)
    committed, last = 0, 0
    for run in range(3):
        if run == 1:
            influx.pause()  # this one dies with all that it wrote on disk only
        if run == 2:
            influx.resume()
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, influx.url, bucket, str(tmp_path / "queue"), str(committed)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert writer.stdin is not None and writer.stdout is not None
        for _ in range(moments.randrange(5, 50)):
            last = max(last, int(writer.stdout.readline()))
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split()
        last = max(last, *map(int, rest), 0)
        writer.wait()
        writer.stdin.close()
        writer.stdout.close()
        committed = max(0, last - moments.randrange(0, 4))  # what the log's offset was, at most what was written
    last += 1  # one may be on disk that was not told any more
    store = opened()
    for number in range(committed, last + 1):
        store.write(revised(number))
    settled(store)
    straight = influx.create(f"{bucket}straight")
    other = InfluxStore(Influx(url=influx.url, bucket=straight), tmp_path / "straight")
    for number in range(last + 1):
        other.write(revised(number))
    other.close()
    assert last > 20
    for table in ("metric", "window", "quality_score", "breakdown"):
        query = f'SELECT * FROM "{table}" GROUP BY *'
        assert influx.query(bucket, query) == influx.query(straight, query), table
    influx.drop(straight)

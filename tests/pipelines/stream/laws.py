"""The laws of the stream core, as functions of a `Random`: each raises AssertionError where it does not hold."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random

import msgspec
import numpy as np

from streamgauge.pipelines.config.schema import JobConfig
from streamgauge.pipelines.metrics import Report
from streamgauge.pipelines.stream.windows import Calendar, to_micros
from streamgauge.pipelines.wire.outputs import Output
from streamgauge.tracer import codec
from streamgauge.tracer.bounds import RecordError
from streamgauge.tracer.records import Tick, TraceBatch
from tests.pipelines.stream.logs import (
    PANE,
    T0,
    Committed,
    Sender,
    batch,
    by_number,
    canonical,
    chaos,
    combine,
    config_of,
    operator,
    reports,
    run,
    script,
    shard_outputs,
    tick,
)


def one_log_gives_one_answer(random: Random) -> None:
    """L1: any batches, duplicates, a second host that ticks, kill, restore, offsets behind the state: same bytes."""
    config = config_of(random, max_hold=random.choice([None, 200.0]), max_series=random.choice([3, 20_000]))
    log = chaos(random)
    one = operator(config)
    expected = by_number([output for data in log for output in one.on_records([data])])
    assert by_number(_disturbed(random, config, log)) == expected


def coarse_ticks_equal_fine_ones(random: Random) -> None:
    """L1 too: how often the host ticks between two records changes nothing, and no stamp is later than its tick."""
    config = config_of(random, max_hold=random.choice([None, 200.0]))
    coarse, fine, last = chaos(random, leaps=(30, 120)), [], None
    current, expected = operator(config), []
    for data in coarse:
        time = _time(data)
        if time is not None and last is not None and last < time:
            fine += [tick(last + share * (time - last)) for share in sorted(random.random() for _ in range(3))]
        fine.append(data)
        expected += current.on_records([data])
        if time is not None:
            last = time if current.is_live else None  # the first tick of a run says when it is: one cannot split it
    assert by_number(run(config, fine)) == by_number(expected)


def interleaving_does_not_show(random: Random) -> None:
    """L2: workers re-interleaved, each in its own order, against the ticks within a pane: same canonical bytes."""
    plan = script(random, config_of(random))
    first, second = (run(plan.config, plan.log(random)) for _ in range(2))
    assert canonical(second) == canonical(first)


def order_of_shards_does_not_show(random: Random) -> None:
    """L3: shards' reports in any order between them, some twice: same canonical bytes."""
    plan = script(random, config_of(random, shards=random.choice([2, 3])), panes=14)
    shipped = shard_outputs(plan, random)
    first, second = (combine(plan.config, shipped, random) for _ in range(2))
    assert canonical(second) == canonical(first)
    assert canonical(first)


def shards_give_what_one_key_gives(random: Random) -> None:
    """L3 too: a window of a job in shards, empty shards among them, is that of the same job under one key."""
    seed, shards = random.random(), random.choice([2, 3, 5])
    config = config_of(random)
    sharded = script(Random(seed), msgspec.structs.replace(config, shards=shards), panes=14)
    whole = script(Random(seed), config, panes=14)
    expected = {_identity(report): report for report in reports(run(whole.config, whole.log(random)))}
    found = reports(combine(sharded.config, shard_outputs(sharded, random), random))
    assert found
    for report in found:
        assert _bare(report) == _bare(expected[_identity(report)])


def every_window_closes_with_what_came_in_time(random: Random) -> None:
    """Against a model: a window counts the points that came before their worker's own watermark had passed it."""
    plan = script(random, config_of(random))
    log = plan.log(random)
    sent = run(plan.config, log)
    closed = [report for report in reports(sent) if plan.config.windows[report.window].kind != "wall"]
    _assert_no_window_is_left_out(plan.config, closed)
    expected = _points_in_time(plan.config, log)
    for report in closed:
        shares = {partial.worker: partial for partial in report.partials}
        for worker in plan.joins:
            rows = shares[worker].table()[1] if worker in shares else np.zeros((7, 1))
            counted = rows[0].sum() + rows[5].sum()
            assert counted == expected[worker, report.window, to_micros(report.start), to_micros(report.end)]


def closes_go_on(random: Random) -> None:
    """L4: a year passes at once, with or without members: what it causes is bounded, and windows close on."""
    config = config_of(random)
    year = 365 * 86_400.0
    current = operator(config)
    current.on_records(script(random, config, panes=8).log(random))
    patient = batch("patient", 1, T0 + 70, [(0, 1.0)], interval=random.choice([PANE, 1e9]))
    caused = current.on_records([patient, tick(T0 + 80), tick(T0 + year - 1), tick(T0 + year)])
    assert len(caused) < 5_000
    assert len(current.snapshot()) < 40_000
    sender = Sender("new")
    times = [T0 + year + k * PANE for k in range(20)]
    later = [data for now in times for data in (*sender.send(random, now), tick(now))]
    closed = reports(current.on_records(later))
    assert max(report.end for report in closed) >= T0 + year + 100
    assert len(closed) < 5_000
    assert len(current.snapshot()) < 60_000


def _disturbed(random: Random, config: JobConfig, log: list[bytes]) -> list[Output]:
    noisy = _with_duplicates(random, log)
    current, sent = operator(config), []
    committed, offset, at = Committed(), 0, 0
    committed.commit(current)
    while at < len(noisy):
        until = min(len(noisy), at + random.randint(1, 20))
        sent += current.on_records(noisy[at:until])
        at = until
        chance = random.random()
        if chance < 0.25:
            committed.commit(current)
            offset = max(0, at - random.choice([0, 0, 1, 5]))
        elif chance < 0.35:  # killed: the state that was committed last, and an offset that may be behind it
            current = operator(config)
            committed.restore(current)
            at = offset
    return sent


def _with_duplicates(random: Random, log: list[bytes]) -> list[bytes]:
    """Anything in the log may come again later: a producer's retry, a second host's tick."""
    noisy: list[bytes] = []
    for i, data in enumerate(log):
        noisy.append(data)
        if random.random() < 0.1:
            noisy.append(log[random.randint(max(0, i - 6), i)])
    return noisy


def _assert_no_window_is_left_out(config: JobConfig, closed: list[Report]) -> None:
    order = [(report.end, report.end - report.start) for report in closed]
    assert order == sorted(order)
    for index, spec in enumerate(config.windows):
        ends = [to_micros(report.end) for report in closed if report.window == index]
        calendar = Calendar(to_micros(spec.slide), config.timezone)
        assert all(calendar.after(a) == b for a, b in pairwise(ends))


def _points_in_time(config: JobConfig, log: list[bytes]) -> Counter[tuple[str, int, int, int]]:
    counted: Counter[tuple[str, int, int, int]] = Counter()
    watermarks: dict[str, float] = {}
    timely: dict[str, float] = {}
    now = 1e11
    for data in log:
        record = codec.decode(data)
        if isinstance(record, Tick):
            now = record.time // PANE * PANE
        if not isinstance(record, TraceBatch):
            continue
        names = codec.decode_names(record.names)
        points = sum(names[index].clock != "wall" for index in codec.points(record).index)
        before = watermarks.get(record.worker, -1e11)
        for index, spec in enumerate(config.windows):
            first = int(record.pane // spec.slide + 1) * spec.slide
            for k in range(round(spec.length / spec.slide)):
                end = first + k * spec.slide
                if before < end + config.allowed_lateness:
                    counted[record.worker, index, to_micros(end - spec.length), to_micros(end)] += int(points)
        latest = max(now, before if timely.get(record.worker) == now else now) + max(config.max_ahead, 2 * PANE)
        timely[record.worker] = now if max(record.pane, record.watermark) <= latest else -1.0
        watermarks[record.worker] = max(before, record.watermark if record.watermark <= latest else record.pane)
    return counted


def _time(data: bytes) -> float | None:
    try:
        record = codec.decode(data)
    except RecordError:
        return None
    return record.time if isinstance(record, Tick) else None


def _identity(report: Report) -> tuple[int, float, float]:
    return report.window, report.start, report.end


def _bare(report: Report) -> bytes:
    return msgspec.msgpack.encode(msgspec.structs.replace(report, number=0, shard=0, shards=1))

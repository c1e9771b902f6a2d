"""The pager on the flights' incidents: one page each with the right root, its words, the same bytes in any batching."""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.anomaly.types import (
    Ack,
    Anomaly,
    Decision,
    Edge,
    Kind,
    Matcher,
    Notification,
    Severity,
    Silence,
    Topology,
    Unsuppress,
)
from streamgauge.pipelines.config.schema import Config, Feature, JobConfig, Paging
from streamgauge.pipelines.paging import lineage
from streamgauge.pipelines.paging.pager import KINDS, Pager
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.outputs import DeadLetter, Output, encode
from streamgauge.tracer.records import Tick

H = 3600.0
ZONE = zoneinfo.ZoneInfo("America/New_York")
DAY = datetime.datetime(2013, 1, 22, tzinfo=ZONE).timestamp()  # local midnight
JOB = JobConfig(
    name="flights",
    timezone="America/New_York",
    workers=3,
    features=tuple(Feature(name=name, kind="id") for name in ("tailnum", "seats", "carrier", "dest")),
    topology=(
        Edge("feature:tailnum", "feature:seats"),
        Edge("model", "heartbeat", 7 * 24 * H, 0.1, ("nonfinite",)),  # people restart a worker whose model broke
        Edge("model", "restart", 7 * 24 * H, 0.1, ("nonfinite",)),
    ),
    paging=Paging(
        grace=1 * H, max_wait=3 * H, tolerance=3 * H, hop_delay=3 * H, max_hops=3, clear_hold=12 * H, recover=12 * H,
        group=24 * H, repeat=0.0, digest=0.0,
    ),
    paged=("*",),
)  # fmt: skip
CONFIG = Config(jobs=(JOB,), page_budget=100)


class Log:
    """The `anomalies` log of a story, in stream time: hours since local midnight of 22 January."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self._number = 0

    def add(
        self, hour: float, metric: str, worker: str = "", *, entity: str = "", start: float | None = None,
        end: float | None = None, domain: str = "sample", kind: Kind = "anomaly", severity: Severity = "page",
        value: float | None = None, expected: float | None = None, score: float = 12.0, text: str = "",
    ) -> None:  # fmt: skip
        self._number += 1
        anomaly = Anomaly(
            kind=kind, job="flights", worker=worker, domain=domain, entity=entity, metric=metric, severity=severity,
            start=DAY + H * (hour - 3 if start is None else start), time=DAY + H * hour,
            end=None if end is None else DAY + H * end, value=value, expected=expected, score=score, text=text,
            number=self._number,
        )  # fmt: skip
        self.messages.append(encode(anomaly))

    def fact(self, hour: float, metric: str, worker: str, entity: str, **more: Any) -> None:
        self.add(hour, metric, worker, entity=entity, start=hour, kind="fact", score=1e9, **more)

    def tick(self, hour: float) -> None:
        self.messages.append(encode(Tick(job="flights", time=DAY + H * hour)))

    def story(self, events: Sequence[tuple[float, str, str, dict[str, Any]]], until: float) -> list[bytes]:
        """Hourly ticks up to `until`; each event comes just before the tick of its hour."""
        for hour in range(1, int(until) + 1):
            for at, metric, worker, more in events:
                if hour - 1 < at <= hour:
                    self.add(at, metric, worker, **more)
            self.tick(hour)
        return self.messages


def run(messages: Sequence[bytes], config: Config = CONFIG) -> list[Output]:
    return Pager(config).on_records(messages)


def records(out: Sequence[Output]) -> list[Any]:
    return [outputs.decode(item.value, KINDS) for item in out]


def told(out: Sequence[Output], status: str = "firing") -> list[Notification]:
    return [r for r in records(out) if isinstance(r, Notification) and r.status == status]


TAIL = [
    (12, "missing_rate", "LGA", {"entity": "feature:tailnum", "value": 1.0, "expected": 0.003, "score": 25.0}),
    (12, "missing_rate", "", {"entity": "feature:tailnum", "value": 0.33, "expected": 0.004, "score": 14.0}),
    (12, "missing_rate", "LGA", {"entity": "feature:seats", "value": 1.0, "expected": 0.28, "start": 9, "score": 12.0}),
    (15, "psi", "LGA", {"entity": "feature:tailnum", "value": 1.9, "expected": 0.1, "start": -9}),
    (15, "top_share", "LGA", {"entity": "feature:tailnum", "value": 0.0, "expected": 0.1, "start": -9}),
    (18, "prediction_psi", "LGA", {"value": 0.7, "expected": 0.1, "start": 15, "domain": "train"}),
    (48, "missing_rate", "LGA", {"entity": "feature:tailnum", "start": 9, "end": 45}),
    (48, "missing_rate", "", {"entity": "feature:tailnum", "start": 9, "end": 45}),
    (48, "missing_rate", "LGA", {"entity": "feature:seats", "start": 9, "end": 45}),
    (69, "psi", "LGA", {"entity": "feature:tailnum", "start": -9, "end": 66}),
    (69, "top_share", "LGA", {"entity": "feature:tailnum", "start": -9, "end": 66}),
    (69, "prediction_psi", "LGA", {"start": 15, "end": 66, "domain": "train"}),
]
HOLD = [
    (15, "label_arrivals", "", {"value": 0.0, "expected": 0.02, "score": 20.0, "start": 12}),
    (15, "label_arrivals", "EWR", {"value": 0.0, "expected": 0.01, "start": 12}),
    (15, "label_arrivals", "JFK", {"value": 0.0, "expected": 0.01, "start": 12}),
    (15, "throughput", "EWR", {"domain": "train", "value": 0.0, "start": 14}),
    (18, "label_arrivals", "LGA", {"value": 0.0, "expected": 0.01, "start": 15}),
    (18, "label_overdue", "", {"value": 0.8, "expected": 0.01, "start": 15}),
    (27, "label_delay_p95", "JFK", {"value": 50000.0, "expected": 12000.0, "start": 24}),
    (27, "throughput", "JFK", {"domain": "train", "value": 3.0, "start": 24}),
    (30, "label_arrivals", "", {"start": 12, "end": 27}),
    (30, "label_arrivals", "EWR", {"start": 12, "end": 27}),
    (30, "label_arrivals", "JFK", {"start": 12, "end": 27}),
    (30, "label_arrivals", "LGA", {"start": 15, "end": 27}),
    (30, "throughput", "EWR", {"domain": "train", "start": 14, "end": 27}),
    (30, "throughput", "JFK", {"domain": "train", "start": 24, "end": 27}),
    (30, "label_overdue", "", {"start": 15, "end": 27}),
    (30, "label_delay_p95", "JFK", {"start": 24, "end": 27}),
]
DIVERGED = [
    (10, "nonfinite", "JFK", {"entity": "loss", "domain": "train", "kind": "fact", "severity": "page-now", "score": 1e9,
                              "start": 10, "text": "nonfinite in loss: 3"}),
    (10, "nonfinite", "JFK", {"entity": "tensor:dense/kernel", "domain": "train", "kind": "fact", "score": 1e9,
                              "severity": "page-now", "start": 10, "text": "nonfinite in tensor:dense/kernel: 12"}),
    (12, "gradient_norm", "JFK", {"entity": "tensor:dense/kernel", "domain": "train", "start": 9}),
    (12, "prediction_mean", "JFK", {"domain": "train", "start": 9}),
    (15, "loss", "", {"domain": "train", "start": 12}),
    (30, "missing", "JFK", {"entity": "heartbeat", "domain": "system", "kind": "fact", "score": 1e9, "start": 30}),
    (31, "restarts", "JFK", {"domain": "system", "start": 30}),
    (31, "missing", "JFK", {"entity": "heartbeat", "domain": "system", "kind": "fact", "start": 30, "end": 31}),
    (33, "nonfinite", "JFK", {"entity": "loss", "domain": "train", "kind": "fact", "severity": "page-now", "start": 10,
                              "end": 31}),
    (33, "nonfinite", "JFK", {"entity": "tensor:dense/kernel", "domain": "train", "kind": "fact", "start": 10,
                              "severity": "page-now", "end": 31}),
    (34, "restarts", "JFK", {"domain": "system", "start": 30, "end": 32}),
    (36, "gradient_norm", "JFK", {"entity": "tensor:dense/kernel", "domain": "train", "start": 9, "end": 33}),
    (36, "prediction_mean", "JFK", {"domain": "train", "start": 9, "end": 33}),
    (36, "loss", "", {"domain": "train", "start": 12, "end": 33}),
]  # fmt: skip
STALL = [
    (11, "throughput", "EWR", {"domain": "train", "start": 10}),
    (12, "behind", "EWR", {"entity": "watermark", "domain": "system", "kind": "fact", "score": 1e9, "start": 9,
                           "text": "watermark 10800 s behind"}),
    (12, "volume", "", {"start": 9}),
    (15, "volume", "EWR", {"start": 9, "value": 0.0, "expected": 0.004}),
    (15, "label_arrivals", "EWR", {"start": 12}),
    (18, "behind", "EWR", {"entity": "watermark", "domain": "system", "kind": "fact", "start": 9, "end": 17}),
    (18, "throughput", "EWR", {"domain": "train", "start": 10, "end": 17}),
    (18, "queue_delay_p95", "EWR", {"start": 15, "domain": "sample"}),
    (18, "volume", "", {"start": 9, "end": 15}),
    (21, "volume", "EWR", {"start": 9, "end": 18}),
    (21, "label_arrivals", "EWR", {"start": 12, "end": 18}),
    (21, "queue_delay_p95", "EWR", {"start": 15, "end": 18, "domain": "sample"}),
]  # fmt: skip
TWICE = [
    (9, "duplicate_rate", "JFK", {"value": 0.5, "expected": 0.0, "kind": "fact", "score": 1e9, "start": 6,
                                  "text": "duplicate_rate is 50 %, above its limit of 1 %"}),
    (9, "duplicate_rate", "", {"value": 0.25, "expected": 0.0, "kind": "fact", "score": 1e9, "start": 6}),
    (9, "volume", "JFK", {"start": 6}),
    (12, "label_arrivals", "JFK", {"start": 9}),
    (33, "duplicate_rate", "JFK", {"kind": "fact", "start": 6, "end": 30}),
    (33, "duplicate_rate", "", {"kind": "fact", "start": 6, "end": 30}),
    (33, "volume", "JFK", {"start": 6, "end": 30}),
    (33, "label_arrivals", "JFK", {"start": 9, "end": 30}),
]  # fmt: skip
BLIZZARD = [
    (18, "missing_rate", worker, {"entity": "feature:tailnum", "score": score, "value": 0.3, "expected": 0.003})
    for worker, score in (("", 22.0), ("EWR", 13.0), ("JFK", 12.0), ("LGA", 14.0))
] + [
    (21, "label_arrivals", "", {"start": 18, "score": 15.0}),
    (21, "label_arrivals", "LGA", {"start": 18}),
    (21, "label_overdue", "EWR", {"start": 18}),
    (39, "label_overdue", "JFK", {"start": 36}),
]  # fmt: skip
STORIES = {
    "tail": (TAIL, "feature:tailnum@LGA", 5), "hold": (HOLD, "labels", 7), "diverged": (DIVERGED, "model@JFK", 6),
    "stall": (STALL, "watermark@EWR", 5), "twice": (TWICE, "samples@JFK", 3),
    "blizzard": (BLIZZARD, "feature:tailnum", 7),
}  # fmt: skip


@pytest.mark.parametrize("name", STORIES)
def test_each_incident_is_one_page_with_its_root_and_all_that_follows_folded(name: str) -> None:
    events, root, folded = STORIES[name]
    out = run(Log().story(events, until=160))
    assert [page.root.node for page in told(out)] == [root]
    names = {d.alert.episode for d in records(out) if isinstance(d, Decision) and d.reason.root}
    assert len(names - {told(out)[0].root.episode}) == folded
    if name != "blizzard":  # which the story leaves open
        assert [page.root.node for page in told(out, "resolved")] == [root]


def test_two_unrelated_incidents_that_overlap_at_different_airports_are_two_roots() -> None:
    later = [(at + 4, metric, worker, shifted(more, 4)) for at, metric, worker, more in STALL]
    out = run(Log().story([*TAIL, *later], until=160))
    assert [page.root.node for page in told(out)] == ["feature:tailnum@LGA", "watermark@EWR"]
    third = [(at + 2, metric, worker, shifted(more, 2)) for at, metric, worker, more in DIVERGED]
    out = run(Log().story([*TAIL, *third], until=160))
    assert sorted(page.root.node for page in told(out)) == ["feature:tailnum@LGA", "model@JFK"]


def test_what_one_airport_does_to_the_job_hides_nothing_at_another() -> None:
    later = [(at + 3, metric, worker, shifted(more, 3)) for at, metric, worker, more in TWICE]
    wide = msgspec.structs.replace(JOB.paging, hop_delay=6 * H, grace=3 * H, max_wait=6 * H, clear_hold=24 * H)
    for paging in (JOB.paging, wide):
        config = Config(jobs=(msgspec.structs.replace(JOB, paging=paging),))
        out = run(Log().story([*TAIL, *later], until=160), config)
        assert [page.root.node for page in told(out)] == ["feature:tailnum@LGA", "samples@JFK"]


def test_labels_held_back_everywhere_are_not_hidden_by_a_join_broken_at_one_airport() -> None:
    later = [(at + 6, metric, worker, shifted(more, 6)) for at, metric, worker, more in HOLD]
    out = run(Log().story([*TAIL, *later], until=160))
    assert [page.root.node for page in told(out)] == ["feature:tailnum@LGA", "labels"]


def test_nothing_happens_and_nobody_is_paged() -> None:
    log = Log()
    for hour in range(1, 24 * 7):
        if hour % 9 == 0:
            log.add(hour, "cpu", "LGA", domain="system", severity="info", start=hour - 1)
            log.add(hour, "cpu", "LGA", domain="system", severity="info", start=hour - 1, end=hour)
        if hour % 11 == 0:
            log.add(hour, "loss", "LGA", domain="train", start=hour - 1)
            log.add(hour + 0.5, "loss", "LGA", domain="train", start=hour - 1, end=hour)
        log.tick(hour)
    out = run(log.messages)
    assert not [r for r in records(out) if isinstance(r, Notification)]
    assert [r for r in records(out) if isinstance(r, Decision)]


GOLDEN = """\
PAGE [flights] feature tailnum at LGA: no value in 100 % of the rows (normal 0.3 %) since 22 Jan 09:00
Impact: the model learns from it now; predictions in service get worse with the next push, and at once if \
serving reads the same source. The gate holds model pushes while this is open; the last good model is from \
before 09:00.
Cause: feature tailnum at LGA, no value in 100 % of the rows (normal 0.3 %).
Why you are told: it is taken for the root; nothing upstream of feature tailnum at LGA is broken (5 \
places looked at).
Since 22 Jan 09:00 America/New_York (22 Jan 14:00 UTC), found 3 h later, held 1 h for a cause to show.
Nothing is open at: samples, labels, training, model, predictions, workers.
Look at: see where tailnum comes from and how it is joined at LGA; undo what was deployed there shortly before.
Careful: do not restart workers, they would train on the same rows.
Folded beneath it, 2: 2 of feature.
  - feature tailnum of the whole job: no value in 33 % of the rows (normal 0.4 %), at the same time
  - feature seats at LGA: no value in 100 % of the rows (normal 28 %), at the same time
Next: it is not told again; that it is over is told here."""
GOLDEN_OVER = """\
OVER [flights] feature tailnum at LGA: no value in 100 % of the rows (normal 0.3 %) since 22 Jan 09:00
It was over at 23 Jan 21:00, after 36 h.
Folded beneath it, 5: 4 of feature, 1 of predictions.
  - feature tailnum of the whole job: no value in 33 % of the rows (normal 0.4 %), at the same time
  - feature seats at LGA: no value in 100 % of the rows (normal 28 %), at the same time
  - feature tailnum at LGA: the values are distributed otherwise, index 1.9 (normal 0.1), 18 h before it
  - feature tailnum at LGA: one value has 0 % of the rows (normal 10 %), 18 h before it
  - predictions at LGA: predictions are distributed otherwise, index 0.7 (normal 0.1), 6 h after it"""


def test_the_words_of_a_page() -> None:
    out = run(Log().story(TAIL, until=160))
    assert told(out)[0].text == GOLDEN
    assert told(out, "resolved")[0].text == GOLDEN_OVER


@given(st.sampled_from(sorted(STORIES)), st.lists(st.integers(0, 70), max_size=4), st.booleans())
def test_one_log_gives_the_same_bytes_in_any_batches_with_restarts_and_redeliveries(
    name: str, cuts: list[int], again: bool
) -> None:
    messages = Log().story(STORIES[name][0], until=50)
    whole = run(messages)
    pager, out, begin = Pager(CONFIG), [], 0
    for cut in (*sorted(cuts), len(messages)):
        batch = messages[begin : max(begin, cut)]
        out += pager.on_records(batch)
        if again:
            assert pager.on_records([m for m in batch if is_anomaly(m)]) == [], "what was taken is not taken again"
        state = pager.snapshot()
        pager = Pager(CONFIG)
        pager.restore(state)
        assert pager.snapshot() == state
        begin = max(begin, cut)
    assert out == whole


@given(st.sampled_from(sorted(STORIES)), st.randoms(use_true_random=False))
def test_the_order_of_anomalies_between_two_ticks_changes_no_page(name: str, random: Any) -> None:
    log, shuffled, numbers = Log(), [], 0
    log.story(STORIES[name][0], until=50)
    waiting: list[bytes] = []
    for message in log.messages:
        waiting.append(message)
        if not is_anomaly(message):
            tick = waiting.pop()
            random.shuffle(waiting)
            for item in waiting:
                numbers += 1
                anomaly = msgspec.structs.replace(outputs.decode(item, KINDS), number=numbers)
                shuffled.append(encode(anomaly))
            shuffled.append(tick)
            waiting = []
    assert [n.text for n in told(run(shuffled))] == [n.text for n in told(run(log.messages))]


def test_one_silence_one_ack_one_unsuppression_travel_in_the_log() -> None:
    log = Log()
    log.add(12, "missing_rate", "LGA", entity="feature:tailnum", start=9)
    log.messages.append(encode(silence("feature:.*", 0, 20)))
    for hour in range(1, 31):
        log.tick(hour)
    out = run(log.messages)
    assert [(page.root.node, (page.time - DAY) / H) for page in told(out)] == [("feature:tailnum@LGA", 20.0)]

    log = Log()
    events = [*TAIL[:3]]
    first = run(log.story(events, until=20))
    page = told(first)[0]
    asked = [
        encode(Ack(job="flights", notification=page.id, author="eve")),
        encode(Unsuppress(job="flights", episode=page.suppressed[1].alert.episode, author="eve")),
    ]
    log.messages += asked
    log.tick(21)
    last = told(run(log.messages))[-1]
    assert (last.root.node, last.reason.decision) == ("feature:seats@LGA", "unsuppressed")


def test_a_declared_topology_holds_and_is_stamped_on_decisions() -> None:
    log = Log()
    edges = (Edge("feature:seats@LGA", "feature:tailnum@LGA"),)
    log.messages.append(encode(Topology(job="flights", revision=7, edges=edges)))
    page = told(run(log.story(TAIL[:1] + TAIL[2:3], until=20)))
    assert [(n.root.node, n.reason.topology) for n in page] == [("feature:seats@LGA", 7)]


def test_a_tick_without_a_job_is_everybodys() -> None:
    log = Log()
    log.fact(1, "missing", "LGA", "heartbeat", domain="system")
    out = run([*log.messages, encode(Tick(job="", time=DAY + H))])
    assert [page.root.node for page in told(out)] == ["heartbeat@LGA"]


def test_an_unconfigured_job_is_paged_with_the_default_waits() -> None:
    log = Log()
    log.fact(1, "missing", "LGA", "heartbeat", domain="system")
    out = run([*log.messages, encode(Tick(job="flights", time=DAY + H))], Config())
    assert told(out)[0].text.splitlines()[0] == "PAGE [flights] worker LGA: missing since 22 Jan 06:00"


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (b"", "truncated"),
        (b"\xc1garbage", "malformed"),
        (msgspec.msgpack.encode(("unheard", {})), "unknown record kind 'unheard'"),
        (encode(Tick(job="flights", time=float("nan"))), "a tick with the times"),
        (encode(Tick(job="flights", time=1e300)), "a tick with the times"),
        (
            encode(Silence(id="s", job="flights", matchers=(Matcher("node", "(", True),), start=0.0, end=1.0)),
            "silence s: the pattern '(' is no regular expression",
        ),
        (
            encode(Silence(id="s", job="flights", matchers=(Matcher("node", "(a+)+b", True),), start=0.0, end=1.0)),
            "matching it could take for ever",
        ),
    ],
)
def test_a_bad_message_is_a_dead_letter_and_stops_nothing(message: bytes, text: str) -> None:
    events = Log().story(TAIL, until=20)
    out = run([message, *events])
    letters = [r for r in records(out) if isinstance(r, DeadLetter)]
    assert [letter.data for letter in letters] == [message]
    assert text in letters[0].text
    assert out[1:] == run(events)


def test_a_state_of_an_unknown_version_is_refused() -> None:
    with pytest.raises(ValueError, match=r"pager has version 99, this release reads versions 1 to \d+; start"):
        Pager(CONFIG).restore(msgspec.msgpack.encode((99, {})))


def test_the_topology_grows_with_the_workers_that_are_seen() -> None:
    pager = Pager(CONFIG)
    pager.on_records(Log().story(TAIL, until=20))
    assert pager.topology("flights") == lineage.topology(JOB, ("LGA",), features=("tailnum", "seats"), revision=2)


def is_anomaly(message: bytes) -> bool:
    return isinstance(outputs.decode(message, KINDS), Anomaly)


def silence(pattern: str, start: float, end: float) -> Silence:
    matchers = (Matcher("node", pattern, True),)
    return Silence(id="s1", job="flights", matchers=matchers, start=DAY + H * start, end=DAY + H * end)


def shifted(more: dict[str, Any], hours: float) -> dict[str, Any]:
    return more | {name: more[name] + hours for name in ("start", "end") if name in more}

"""Claims about what on-call's verdicts send into a job's log, whatever their order, repeats and restarts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.anomaly.budget import Rarity
from streamgauge.anomaly.thresholds import Excused, Multipliers, Rejected, Verdict
from streamgauge.anomaly.types import Alert, Notification, Reason, SeriesKey, Suppressed, fingerprint
from streamgauge.pipelines.config.schema import DAY, JobConfig, Paging
from streamgauge.pipelines.paging.feedback import KINDS, KNOWN, FeedbackLoop
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.outputs import Change
from streamgauge.tracer import codec
from streamgauge.tracer.records import Feedback, Setting, Tick

JOB = JobConfig(name="ctr")
WHY = Reason(decision="root", text="alone")
FEATURES = ("a", "b", "c")


def key(feature: str = "a", worker: str = "u") -> SeriesKey:
    return SeriesKey("ctr", worker, "sample", f"feature:{feature}", "missing_rate")


def alert(series: SeriesKey, start: float = 0.0, kind: str = "anomaly", severity: Any = "page") -> Alert:
    return Alert(
        fingerprint=fingerprint(kind, *series), node=series.node, job=series.job, domain=series.domain,
        entity=series.entity, worker=series.worker, metric=series.metric, severity=severity, score=9.0, start=start,
        arrival=start,
    )  # fmt: skip


def told(name: str, root: Alert, beneath: Sequence[Alert] = ()) -> bytes:
    folded = tuple(Suppressed(one, WHY) for one in beneath)
    return outputs.encode(Notification(
        id=name, job="ctr", status="firing", time=root.start, root=root, reason=WHY, text="", suppressed=folded,
    ))  # fmt: skip


def said(name: str, verdict: Verdict = "false_alarm", time: float = 0.0, **fields: Any) -> bytes:
    return outputs.encode(Feedback(job="ctr", notification=name, verdict=verdict, time=time, **fields))


def tick(time: float) -> bytes:
    return outputs.encode(Tick(job="ctr", time=time))


def sent(state: FeedbackLoop, *messages: bytes) -> tuple[list[Setting], list[str]]:
    """The settings and the texts of the changes."""
    made = state.on_records(messages)
    log = [codec.decode(one.value) for one in made if one.topic == "traces"]
    settings = [record for record in log if isinstance(record, Setting)]
    changes = [outputs.decode(one.value) for one in made if one.topic == "scores"]
    assert all(isinstance(change, Change) for change in changes)
    return settings, [change.text for change in changes]


def factors(settings: Sequence[Setting]) -> dict[SeriesKey, float]:
    """What the last setting of thresholds says."""
    bodies = [setting.body for setting in settings if setting.name == "thresholds"]
    return dict(msgspec.json.decode(bodies[-1], type=Multipliers).factors) if bodies else {}


def taught(state: FeedbackLoop, *series: SeriesKey, verdict: Verdict = "false_alarm") -> list[Setting]:
    """One incident of each, a day apart, all judged."""
    found = []
    for n, one in enumerate(series):
        found += sent(state, told(f"n{n}", alert(one, n * DAY)), said(f"n{n}", verdict, n * DAY + 60.0))[0]
    return found


def test_three_false_alarms_widen_the_series_and_the_jobs_own() -> None:
    state = FeedbackLoop(JOB)
    assert taught(state, key(), key()) == []
    assert factors(sent(state, told("n9", alert(key(), 3 * DAY)), said("n9", time=3 * DAY))[0]) == {
        key(worker=""): 1.25, key(): 1.25,
    }
    assert state.shown()["thresholds"][1]["verdicts"] == 3


def test_a_setting_goes_to_every_shard_with_one_revision() -> None:
    settings = taught(FeedbackLoop(msgspec.structs.replace(JOB, shards=2)), *[key()] * 3)
    assert [(one.shard, one.effective) for one in settings] == [(0, 2 * DAY + 60.0), (1, 2 * DAY + 60.0)]
    assert settings[0].revision == settings[1].revision


def test_what_is_told_of_the_whole_job_teaches_the_same_series_of_its_workers() -> None:
    state, places = FeedbackLoop(JOB), [key(worker=worker) for worker in ("u", "v")]
    for n in range(3):
        beneath = [alert(one, n * DAY) for one in (*places, key("b"))]
        settings, _ = sent(state, told(f"n{n}", alert(key(worker=""), n * DAY), beneath), said(f"n{n}", time=n * DAY))
    assert list(factors(settings)) == [key(worker=""), *places]


def test_what_is_folded_beneath_a_worker_is_not_judged() -> None:
    state = FeedbackLoop(JOB)
    for n in range(3):
        root = alert(key(), n * DAY)
        settings, _ = sent(state, told(f"n{n}", root, [alert(key("b"), n * DAY)]), said(f"n{n}", time=n * DAY))
    assert list(factors(settings)) == [key(worker=""), key()]


def test_updates_of_one_incident_are_one_verdict() -> None:
    state, root = FeedbackLoop(JOB), alert(key())
    assert sent(state, *(told(f"n{n}", root) for n in range(5)), *(said(f"n{n}") for n in range(5)))[0] == []
    assert state.shown()["thresholds"][0]["verdicts"] == 1


def test_what_pages_at_once_is_never_raised() -> None:
    state = FeedbackLoop(JOB)
    for n in range(3):
        root = alert(key(), n * DAY, severity="page-now")
        settings, texts = sent(state, told(f"n{n}", root), said(f"n{n}", "false_alarm", n * DAY))
    assert factors(settings) == {}
    assert "never raised" in texts[-1]


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([said("n1")], "no such notification is known"),
        ([told("n1", alert(key(), kind="fact")), said("n1")], "a fact has no threshold"),
        ([told("n1", alert(key())), said("n1", "none", author="Ada")], "n1 is none, says Ada: missing_rate of"),
        ([told("n1", alert(key())), said("n1", "expected", time=DAY)], "n1 is expected: missing_rate of feature a"),
        ([told("n1", alert(key(), severity="page-now")), said("n1", "expected")], "stays at 1.00"),
    ],
)
def test_a_verdict_that_moves_nothing_says_so(messages: list[bytes], words: str) -> None:
    settings, texts = sent(FeedbackLoop(JOB), *messages)
    assert settings == []
    assert [words in text for text in texts] == [True]


def test_a_new_trend_is_accepted_at_once_and_takes_a_verdict_back() -> None:
    state = FeedbackLoop(JOB)
    taught(state, *[key()] * 3)
    settings, texts = sent(state, said("n2", "new_trend", 2 * DAY + 90.0))
    assert [setting.name for setting in settings] == ["thresholds", "new_trend"]
    assert factors(settings) == {}
    assert msgspec.json.decode(settings[1].body, type=tuple[SeriesKey, ...]) == (key(worker=""), key())
    assert "1.25 -> 1.00" in texts[0]


def test_what_is_expected_is_excused_for_a_day_from_its_onset_unless_that_is_taken_back() -> None:
    state = FeedbackLoop(JOB)
    settings, texts = sent(state, told("n", alert(key(), 60.0)), said("n", "expected", 90.0), said("n", "none", 99.0))
    assert [setting.name for setting in settings] == ["expected", "expected"]
    bodies = [msgspec.json.decode(setting.body, type=Excused) for setting in settings]
    assert [(body.series, body.until) for body in bodies] == [
        ((key(worker=""), key()), DAY + 60.0), ((key(worker=""), key()), 60.0),
    ]
    assert texts == ["n is expected: missing_rate of feature a at u neither pages nor teaches for a day"]


def test_a_true_alarm_is_no_lesson_until_it_is_called_something_else() -> None:
    state = FeedbackLoop(JOB)
    settings, texts = sent(
        state, told("n", alert(key(), 60.0)), said("n", "true_alarm", 90.0), said("n", "true_alarm", 95.0),
        said("n", "expected", 99.0),
    )  # fmt: skip
    assert [setting.name for setting in settings] == ["true_alarm", "true_alarm", "expected"]
    bodies = [msgspec.json.decode(setting.body, type=Rejected) for setting in settings[:2]]
    assert [(body.series, body.onset, body.taught) for body in bodies] == [
        ((key(worker=""), key()), 60.0, False), ((key(worker=""), key()), 60.0, True),
    ]
    assert texts[:2] == [
        "n is true_alarm: what missing_rate of feature a at u did is no part of its past",
        "n is expected: what missing_rate of feature a at u did counts again as part of its past",
    ]


def test_each_change_names_the_verdict_the_series_and_both_values() -> None:
    state = FeedbackLoop(JOB)
    taught(state, *[key()] * 2)
    _, texts = sent(state, told("n2", alert(key(), 2 * DAY)), said("n2", time=2 * DAY, author="Ada"))
    assert texts == [
        "n2 is false_alarm, says Ada: missing_rate of feature a of the whole job 1.00 -> 1.25 (nothing of its own)",
        "n2 is false_alarm, says Ada: missing_rate of feature a at u 1.00 -> 1.25 (3 verdicts)",
    ]


def test_a_tick_a_day_fades_it_and_none_is_wanted_while_nothing_is_in_force() -> None:
    state = FeedbackLoop(JOB)
    taught(state, *[key()] * 2)
    assert not state.wants_tick(90 * DAY)
    sent(state, told("n2", alert(key(), 2 * DAY)), said("n2", time=2 * DAY))
    assert not state.wants_tick(2 * DAY + 3600.0)
    seen: list[float | None] = []
    while state.wants_tick(day := (3 + len(seen)) * DAY):
        seen.append(factors(sent(state, tick(day))[0]).get(key()))
    moved = [factor for factor in seen if factor is not None]
    assert moved[0] == 1.31  # what the day before did not allow
    assert moved[1:] == sorted(moved[1:], reverse=True)
    assert seen[-1] is None
    assert 100 < len(seen) <= 182


def test_a_budget_makes_pages_rarer_while_more_come_than_are_wanted() -> None:
    state = FeedbackLoop(JobConfig(name="ctr", paging=Paging(pages=1.0)))
    rarer: list[float] = []
    for day in range(1, 8):
        sent(state, *(told(f"n{day}-{n}", alert(key(), day * DAY)) for n in range(10)), tick(day * DAY + 60.0))
        settings, texts = sent(state, tick((day + 1) * DAY))
        rarer += [msgspec.json.decode(one.body, type=Rarity).rarer for one in settings if one.name == "rarity"]
    assert rarer == [0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4]
    assert texts == ["budget: 10 pages in a day, 1 are wanted: a page is 25.1 times rarer than by default"]


def test_without_a_budget_and_for_what_is_no_page_nothing_is_rationed() -> None:
    tickets = [told(f"n{n}", alert(key(), DAY, severity="ticket")) for n in range(9)]
    facts = [told(f"f{n}", alert(key(), DAY, kind="fact")) for n in range(9)]
    pages = [told(f"p{n}", alert(key(), DAY)) for n in range(9)]
    rationed = FeedbackLoop(JobConfig(name="ctr", paging=Paging(pages=5.0)))
    assert sent(FeedbackLoop(JOB), *pages, tick(DAY), tick(2 * DAY)) == ([], [])
    settings, _ = sent(rationed, tick(DAY), *tickets, *facts, tick(2 * DAY))
    assert [msgspec.json.decode(one.body, type=Rarity).rarer for one in settings] == [-0.2]


def test_a_budget_that_nothing_is_left_of_wants_no_ticks() -> None:
    state, day = FeedbackLoop(JobConfig(name="ctr", paging=Paging(pages=5.0))), 1
    sent(state, tick(DAY))
    while state.wants_tick((day := day + 1) * DAY):
        sent(state, tick(day * DAY))
    assert day < 30


def test_notifications_are_remembered_up_to_a_bound() -> None:
    state = FeedbackLoop(JOB)
    state.on_records([told(f"n{n}", alert(key())) for n in range(KNOWN + 1)])
    assert "no such notification" in sent(state, said("n0"))[1][0]
    assert "1 of 3" in sent(state, said("n1"))[1][0]


def test_records_of_other_jobs_of_no_kind_or_of_no_time_are_passed_over() -> None:
    other = outputs.encode(Feedback(job="other", notification="n", verdict="none"))
    assert FeedbackLoop(JOB).on_records([b"rubbish", other, said("n", time=float("nan")), tick(float("inf"))]) == []


def test_a_state_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="the state of the verdicts has version 4, this release reads versions 1 to 3"):
        FeedbackLoop(JOB).restore(msgspec.msgpack.encode((4, 0.0, 0, (), ())))


WORDS = st.lists(
    st.tuples(st.sampled_from(FEATURES), st.integers(0, 6), st.sampled_from(get_args(Verdict)), st.integers(0, 3)),
    max_size=40,
)  # feature, incident, verdict, hours later


def log(words: Sequence[tuple[str, int, Verdict, int]]) -> list[bytes]:
    """All notifications, then the verdicts with a tick of each day between them."""
    found = [told(f"{f}{n}", alert(key(f), float(n))) for f in FEATURES for n in range(7)]
    now = 0.0
    for feature, incident, verdict, hours in words:
        days = range(int(now // DAY) + 1, int((now + hours * 7200.0) // DAY) + 1)
        found += [tick(day * DAY) for day in days]
        now += hours * 7200.0
        found.append(said(f"{feature}{incident}", verdict, now))
    return found


@given(WORDS, st.data())
def test_batches_and_restarts_change_no_byte(words: list[tuple[str, int, Verdict, int]], data: st.DataObject) -> None:
    messages = log(words)
    whole = FeedbackLoop(JOB)
    expected = [output for message in messages for output in whole.on_records([message])]
    cut = data.draw(st.integers(0, len(messages)))
    first, second = FeedbackLoop(JOB), FeedbackLoop(JOB)
    found = first.on_records(messages[:cut])
    second.restore(first.snapshot())
    assert [*found, *second.on_records(messages[cut:])] == expected
    assert second.snapshot() == whole.snapshot()


@given(WORDS)
def test_a_tick_only_says_sooner_what_time_does_anyway(words: list[tuple[str, int, Verdict, int]]) -> None:
    end, messages = tick(1000 * DAY), log(words)
    silent = [message for message in messages if outputs.decode(message, KINDS).__class__ is not Tick]
    ticked, unticked = FeedbackLoop(JOB), FeedbackLoop(JOB)
    assert ticked.on_records([*messages, end]) == unticked.on_records([*silent, end])
    assert ticked.snapshot() == unticked.snapshot()
    assert ticked.shown()["thresholds"] == []


@given(WORDS)
def test_the_order_of_verdicts_on_different_series_does_not_matter(words: list[tuple[str, int, Verdict, int]]) -> None:
    at_once = [(feature, incident, verdict, 0) for feature, incident, verdict, _ in words]
    by_series = sorted(at_once, key=lambda word: word[0])
    one, other = FeedbackLoop(JOB), FeedbackLoop(JOB)
    one.on_records(log(at_once))
    other.on_records(log(by_series))
    assert one.shown()["thresholds"] == other.shown()["thresholds"]


@given(WORDS)
def test_a_verdict_said_again_says_nothing_new(words: list[tuple[str, int, Verdict, int]]) -> None:
    state, messages = FeedbackLoop(JOB), log(words)
    for message in messages:
        made = state.on_records([message])
        before = state.snapshot()
        known = all(one.topic == "scores" for one in state.on_records([message]))
        assert known, made
        assert state.snapshot() == before


@given(WORDS)
def test_revisions_rise_and_are_no_less_than_the_time(words: list[tuple[str, int, Verdict, int]]) -> None:
    settings, _ = sent(FeedbackLoop(JOB), *log(words))
    revisions = [setting.revision for setting in settings]
    assert revisions == sorted(set(revisions))
    assert all(setting.revision >= int(setting.effective) for setting in settings)


def test_a_series_that_should_have_paged_is_lowered_once_a_day_from_the_third_time_on() -> None:
    state, missed = FeedbackLoop(JOB), "sample/feature:a/missing_rate@u"
    for day in (0.0, 0.1, 1.0):
        settings, changes = sent(state, said(missed, "missed", time=day * DAY))
        assert settings == []
    settings, changes = sent(state, said(missed, "missed", time=2.0 * DAY))
    (factors,) = [msgspec.json.decode(one.body, type=Multipliers).factors for one in settings]
    assert [(one, factor) for one, factor in factors] == [(key(), 0.86)]
    assert changes[0].startswith(f"{missed} is missed: missing_rate of feature a at u 1.00 -> 0.86")


def test_what_names_no_series_was_not_missed() -> None:
    settings, changes = sent(FeedbackLoop(JOB), said("a", "missed"))
    assert settings == [] and "nothing is learnt" in changes[0]

"""Claims about what verdicts have done to thresholds step by step, and about taking the last step back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamgauge.anomaly.thresholds import Rollback, Verdict
from streamgauge.pipelines.config.schema import DAY
from streamgauge.pipelines.paging.feedback import FeedbackLoop
from streamgauge.pipelines.paging.steps import KEPT
from streamgauge.pipelines.wire import outputs
from tests.pipelines.paging.test_feedback import (
    FEATURES,
    JOB,
    WORDS,
    alert,
    factors,
    key,
    log,
    said,
    sent,
    taught,
    tick,
    told,
)


def back(revision: int, time: float = 0.0) -> bytes:
    return outputs.encode(Rollback(job="ctr", revision=revision, author="Ada", time=time))


def last(state: FeedbackLoop) -> int:
    return int(state.shown()["steps"][-1]["revision"])


def test_a_step_names_its_verdict_its_author_and_what_it_moved() -> None:
    state = FeedbackLoop(JOB)
    taught(state, *[key()] * 2)
    assert state.shown()["steps"] == []
    settings, _ = sent(state, told("n2", alert(key(), 2 * DAY)), said("n2", time=2 * DAY, author="Ada"))
    (step,) = state.shown()["steps"]
    assert (step["revision"], step["notification"], step["verdict"], step["author"]) == (
        settings[-1].revision, "n2", "false_alarm", "Ada",
    )  # fmt: skip
    assert [(one["name"], one["before"], one["after"]) for one in step["moved"]] == [
        ("missing_rate of feature a at u", 1.0, 1.25)
    ]


def test_the_last_step_is_taken_back_at_once_and_says_so() -> None:
    state = FeedbackLoop(JOB)
    taught(state, *[key()] * 3)
    settings, texts = sent(state, back(last(state), 2 * DAY + 120.0))
    assert [setting.name for setting in settings] == ["thresholds"]
    assert factors(settings) == {}
    assert "says Ada: missing_rate of feature a of the whole job 1.25 -> 1.00" in texts[0]
    assert state.shown()["steps"] == []
    assert [label["verdict"] for label in state.shown()["thresholds"][0]["labels"]] == ["false_alarm"] * 2 + ["none"]
    assert sent(state, tick(3 * DAY)) == ([], [])  # the two that are left move nothing


def test_what_a_verdict_did_beside_thresholds_is_taken_back_too() -> None:
    state = FeedbackLoop(JOB)
    taught(state, *[key()] * 3)
    assert "thresholds" in {setting.name for setting in sent(state, said("n2", "true_alarm", 2 * DAY + 90.0))[0]}
    settings, _ = sent(state, back(last(state), 2 * DAY + 95.0))
    assert [setting.name for setting in settings] == ["thresholds", "true_alarm"]
    assert factors(settings)[key()] == 1.25
    assert b'"taught":true' in settings[1].body


def test_a_verdict_that_took_the_place_of_another_gives_it_back() -> None:
    state = FeedbackLoop(JOB)
    taught(state, *[key()] * 3)
    sent(state, said("n2", "none", 2 * DAY + 90.0))
    settings, _ = sent(state, back(last(state), 2 * DAY + 95.0))
    assert factors(settings)[key()] == 1.25
    assert state.shown()["thresholds"][1]["labels"][2]["verdict"] == "false_alarm"


def test_only_the_last_step_is_taken_back_and_none_that_is_older_than_two_weeks() -> None:
    state = FeedbackLoop(JOB)
    taught(state, *[key()] * 3)
    revision = last(state)
    assert "the last step is" in sent(state, back(revision + 1, 2 * DAY + 90.0))[1][0]
    _, texts = sent(state, back(revision, 17 * DAY))
    assert "there is no step, nothing is changed" in texts[-1]


def test_so_many_steps_are_remembered() -> None:
    state = FeedbackLoop(JOB)
    taught(state, *[key()] * 3)
    for n in range(KEPT):
        sent(state, said("n2", "false_alarm" if n % 2 else "none", 3 * DAY))
    assert len(state.shown()["steps"]) == KEPT


@given(WORDS, st.integers(1, 3))
def test_steps_taken_back_leave_the_thresholds_that_were_before_them(
    words: list[tuple[str, int, Verdict, int]], count: int
) -> None:
    state, before = FeedbackLoop(JOB), {}
    for message in log([(*word[:3], 0) for word in words]):  # within one day, so that no time moves them
        was = state.factors()
        state.on_records([message])
        if state.shown()["steps"] and last(state) not in before:
            before[last(state)] = was
    for _ in range(min(count, len(state.shown()["steps"]))):
        revision = last(state)
        state.on_records([back(revision)])
        assert state.factors() == before[revision]
        snapshot = state.snapshot()
        assert all(one.topic == "scores" for one in state.on_records([back(revision)]))  # sent again: nothing new
        assert state.snapshot() == snapshot


@given(WORDS, st.lists(st.integers(0, 40), max_size=3), st.data())
def test_steps_taken_back_come_through_restarts(
    words: list[tuple[str, int, Verdict, int]], places: list[int], data: st.DataObject
) -> None:
    messages, probe = [], FeedbackLoop(JOB)
    for n, message in enumerate(log(words)):
        messages.append(message)
        probe.on_records([message])
        if n - 7 * len(FEATURES) in places and probe.shown()["steps"]:
            messages.append(back(last(probe)))
            probe.on_records(messages[-1:])
    cut = data.draw(st.integers(0, len(messages)))
    first, second = FeedbackLoop(JOB), FeedbackLoop(JOB)
    first.on_records(messages[:cut])
    second.restore(first.snapshot())
    second.on_records(messages[cut:])
    assert second.snapshot() == probe.snapshot()

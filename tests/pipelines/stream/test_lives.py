"""Two lives under one name, one story each."""

from __future__ import annotations

import pytest

from streamgauge.pipelines.stream.lives import alias
from tests.pipelines.stream.logs import PANE, T0, batch
from tests.pipelines.stream.test_rules import SHORT, Story, present, total_of

OLD, NEW = "old-incarnation", "new-incarnation"
SECOND = alias("a", OLD)


class Twins(Story):
    """A worker whose name a second process takes, with a number of its own for each life."""

    def both(self, since: float, until: float, *, only: str = "") -> None:
        """Each life sends 1.0 a pane."""
        for k in range(int(since // PANE), int(until // PANE)):
            for life in (only,) if only else (OLD, NEW):
                self.life(life, k * PANE, 1.0)
            self.tick((k + 1) * PANE)

    def life(self, life: str, at: float, *values: float, **fields: object) -> None:
        self.sequences[life] = self.sequences.get(life, 0) + 1
        points = [(0, value) for value in values]
        self.say(batch("a", self.sequences[life], T0 + at, points, incarnation=life, **fields))  # type: ignore[arg-type]


def begun() -> Twins:
    story = Twins(SHORT)
    story.both(0, 30, only=OLD)
    story.both(30, 150)
    return story


def test_a_superseded_life_that_still_sends_after_three_intervals_is_a_worker_of_its_own_and_both_are_counted() -> None:
    story = begun()
    shares = {partial.worker: total_of(partial) for partial in story.windows()[120.0].partials}
    assert shares == {"a": 3.0, SECOND: 3.0}
    assert set(present(story.windows()[120.0])) == {"a", SECOND}
    assert story.counts()["superseded"] == 2, "until then it is taken for old"


def test_two_lives_are_a_fact_that_is_over_when_one_is_left() -> None:
    story = begun()
    assert story.facts("lives") == [(SECOND, 60.0, None)]
    story.life(OLD, 150, final=True)
    story.both(150, 240, only=NEW)
    assert story.facts("lives")[1:] == [(SECOND, 60.0, 160.0)]


def test_the_fact_is_over_too_when_the_second_life_falls_silent() -> None:
    story = begun()
    story.both(150, 240, only=NEW)
    assert [end is not None for _, _, end in story.facts("lives")] == [False, True]
    story.both(240, 900, only=NEW)
    assert story.facts("missing") == [], "its name lives on"


def test_nobody_is_missing_while_another_life_goes_on_under_the_name() -> None:
    story = begun()
    story.both(150, 1200, only=OLD)
    assert story.facts("missing") == []
    for k in range(120, 240):
        story.tick(k * PANE)
    assert len(story.facts("missing")) == 1, "now none is left"


def test_replayed_records_of_a_superseded_life_are_dropped_and_counted_as_before() -> None:
    story = Twins(SHORT)
    story.both(0, 30, only=OLD)
    story.both(30, 150, only=NEW)
    before = story.counts()["superseded"]
    story.life(OLD, 30, 1.0)
    story.life(OLD, 50, 1.0)
    story.both(150, 180, only=NEW)
    assert story.counts()["superseded"] - before == 2
    assert story.facts("lives") == []


def test_a_restart_under_the_same_incarnation_is_a_new_life_and_no_duplicate() -> None:
    story = Twins(SHORT)
    story.both(0, 60, only=NEW)
    story.sequences[NEW] = 0
    story.both(60, 120, only=NEW)
    assert story.total(90.0) == 3.0
    assert present(story.windows()[90.0])["a"].restarts == 1
    assert story.counts()["duplicate"] == 0


def test_a_true_duplicate_is_none_of_a_new_life() -> None:
    story = Twins(SHORT)
    story.both(0, 60, only=NEW)
    for k in range(6):
        story.say(batch("a", k + 1, T0 + k * PANE, [(0, 1.0)], incarnation=NEW))
    story.both(60, 120, only=NEW)
    assert story.counts()["duplicate"] == 6
    assert present(story.windows()[90.0])["a"].restarts == 0


class Namesakes(Story):
    """Two processes that were given one name and one incarnation, each with numbers of its own."""

    def begun(self, order: str) -> Namesakes:
        """The second begins a minute after the first; who of them is first in a pane is given by `order`."""
        self.pane("A", 0, 60)
        self.pane(order, 60, 300)
        return self

    def pane(self, order: str, since: float, until: float) -> None:
        for k in range(int(since // PANE), int(until // PANE)):
            for process in order:
                self.sequences[process] = self.sequences.get(process, 0) + 1
                self.say(batch("a", self.sequences[process], T0 + k * PANE, [(0, 1.0)], incarnation=NEW))
            self.tick((k + 1) * PANE)


@pytest.mark.parametrize("order", ["AB", "BA"])
def test_two_processes_that_were_given_one_incarnation_are_both_counted_and_a_fact(order: str) -> None:
    story = Namesakes(SHORT).begun(order)
    twin = alias("a", NEW)
    assert {partial.worker: total_of(partial) for partial in story.windows()[150.0].partials} == {"a": 3.0, twin: 3.0}
    assert story.counts()["duplicate"] + story.counts()["lost"] == (order == "AB"), "the second's first one, if any"
    assert [(name, end) for name, _, end in story.facts("lives")] == [(twin, None)]
    story.pane("A", 300, 600)
    assert [end is not None for _, _, end in story.facts("lives")] == [False, True]
    assert story.facts("missing") == []


def test_what_comes_twice_from_two_processes_of_one_incarnation_is_counted_once() -> None:
    story = Namesakes(SHORT).begun("AB")
    before = story.counts()["duplicate"]
    for k in (24, 25):
        for number in (k + 1, k - 5):  # of the first and of the second
            story.say(batch("a", number, T0 + k * PANE, [(0, 1.0)], incarnation=NEW))
    story.pane("AB", 300, 420)
    assert story.counts()["duplicate"] == before + 4
    windows = (story.windows()[end] for end in (270.0, 300.0, 390.0))
    assert [sum(map(total_of, window.partials)) for window in windows] == [6.0, 6.0, 6.0]


def test_a_restart_within_a_pane_under_the_same_incarnation_is_no_second_life() -> None:
    story = Namesakes(SHORT)
    story.pane("A", 0, 60)
    story.pane("B", 50, 300)
    assert story.facts("lives") == []
    assert present(story.windows()[90.0])["a"].restarts == 1


@pytest.mark.parametrize("order", ["AB", "BA"])
def test_two_lives_of_one_incarnation_survive_a_snapshot(order: str) -> None:
    story, again = Namesakes(SHORT).begun(order), Namesakes(SHORT)
    again.operator.restore(story.operator.snapshot())
    again.sequences = dict(story.sequences)
    before = len(story.sent)
    for one in (story, again):
        one.pane(order, 300, 390)
    assert [output.value for output in story.sent[before:]] == [output.value for output in again.sent]


def test_two_lives_survive_a_snapshot() -> None:
    story, again = begun(), Twins(SHORT)
    again.operator.restore(story.operator.snapshot())
    again.sequences = dict(story.sequences)
    before = len(story.sent)
    for one in (story, again):
        one.both(150, 240)
    assert [output.value for output in story.sent[before:]] == [output.value for output in again.sent]


@pytest.mark.parametrize("worker", ["a~old-inca", "a~"])
def test_a_worker_that_is_really_called_so_is_taken_for_itself(worker: str) -> None:
    story = Story(SHORT)
    story.live(60, "a", worker)
    assert set(present(story.windows()[30.0])) == {"a", worker}

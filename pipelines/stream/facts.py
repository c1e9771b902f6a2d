"""Hard facts: non-finite values, missing workers, workers that fell behind; found at once, from late records too.

A fact is an episode that opens once per identity (job, worker, incarnation, metric, entity, pane) and has an end. Its
time is that of the record or deadline that showed it.
"""

from __future__ import annotations

from typing import Final

import msgspec

from streamgauge.anomaly.types import Anomaly, Domain, Severity
from streamgauge.pipelines.config.schema import DAY
from streamgauge.pipelines.stream.windows import to_micros, to_seconds

CLEAN_PANES: Final = 3  # later panes with training and without non-finite values that end an episode
KEPT_IDENTITIES: Final = 256
MAX_EPISODES: Final = 1_000  # of one worker
REMIND: Final = to_micros(5 * DAY)  # the pager forgets in 14 days what nobody says
SCORE: Final = 1e9
MISSING: Final = ("missing", "heartbeat")
BEHIND: Final = ("behind", "watermark")
CLOCK: Final = ("clock", "")
SKEW: Final = ("skew", "")
LIVES: Final = ("lives", "")
# what a record calls a fact -> where it belongs and how loud it is
HARD: Final[dict[str, tuple[Domain, Severity]]] = {
    "nonfinite": ("train", "page-now"),
    "refused": ("system", "ticket"),  # an argument or a column that the tracer cannot use
    "tripped": ("system", "ticket"),  # the tracer's own faults have switched it off for a while
    "join_full": ("sample", "page"),  # the samples that wait for labels fill their room
    "join_sampled": ("sample", "ticket"),  # they did: the tracer goes on with a sample of the ids
    "clock": ("system", "page"),  # the worker's clock leapt, and it does not follow
}
MOST_ABSENT: Final = 0.3  # of a job's workers: beyond, missing and stuck ones page
TRAINED: Final = frozenset({"nonfinite"})  # ended by panes with training; others by any
HELD: Final = frozenset(subject[0] for subject in (MISSING, BEHIND, SKEW, LIVES))  # ended by what began them
_OTHER: Final[tuple[Domain, Severity]] = ("system", "ticket")

Subject = tuple[str, str]  # metric, entity


class Episode(msgspec.Struct, array_like=True):
    """A fact that lasts."""

    metric: str
    entity: str
    fact: Anomaly
    last: int  # latest pane that showed it
    clean: list[int] = []  # later panes that did not


class Facts(msgspec.Struct, array_like=True):
    """One worker's facts."""

    open: list[Episode] = []
    told: list[tuple[str, str, str, int]] = []  # incarnation, metric, entity, pane; oldest first


def find(facts: Facts, subject: Subject) -> Episode | None:
    """The open episode of a subject."""
    return next((episode for episode in facts.open if (episode.metric, episode.entity) == subject), None)


def show(facts: Facts, fact: Anomaly, pane: int) -> Anomaly | None:
    """A fact was seen in `pane`: the anomaly to emit, or None if it is known or lasts already."""
    episode = find(facts, (fact.metric, fact.entity))
    if episode is not None:
        if pane > episode.last:
            episode.last = pane
            episode.clean = [clean for clean in episode.clean if clean > pane]
        return None
    identity = (fact.incarnation, fact.metric, fact.entity, pane)
    if identity in facts.told or len(facts.open) >= MAX_EPISODES:
        return None
    facts.told.append(identity)
    del facts.told[:-KEPT_IDENTITIES]
    facts.open.append(Episode(fact.metric, fact.entity, fact, pane))
    return fact


def reminders(facts: Facts) -> list[int]:
    """When what lasts is to be said again: at multiples of `REMIND`, all facts of all workers at once."""
    return [(to_micros(episode.fact.time) // REMIND + 1) * REMIND for episode in facts.open]


def remind(facts: Facts, at: int) -> list[Anomaly]:
    """Say again, at `at`, what is due."""
    due = [episode for episode, when in zip(facts.open, reminders(facts), strict=True) if when <= at]
    for episode in due:
        episode.fact = msgspec.structs.replace(episode.fact, time=to_seconds(at))
    return [episode.fact for episode in due]


def close(facts: Facts, subject: Subject, end: int, time: int) -> list[Anomaly]:
    """End a subject's episode, if it has one."""
    episode = find(facts, subject)
    if episode is None:
        return []
    facts.open.remove(episode)
    end_at = max(to_seconds(end), episode.fact.start)
    return [msgspec.structs.replace(episode.fact, end=end_at, time=to_seconds(time))]


def close_incarnation(facts: Facts, end: int, time: int) -> list[Anomaly]:
    """A new incarnation ends what its predecessor showed."""
    subjects = [(episode.metric, episode.entity) for episode in facts.open]
    return [ended for subject in subjects for ended in close(facts, subject, end, time)]


def pass_cleanly(facts: Facts, pane: int, watermark: int, pane_length: int, *, trains: bool) -> list[Anomaly]:
    """A record of `pane` came, with training or without; end what three whole later panes did not show."""
    ended: list[Anomaly] = []
    for episode in list(facts.open):
        if episode.metric not in HELD and (trains or episode.metric not in TRAINED):
            if pane > episode.last and pane not in episode.clean:
                episode.clean = sorted([*episode.clean, pane])[: CLEAN_PANES + 1]
            ended += _end_if_clean(facts, episode, watermark, pane_length)
    return ended


def hard_fact(
    job: str, worker: str, incarnation: str, subject: Subject, value: float, pane: int, end: int, text: str = ""
) -> Anomaly:
    """What a record states: `subject` was seen in the pane [pane, end); `text` is the record's own."""
    domain, severity = HARD.get(subject[0], _OTHER)
    said = _said(worker, subject, value, text)
    return _fact(job, worker, incarnation, subject, domain, severity, pane, end, value, said)


def _said(worker: str, subject: Subject, value: float, text: str) -> str:
    """A fact in words."""
    what = subject[1].replace(":", " ", 1) or "the worker"
    if subject[0] == "refused":
        return f"the tracer at {worker} refuses {what}: {text}"
    return f"{worker}: {text}" if text else f"{subject[0]} in {subject[1] or 'the worker'}: {value:g}"


def missing(job: str, worker: str, incarnation: str, since: int, at: int, severity: Severity = "page") -> Anomaly:
    """A worker that said no goodbye is silent."""
    value = to_seconds(at - since)
    return _fact(job, worker, incarnation, MISSING, "system", severity, since, at, value, f"no record for {value:g} s")


def behind(job: str, worker: str, incarnation: str, since: int, at: int, severity: Severity = "page") -> Anomaly:
    """A worker lives but its watermark does not move."""
    value = to_seconds(at - since)
    text = f"watermark {value:g} s behind"
    return _fact(job, worker, incarnation, BEHIND, "system", severity, since, at, value, text)


def severity_of_absence(absent: int, workers: int) -> Severity:
    """How loud it is that one more worker does nothing: few of many are somebody's work of the next day.

    >>> severity_of_absence(1, 3), severity_of_absence(3, 10), severity_of_absence(4, 10)
    ('page', 'ticket', 'page')
    """
    return "page" if absent > MOST_ABSENT * workers else "ticket"


def clock(job: str, worker: str, incarnation: str, leap: int, since: int, at: int) -> Anomaly:
    """A clock leapt: a worker's, or (worker "") that of the host that writes the ticks."""
    value = to_seconds(leap)
    whose = "the worker's clock" if worker else "the pipeline's clock"
    text = f"{whose} is {abs(value):g} s {'ahead' if leap > 0 else 'behind'}; time goes on without it"
    return _fact(job, worker, incarnation, CLOCK, "system", "page", since, at, value, text)


def skew(job: str, worker: str, incarnation: str, offset: int, since: int, at: int) -> Anomaly:
    """A worker's records come early or late by the same time again and again."""
    value = to_seconds(offset)
    text = f"its clock is {value:g} s ahead of the pipeline's"
    if offset < 0:
        text = f"its clock is {-value:g} s behind the pipeline's, or its records come that late: wall windows lose them"
    return _fact(job, worker, incarnation, SKEW, "system", "ticket", since, at, value, text)


def lives(job: str, worker: str, incarnation: str, base: str, other: str, since: int, at: int) -> Anomaly:
    """Two processes send under one name."""
    whose = f"{incarnation} and {other}" if incarnation != other else f"both were given the incarnation {other}"
    text = f"two processes send as {base}: {whose}; both are counted, give each a name of its own"
    return _fact(job, worker, incarnation, LIVES, "system", "ticket", since, at, 2.0, text)


def _end_if_clean(facts: Facts, episode: Episode, watermark: int, pane_length: int) -> list[Anomaly]:
    whole = [pane for pane in episode.clean if pane + pane_length <= watermark]
    if len(whole) < CLEAN_PANES:
        return []
    done = whole[CLEAN_PANES - 1] + pane_length
    return close(facts, (episode.metric, episode.entity), episode.clean[0], done)


def _fact(
    job: str, worker: str, incarnation: str, subject: Subject, domain: Domain, severity: Severity,
    start: int, time: int, value: float, text: str,
) -> Anomaly:  # fmt: skip
    return Anomaly(
        kind="fact", job=job, worker=worker, domain=domain, entity=subject[1], metric=subject[0], severity=severity,
        start=to_seconds(start), time=to_seconds(time), value=value, score=SCORE, detector="fact",
        incarnation=incarnation, text=text,
    )  # fmt: skip

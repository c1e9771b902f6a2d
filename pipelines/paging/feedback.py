"""What on-call's verdicts do: from notifications and feedback on `alerts` to settings in the job's log; pure.

`alerts` is the one input and its order the truth: a notification is on it before anybody can judge it,
`actions.feedback` puts each verdict behind it, the host a `Tick` a day while a multiplier is in force. The same topic
gives the same settings with the same revisions, so the operators drop what is sent again after a crash.

    false_alarm               raises the multiplier of the series that the notification was about
    true_alarm                takes that back; what the series did is no lesson, as if its past did not hold it
    new_trend                 the change is the new normal from now on
    expected                  these series neither page nor teach for a day from the onset
    missed                    lowers that of a series that should have paged: `notification` names it
    none                      moves nothing

A `Rollback` takes back what the last such step has done; the step before it is the last one then.

With `paging.pages` a day's pages move how rare a page must be (`anomaly.budget`).

A notification is about its root's series; told of the job as a whole, also about the same series of each worker beneath
it. What else is folded beneath a root was never told and is not judged. A fact has no threshold, and nobody can raise
that of what pages at once (severity page-now).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from streamgauge.anomaly import budget, thresholds
from streamgauge.anomaly.budget import Budget, Rarity
from streamgauge.anomaly.thresholds import Excused, Lesson, Rejected, Rollback, Verdict, is_spent
from streamgauge.anomaly.types import Notification, SeriesKey
from streamgauge.pipelines.config.schema import DAY, JobConfig
from streamgauge.pipelines.paging import steps
from streamgauge.pipelines.paging.actions import series_at
from streamgauge.pipelines.paging.judged import Told, allowed, is_fact, name_of, told_of, unmoved, with_job
from streamgauge.pipelines.paging.steps import Step
from streamgauge.pipelines.wire import outputs, states
from streamgauge.pipelines.wire.outputs import Change, Output
from streamgauge.tracer import codec, records
from streamgauge.tracer.records import Feedback, Setting, Tick

CONSUMER: Final = "verdicts"
KNOWN: Final = 4096  # notifications that can be judged, newest last
KINDS: Final = outputs.kinds_of(Notification, Feedback, Rollback, Tick)


class _State(msgspec.Struct, array_like=True, frozen=True):
    version: int
    clock: float
    revision: int
    told: tuple[tuple[str, Told], ...]
    lessons: tuple[tuple[SeriesKey, Lesson], ...]
    budget: Budget = Budget()
    paged: int = 0
    steps: tuple[Step, ...] = ()


class FeedbackLoop:
    """All that one job's on-call has taught."""

    def __init__(self, job: JobConfig) -> None:
        self._job = job
        self._clock, self._revision = -math.inf, 0
        self._told: dict[str, Told] = {}
        self._lessons: dict[SeriesKey, Lesson] = {}
        self._budget, self._paged = Budget(), 0  # pages of this day so far
        self._steps: tuple[Step, ...] = ()

    def on_records(self, messages: Sequence[bytes]) -> list[Output]:
        """Take messages of `alerts` in their order; the settings and changes that follow. Others are not looked at."""
        sent: list[Output] = []
        for message in messages:
            try:
                record = outputs.decode(message, KINDS)
            except ValueError:
                continue  # of another kind; the store's writer buries what is none
            if record.job != self._job.name or not -1e11 < record.time < 1e11:
                continue
            if isinstance(record, Notification):
                self._note(record)
            elif isinstance(record, Feedback):
                sent += self._pass(record.time)
                sent += self._judge(record, self._clock)
            elif isinstance(record, Rollback):
                sent += self._pass(record.time)
                sent += self._roll_back(record, self._clock)
            else:
                sent += self._pass(record.time)
        return sent

    def wants_tick(self, now: float) -> bool:
        """Whether a day has begun since the last record, and a multiplier is in force, which fades, or a budget is."""
        is_next_day = now // DAY > self._clock // DAY
        spends = self._paged > 0 or self._budget.rarer > budget.LEAST
        if self._job.paging.pages > 0.0 and math.isfinite(self._clock) and spends:
            return is_next_day
        return is_next_day and any(lesson.factor != 1.0 for lesson in self._lessons.values())

    def snapshot(self) -> bytes:
        """The state as versioned bytes."""
        lessons = tuple((key, self._lessons[key]) for key in sorted(self._lessons))
        return msgspec.msgpack.encode(
            _State(
                states.written("verdicts"), self._clock, self._revision, tuple(self._told.items()), lessons,
                self._budget, self._paged, self._steps,
            )
        )  # fmt: skip

    def restore(self, state: bytes) -> None:
        """Become what `snapshot` described. Raises ValueError for bytes of another version."""
        restored = states.read("verdicts", state, _State)
        self._clock, self._revision = restored.clock, restored.revision
        self._told, self._lessons = dict(restored.told), dict(restored.lessons)
        self._budget, self._paged, self._steps = restored.budget, restored.paged, restored.steps

    def learn_from(self, state: bytes) -> None:
        """Begin with what on-call taught of the job of another name."""
        self.restore(state)
        name = self._job.name
        self._told, self._steps = {}, ()
        self._lessons = {key._replace(job=name): lesson for key, lesson in self._lessons.items()}

    def shown(self) -> dict[str, Any]:
        """The multipliers in force and what they come from, JSON-ready; of pools only those in force."""
        return {"job": self._job.name, "revision": self._revision, **steps.shown(self._lessons, self._steps)}

    def factors(self, *, before_last: bool = False) -> dict[SeriesKey, float]:
        """The multipliers in force, or those that were before the last step."""
        last = self._steps[-1:] if before_last else ()
        return thresholds.in_force(steps.taken_back(self._lessons, last[0]) if last else self._lessons)

    def _note(self, notification: Notification) -> None:
        is_page = notification.status == "firing" and notification.root.severity in ("page", "page-now")
        self._paged += is_page and not is_fact(notification.root) and notification.id not in self._told
        self._told[notification.id] = told_of(notification)
        while len(self._told) > KNOWN:
            del self._told[next(iter(self._told))]

    def _pass(self, time: float) -> list[Output]:
        """Let time pass, day by day, whether each had a tick or not: stamped with the day, never with the tick."""
        sent: list[Output] = []
        while self.wants_tick(time):
            self._clock = (self._clock // DAY + 1.0) * DAY
            sent += [*self._move(self._clock, "time"), *self._spend(self._clock)]
        self._clock = max(self._clock, time)
        self._steps = steps.recent(self._steps, self._clock)
        spent = [key for key, lesson in self._lessons.items() if is_spent(lesson, self._clock)]
        for key in spent:
            del self._lessons[key]
        return sent

    def _spend(self, now: float) -> list[Output]:
        """A day is over: how rare a page is from now on, by those that it sent."""
        wanted, paged, self._paged = self._job.paging.pages, self._paged, 0
        if wanted <= 0.0:
            return []
        before, self._budget = round(self._budget.rarer, 1), self._budget.after(paged, wanted)
        rarer = round(self._budget.rarer, 1)
        if rarer == before:
            return []
        times = f"{10.0**rarer:.3g} times rarer than by default"
        text = f"budget: {paged} pages in a day, {wanted:g} are wanted: a page is {times}"
        return [*self._settings("rarity", now, msgspec.json.encode(Rarity(rarer))), self._change(now, text)]

    def _judge(self, feedback: Feedback, now: float) -> list[Output]:
        told = self._told.get(feedback.notification) if feedback.verdict != "missed" else self._missed(feedback, now)
        author = f", says {feedback.author}" if feedback.author else ""
        said = f"{feedback.notification} is {feedback.verdict}{author}"
        if told is None:
            return [self._change(now, f"{said}: no such notification is known, nothing is learnt")]
        if not told.series:
            return [self._change(now, f"{said}: a fact has no threshold, nothing is learnt")]
        if self._is_known(told, feedback.verdict):
            return []
        previous, before = dict(self._lessons), steps.said_before(self._lessons, told, feedback.verdict)
        self._learn(told, feedback.verdict, feedback.author, now)
        moved = self._move(now, said)
        if moved:
            step = Step(
                revision=self._revision, time=now, notification=feedback.notification, verdict=feedback.verdict,
                author=feedback.author, told=told, before=before[0], was_by=before[1],
                moved=steps.moves(previous, self._lessons),
            )  # fmt: skip
            self._steps = steps.recent((*self._steps, step), now)
        sent = [*moved, *self._follow(told, feedback.verdict, before[0], now, said)]
        return sent or [self._change(now, f"{said}: {unmoved(told, feedback.verdict, self._lessons[told.series[0]])}")]

    def _learn(self, told: Told, verdict: Verdict, author: str, now: float) -> None:
        """What is said of one series is said of its pool; of what a whole job had, once."""
        counts, pool = allowed(verdict, told.severity), thresholds.pool_of(told.series[0])
        for key in self._judged(told):
            lesson = self._lessons.get(key, Lesson())
            self._lessons[key] = thresholds.learn(lesson, told.incident, counts, now, author)
        lesson = self._lessons.get(pool, Lesson())
        self._lessons[pool] = thresholds.pooled(lesson, told.series[0], told.incident, counts, now, author)

    def _follow(self, told: Told, verdict: Verdict, before: Verdict, now: float, said: str) -> list[Output]:
        """What a verdict does beside thresholds, and what the one before it did no longer does."""
        sent: list[Output] = []
        if before == "expected":
            sent += self._excuse(told, told.start, now)
        if "true_alarm" in (before, verdict):
            sent += self._reject(told, now, before == "true_alarm", said)
        if verdict == "new_trend":
            sent += self._settings("new_trend", now, msgspec.json.encode(with_job(told.series)))
            sent.append(self._change(now, f"{said}: {name_of(told.series[0])} is normal as it is now"))
        elif verdict == "expected" and told.severity != "page-now" and now < told.start + DAY:
            sent += self._excuse(told, told.start + DAY, now)
            sent.append(self._change(now, f"{said}: {name_of(told.series[0])} neither pages nor teaches for a day"))
        return sent

    def _roll_back(self, asked: Rollback, now: float) -> list[Output]:
        """The last step's verdict is what it was before, and so are the multipliers that it has moved."""
        author = f", says {asked.author}" if asked.author else ""
        said = f"revision {asked.revision} is taken back{author}"
        if not self._steps or self._steps[-1].revision != asked.revision:
            last = f"the last step is {self._steps[-1].revision}" if self._steps else "there is no step"
            return [self._change(now, f"{said}: {last}, nothing is changed")]
        step, self._steps = self._steps[-1], self._steps[:-1]
        in_force = thresholds.in_force(self._lessons)
        self._learn(step.told, step.before, step.was_by, now)
        self._lessons = steps.taken_back(self._lessons, step)
        moved = self._announce(in_force, now, said)
        again = "none" if step.before == "new_trend" else step.before  # what is normal by now stays so
        sent = [*moved, *self._follow(step.told, again, step.verdict, now, said)]
        return sent or [self._change(now, f"{said}: {name_of(step.told.series[0])} had come back by itself")]

    def _missed(self, feedback: Feedback, now: float) -> Told | None:
        """A series that should have paged, as if it had: on one day at most once."""
        key = series_at(self._job.name, feedback.notification)
        return key and Told(f"missed-{feedback.notification}-{math.floor(now / DAY)}", (key,), "page", now)

    def _excuse(self, told: Told, until: float, now: float) -> list[Output]:
        return self._settings("expected", now, msgspec.json.encode(Excused(with_job(told.series), until)))

    def _reject(self, told: Told, now: float, is_taught: bool, said: str) -> list[Output]:
        """What a true alarm has taught is taken back, and taught again once the alarm is called something else."""
        body = msgspec.json.encode(Rejected(with_job(told.series), told.start, is_taught))
        what = "counts again as part of its past" if is_taught else "is no part of its past"
        text = f"{said}: what {name_of(told.series[0])} did {what}"
        return [*self._settings("true_alarm", now, body), self._change(now, text)]

    def _is_known(self, told: Told, verdict: Verdict) -> bool:
        """Whether this was said of the incident before, and nothing else since."""
        wanted = (told.incident, allowed(verdict, told.severity))
        lessons = [self._lessons.get(key, Lesson()) for key in self._judged(told)]
        return all(wanted in {(label.incident, label.verdict) for label in lesson.labels} for lesson in lessons)

    def _judged(self, told: Told) -> list[SeriesKey]:
        """The series that a verdict is about; those too that an earlier one on the same incident was about."""
        before = (
            key for key, lesson in self._lessons.items() if any(one.incident == told.incident for one in lesson.labels)
        )
        return sorted({*told.series, *before})

    def _move(self, now: float, why: str) -> list[Output]:
        """Let every multiplier follow what was taught."""
        before = thresholds.in_force(self._lessons)
        self._lessons = thresholds.move_all(self._lessons, now)
        return self._announce(before, now, why)

    def _announce(self, before: dict[SeriesKey, float], now: float, why: str) -> list[Output]:
        """A setting with all multipliers if one is not as `before`."""
        after = thresholds.in_force(self._lessons)
        if after == before:
            return []
        told = [
            self._change(now, f"{why}: {name_of(key)} {before.get(key, 1.0):.2f} -> {after.get(key, 1.0):.2f}"
                              f" ({self._source(key)})")
            for key in sorted({*before, *after}) if before.get(key) != after.get(key)
        ]  # fmt: skip
        return [*self._settings("thresholds", now, thresholds.setting(after)), *told]

    def _source(self, key: SeriesKey) -> str:
        lesson = self._lessons.get(key)
        return f"{lesson.threshold.verdicts} verdicts" if lesson else "nothing of its own"

    def _settings(self, name: str, now: float, body: bytes) -> list[Output]:
        """One for each shard; its revision rises though the state were lost, because it is no less than the time."""
        self._revision = max(self._revision + 1, math.floor(now))
        shards = self._job.shards
        made = [
            Setting(job=self._job.name, shard=shard, name=name, revision=self._revision, effective=now, body=body)
            for shard in range(shards)
        ]
        return [Output("traces", records.key_of(one.job, one.shard, shards), codec.encode(one)) for one in made]

    def _change(self, now: float, text: str) -> Output:
        change = Change(job=self._job.name, name="threshold", time=now, text=text)
        return Output("scores", self._job.name, outputs.encode(change))

"""What on-call can do to a running pipeline: each action is one record on the bus, whoever asks for it.

What is asked is checked before anything is sent:

    ActionError    an action that cannot be taken: the message names the value and the remedy
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Sequence
from typing import Final, Literal, get_args

import msgspec

from streamgauge.anomaly.thresholds import Rollback
from streamgauge.anomaly.types import Ack, Confirm, Domain, Matcher, SeriesKey, Silence, Unsuppress
from streamgauge.pipelines.config.schema import JobConfig
from streamgauge.pipelines.paging import confirmations, foreign, gate
from streamgauge.pipelines.paging.annotations import matcher_text
from streamgauge.pipelines.paging.audit import acted
from streamgauge.pipelines.ports import Bus
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.outputs import Change
from streamgauge.tracer import authority, codec, control, records
from streamgauge.tracer.control import Plan, PlanError, Target
from streamgauge.tracer.patterns import fault_of_pattern
from streamgauge.tracer.records import Event, Feedback
from streamgauge.tracer.selection import Budget, Select

Verdict = Literal["true_alarm", "false_alarm", "expected", "new_trend", "none", "missed"]
EdgeVerdict = Literal["confirm", "withdraw", "reject"]
LABELS: Final = ("job", "worker", "domain", "entity", "metric", "node", "severity")
MAX_SILENCE: Final = 366 * 86400.0
_MAX_MATCHERS: Final = 20
_MAX_TEXT: Final = 2000
_PLACE: Final = re.compile(r"[a-z_]{1,60}(:(?!.* -> )[^@\x00-\x1f\x7f]{1,140})?")
_CHANGE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")


class ActionError(ValueError):
    """An action that cannot be taken."""


class Reported(msgspec.Struct, frozen=True):
    """What was taken of another system's alerts: their names."""

    job: str
    alerts: tuple[str, ...]


def silence(
    bus: Bus, job: str, matchers: Sequence[Matcher], start: float, end: float, author: str = "", comment: str = "",
    name: str = "", now: float | None = None,
) -> Silence:  # fmt: skip
    """Hold back what matches in [start, end), by the pager's clock; `name` is the id of a silence to replace.

    It is asked for at `now`, or at its start.
    """
    if not 0 < end - start <= MAX_SILENCE:
        raise ActionError(f"a silence lasts above 0 s and at most a year, got {end - start:g} s; give another end")
    if not 0 < len(matchers) <= _MAX_MATCHERS:
        raise ActionError(f"a silence has 1-{_MAX_MATCHERS} matchers, got {len(matchers)}; write LABEL=VALUE")
    for matcher in matchers:
        _check_matcher(matcher)
    made = Silence(
        id=_named(name, "id") if name else uuid.uuid4().hex[:12], job=job, matchers=tuple(matchers), start=start,
        end=end, author=author, comment=comment,
    )  # fmt: skip
    said = f"until {end:.0f}: {', '.join(map(matcher_text, matchers))}" + (f" ({comment})" if comment else "")
    _tell_pager(bus, job, made, acted(job, start if now is None else now, author, "silence", made.id, said))
    return made


def acknowledge(bus: Bus, job: str, notification: str, now: float, author: str = "", comment: str = "") -> Ack:
    """Stop the repeats of a notification."""
    made = Ack(job=job, notification=_named(notification, "notification"), author=author, comment=comment, time=now)
    _tell_pager(bus, job, made, acted(job, now, author, "ack", notification, comment))
    return made


def unsuppress(bus: Bus, job: str, episode: str, now: float, author: str = "") -> Unsuppress:
    """Let a suppressed alert page for itself."""
    made = Unsuppress(job=job, episode=_named(episode, "episode"), author=author, time=now)
    _tell_pager(bus, job, made, acted(job, now, author, "unsuppress", episode))
    return made


def judge(
    bus: Bus, job: str, edge: tuple[str, str], verdict: EdgeVerdict, now: float, author: str, text: str = "", *,
    delay: float = 0.0,
) -> Confirm:  # fmt: skip
    """A person's word on a learnt edge (cause, effect), and the evidence (`text`) that it was given on.

    It is taken into the topology of the job (`confirm`), out of it (`withdraw`), or out for good (`reject`).
    """
    if verdict not in get_args(EdgeVerdict):
        raise ActionError(f"an edge's verdict is one of {', '.join(get_args(EdgeVerdict))}, got {verdict!r}")
    for place in edge:
        if not _PLACE.fullmatch(place):
            raise ActionError(f"a place reads as samples or feature:age, got {place[:100]!r}; copy it from the list")
    if edge[0] == edge[1]:
        raise ActionError(f"a place is not its own cause, got {edge[0]!r} twice; name the effect second")
    if not author.strip():
        raise ActionError("a word on an edge is a person's: say whose, --author NAME or `author`")
    made = Confirm(
        job=job, cause=edge[0], effect=edge[1], delay=delay, is_withdrawn=verdict != "confirm", author=author, time=now
    )
    _tell_pager(bus, job, made, acted(job, now, author, verdict, confirmations.about(*edge), text[:_MAX_TEXT]))
    return made


def feedback(
    bus: Bus, job: JobConfig, notification: str, verdict: Verdict, now: float, author: str = "", comment: str = ""
) -> Feedback:
    """Say what a notification was worth, or which series should have sent one (`missed`).

    It goes into the job's log, where it is shown, and behind the notification on `alerts`, where thresholds learn.
    """
    if verdict not in get_args(Verdict):
        raise ActionError(f"verdict must be one of {', '.join(get_args(Verdict))}, got {verdict!r}")
    if verdict == "missed" and series_at(job.name, notification) is None:
        raise ActionError(f"what was missed is named DOMAIN/ENTITY/METRIC@WORKER, got {notification[:100]!r}")
    made = Feedback(
        job=job.name, notification=_named(notification, "notification"), verdict=verdict, author=author,
        comment=comment, time=now,
    )  # fmt: skip
    said = verdict + (f" ({comment})" if comment else "")
    bus.send([
        ("traces", records.key_of(job.name, 0, job.shards), codec.encode(made)),
        ("alerts", job.name, outputs.encode(made)),
        _noted(job.name, acted(job.name, now, author, "feedback", notification, said)),
    ])  # fmt: skip
    return made


def roll_back(bus: Bus, job: str, revision: int, now: float, author: str, comment: str = "") -> Rollback:
    """Take back what the last verdict that moved thresholds has done; `revision` names that step, as it is shown."""
    if not author.strip():
        raise ActionError("taking back what others taught is a person's: say whose, --author NAME or `author`")
    made = Rollback(job=job, revision=revision, author=author, comment=comment[:_MAX_TEXT], time=now)
    note = acted(job, now, author, "rollback", f"revision {revision}", comment[:_MAX_TEXT])
    bus.send([("alerts", job, outputs.encode(made)), _noted(job, note)])
    return made


def change(bus: Bus, job: JobConfig, name: str, text: str, now: float, author: str = "") -> Event:
    """Note on a job's time axis what somebody changed: a deployment, another source, a backfill."""
    if not _CHANGE.fullmatch(name):
        raise ActionError(f"a change is named by 1-60 of a-z, 0-9, '_' and '-', got {name[:100]!r}; write deployed")
    if name == gate.EVENT:
        raise ActionError(f"{name} lets a push through; use `streamgauge gate --override REASON --author NAME`")
    if not 0 < len(text) <= _MAX_TEXT:
        raise ActionError(f"a change has 1-{_MAX_TEXT} characters of text, got {len(text)}; say what was changed")
    made = Event(job=job.name, name=name, time=now, text=f"{author}: {text}" if author else text)
    _tell_log(bus, job, made, acted(job.name, now, author, name, "", text))
    return made


def override(bus: Bus, job: JobConfig, reason: str, now: float, author: str) -> Event:
    """Let pushes of the job's model through the gate for a while; recorded with its author."""
    if not author.strip():
        raise ActionError("an override needs its author: --author NAME")
    if not 0 < len(reason.strip()) <= _MAX_TEXT:
        raise ActionError(f"an override has 1-{_MAX_TEXT} characters of reason, got {len(reason)}; say why")
    made = Event(job=job.name, name=gate.EVENT, time=now, text=f"{author}: {reason}")
    _tell_log(bus, job, made, acted(job.name, now, author, gate.EVENT, "", reason))
    return made


def report(bus: Bus, job: str, webhook: foreign.Webhook, now: float) -> Reported:
    """Take what another system's alerts say of a job; the pager folds and tells them like its own."""
    try:
        found = foreign.facts(webhook, job, now)
    except foreign.ForeignError as error:
        raise ActionError(str(error)) from None
    bus.send([("anomalies", job, outputs.encode(fact)) for fact in found])
    return Reported(job, tuple(fact.metric for fact in found))


def series_at(job: str, path: str) -> SeriesKey | None:
    """The series that a path names; None for what is none.

    >>> series_at("ctr", "sample/feature:a/null_rate@w1").node
    'feature:a@w1'
    >>> series_at("ctr", "train//loss").metric
    'loss'
    """
    parts, _, worker = path.partition("@")
    domain, _, rest = parts.partition("/")
    entity, slash, metric = rest.rpartition("/")
    if domain not in get_args(Domain) or not slash or not metric:
        return None
    return SeriesKey(job, worker, domain, entity, metric)  # type: ignore[arg-type]


def trace(
    bus: Bus, job: str, select: Sequence[Select], now: float, *, name: str = "on-call", workers: Sequence[str] = (),
    expires: float = control.TTL, budget: Budget | None = None, author: str = "", reason: str = "", off: bool = False,
    min_step: int = 0, allow_stall: bool = False, graph: str = "",
) -> Plan:  # fmt: skip
    """Put a plan on the control topic, one revision above the last; workers answer on `status`.

    It is signed where the environment has a key (`streamgauge.tracer.authority`).
    """
    key = authority.key_in(os.environ)
    try:
        revision = control.next_revision(job, name, bus.latest("control"), bus.latest("status"))
        value = control.plan(
            job, name, revision, issued=now, select=select, target=Target(workers=tuple(workers)), expires=expires,
            budget=budget or Budget(), author=author, reason=reason, off=off, min_step=min_step,
            allow_stall=allow_stall, graph=graph, sign=lambda made: authority.signed(made, key),
        )  # fmt: skip
    except PlanError as error:
        raise ActionError(f"no worker would take this plan: {error}") from None
    what = "stop tracing" if off else "trace"
    said = ", ".join(f"{one.collection} {one.include}".strip() for one in select)
    said += f" at {', '.join(workers)}" if workers else ""
    said += f" ({reason})" if reason else ""
    note = acted(job, now, author, what, f"{name}/{revision}", said)
    bus.send([("control", control.key_of(job, name), value), _noted(job, note)])
    return control.decode_plan(value)


def matcher_of(text: str) -> Matcher:
    """A matcher as people write it: `label=value`, or `label=~regex` that must match all of the value.

    >>> matcher_of("worker=LGA").value, matcher_of("entity=~feature:.*").is_regex
    ('LGA', True)

    Raises:
        ActionError: it is neither.
    """
    label, separator, value = text.partition("=")
    if not separator:
        raise ActionError(f"a matcher reads LABEL=VALUE or LABEL=~REGEX, got {text!r}")
    made = Matcher(label.strip(), value.removeprefix("~"), is_regex=value.startswith("~"))  # type: ignore[arg-type]
    _check_matcher(made)
    return made


def _check_matcher(matcher: Matcher) -> None:
    if matcher.label not in LABELS:
        raise ActionError(f"unknown label {matcher.label!r}; known are {', '.join(LABELS)}")
    if len(matcher.value) > 4096:
        raise ActionError(f"a matcher's value has {len(matcher.value)} characters; at most 4096 are allowed")
    fault = fault_of_pattern(matcher.value) if matcher.is_regex else ""
    if fault:
        raise ActionError(f"the pattern {matcher.value[:100]!r} {fault}; mend it")


def _named(text: str, what: str) -> str:
    if not 0 < len(text) <= 200:
        raise ActionError(f"{what} must have 1-200 characters, got {len(text)}; copy it from the incident")
    return text


def _tell_pager(bus: Bus, job: str, record: msgspec.Struct, note: Change) -> None:
    bus.send([("anomalies", job, outputs.encode(record)), _noted(job, note)])


def _tell_log(bus: Bus, job: JobConfig, record: Event, note: Change) -> None:
    key = records.key_of(job.name, 0, job.shards)
    bus.send([("traces", key, codec.encode(record)), _noted(job.name, note)])


def _noted(job: str, note: Change) -> tuple[str, str, bytes]:
    """What a person did, where the store's writer reads it."""
    return "alerts", job, outputs.encode(note)

"""What can be done over HTTP: each POST is checked against its type, becomes one record, which is the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web

from streamgauge.anomaly.types import Matcher
from streamgauge.pipelines.adapters.http import edges, keys, people
from streamgauge.pipelines.adapters.http.json import Refusal, answer, as_object, body
from streamgauge.pipelines.adapters.http.routes import config_of, job_of
from streamgauge.pipelines.paging import actions, foreign
from streamgauge.pipelines.ports import Bus
from streamgauge.tracer import control
from streamgauge.tracer.selection import Budget, Select

_TEXT: Final = 2000  # characters of an author or comment that are kept


class _Match(msgspec.Struct, forbid_unknown_fields=True):
    label: str
    value: str
    is_regex: bool = False


class _Silence(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    matchers: list[_Match]
    end: float
    start: float | None = None  # None: now
    id: str = ""  # of the silence that this one replaces
    author: str = ""
    comment: str = ""


class _Ack(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    notification: str
    author: str = ""
    comment: str = ""


class _Unsuppress(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    episode: str
    author: str = ""


class _Feedback(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    notification: str
    verdict: actions.Verdict
    author: str = ""
    comment: str = ""


class _Rollback(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    revision: Annotated[int, msgspec.Meta(ge=0, le=2**53)]  # of the last step, as the thresholds name it
    author: str = ""
    comment: str = ""


class _Change(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: str  # deployed, reconfigured, backfill ...
    text: str
    author: str = ""


class _Override(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    reason: str
    author: str = ""


class _Edge(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    cause: str
    effect: str
    verdict: actions.EdgeVerdict
    author: str = ""


class _Trace(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    select: list[Select] = []
    name: str = "on-call"
    workers: list[str] = []
    expires: float = control.TTL
    budget: Budget = Budget()
    author: str = ""
    reason: str = ""
    off: bool = False


BODIES: Final[dict[str, type[msgspec.Struct]]] = {  # by the name of the handler
    "silence": _Silence, "acknowledge": _Ack, "unsuppress": _Unsuppress, "feedback": _Feedback, "trace": _Trace,
    "rollback": _Rollback,
    "change": _Change, "override": _Override, "edge": _Edge, "alertmanager": foreign.Webhook,
}  # fmt: skip


def add(app: web.Application) -> None:
    """Add all routes that act."""
    for name, handler in {
        "silence": silence, "ack": acknowledge, "unsuppress": unsuppress, "feedback": feedback, "trace": trace,
        "changes": change, "override": override, "edges": edge, "alertmanager": alertmanager,
        "thresholds": rollback,
    }.items():  # fmt: skip
        app.router.add_post(f"/api/jobs/{{job}}/{name}", handler)


async def silence(request: web.Request) -> web.StreamResponse:
    """Hold back what matches."""
    job, asked, now = job_of(request), await body(request, _Silence), _now(request)
    matchers = [Matcher(m.label, m.value, m.is_regex) for m in asked.matchers]  # type: ignore[arg-type]
    start = now if asked.start is None else asked.start
    by, comment = people.author(asked.author), asked.comment[:_TEXT]
    return await _act(
        request, lambda bus: actions.silence(bus, job, matchers, start, asked.end, by, comment, asked.id, now)
    )


async def acknowledge(request: web.Request) -> web.StreamResponse:
    """Stop a notification's repeats."""
    job, asked, now = job_of(request), await body(request, _Ack), _now(request)
    by, comment = people.author(asked.author), asked.comment[:_TEXT]
    return await _act(request, lambda bus: actions.acknowledge(bus, job, asked.notification, now, by, comment))


async def unsuppress(request: web.Request) -> web.StreamResponse:
    """Let a suppressed alert page for itself."""
    job, asked, now = job_of(request), await body(request, _Unsuppress), _now(request)
    by = people.author(asked.author)
    return await _act(request, lambda bus: actions.unsuppress(bus, job, asked.episode, now, by))


async def feedback(request: web.Request) -> web.StreamResponse:
    """Say what a notification was worth."""
    job, asked, now = config_of(request), await body(request, _Feedback), _now(request)
    by, comment = people.author(asked.author), asked.comment[:_TEXT]
    return await _act(
        request, lambda bus: actions.feedback(bus, job, asked.notification, asked.verdict, now, by, comment)
    )


async def rollback(request: web.Request) -> web.StreamResponse:
    """Take back what the last verdict that moved thresholds has done; the one before it is the last one then."""
    job, asked, now = job_of(request), await body(request, _Rollback), _now(request)
    by, comment = people.author(asked.author), asked.comment[:_TEXT]
    return await _act(request, lambda bus: actions.roll_back(bus, job, asked.revision, now, by, comment))


async def change(request: web.Request) -> web.StreamResponse:
    """Note on the job's time axis what somebody changed, such as a deployment."""
    job, asked, now = config_of(request), await body(request, _Change), _now(request)
    by = people.author(asked.author)
    return await _act(request, lambda bus: actions.change(bus, job, asked.name, asked.text, now, by))


async def override(request: web.Request) -> web.StreamResponse:
    """Let pushes of the job's model through the gate for an hour, with a reason, under somebody's name."""
    job, asked, now = config_of(request), await body(request, _Override), _now(request)
    by = people.author(asked.author)
    return await _act(request, lambda bus: actions.override(bus, job, asked.reason[:_TEXT], now, by))


async def edge(request: web.Request) -> web.StreamResponse:
    """Confirm, reject or withdraw an edge that a job's anomalies suggest; its evidence is kept with the word on it."""
    job, asked, now = config_of(request), await body(request, _Edge), _now(request)
    pair, by = (asked.cause, asked.effect), people.author(asked.author)
    text, delay = await edges.evidence(request, job, pair)
    return await _act(
        request, lambda bus: actions.judge(bus, job.name, pair, asked.verdict, now, by, text, delay=delay)
    )


async def alertmanager(request: web.Request) -> web.StreamResponse:
    """Take what Alertmanager's webhook (version 4) says of this job."""
    job, asked, now = job_of(request), await body(request, foreign.Webhook), _now(request)
    return await _act(request, lambda bus: actions.report(bus, job, asked, now))


async def trace(request: web.Request) -> web.StreamResponse:
    """Change what workers trace; they answer on the `status` topic."""
    job, asked, now = job_of(request), await body(request, _Trace), _now(request)
    by = people.author(asked.author)
    return await _act(
        request,
        lambda bus: actions.trace(
            bus, job, asked.select, now, name=asked.name, workers=asked.workers, expires=asked.expires,
            budget=asked.budget, author=by, reason=asked.reason[:_TEXT], off=asked.off,
        ),
    )  # fmt: skip


async def _act(request: web.Request, act: Callable[[Bus], msgspec.Struct]) -> web.StreamResponse:
    bus = request.app[keys.SOURCES].bus
    try:
        made: Any = await request.app[keys.READERS].run(lambda: act(bus))
    except actions.ActionError as error:
        raise Refusal(400, str(error), "mend the request and send it again") from None
    return answer(as_object(made), 202)


def _now(request: web.Request) -> float:
    return request.app[keys.SOURCES].now()

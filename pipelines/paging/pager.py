"""The once-only global stage: from the log of anomalies to notifications, each with its reason.

`on_records` takes the `anomalies` topic's messages in the log's order: anomalies and hard facts, silences,
acknowledgements, un-suppressions, topologies and ticks. It only collects until a tick of the job (or of all jobs, with
an empty name) comes; everything up to that tick is then decided at once, stamped with its deadlines. So batching
changes nothing, and neither does the order of anomalies between two ticks. Notifications and the audit trail of
decisions go to the topic `alerts`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from streamgauge.anomaly.suppression import lifecycle, requests
from streamgauge.anomaly.suppression.arrivals import Arrival
from streamgauge.anomaly.suppression.episodes import Snapshot, Waits
from streamgauge.anomaly.suppression.ledger import Ledger
from streamgauge.anomaly.types import Ack, Anomaly, Confirm, Decision, Edge, Notification, Silence, Topology, Unsuppress
from streamgauge.pipelines.config.schema import Config, JobConfig
from streamgauge.pipelines.paging import lineage, messages, waking, words
from streamgauge.pipelines.wire import outputs, states
from streamgauge.pipelines.wire.outputs import DeadLetter, Output
from streamgauge.tracer.codec import identity_of
from streamgauge.tracer.patterns import fault_of_pattern
from streamgauge.tracer.records import Tick

KINDS: Final = outputs.KINDS | outputs.kinds_of(
    Silence, Ack, Unsuppress, Confirm, Topology, Tick, Decision, Notification
)
_ASKED: Final = (Silence, Ack, Unsuppress)
_TAKEN: Final = (Anomaly, Topology, Confirm, *_ASKED)
_TIMES: Final[dict[type[Any], Callable[[Any], tuple[float, ...]]]] = {
    Tick: lambda record: (record.time,),
    Anomaly: lambda record: (record.start, record.time, record.score, record.end or 0.0),
    Silence: lambda record: (record.start, record.end),
}


class _JobState(msgspec.Struct, array_like=True):
    """What the pager keeps of one job."""

    number: int = 0  # of the last anomaly taken; it begins anew with a job whose state did
    clock: float = -math.inf
    is_declared: bool = False  # its topology came as a record
    workers: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    waiting: list[bytes] = []  # what came since the last tick
    ledger: Snapshot | None = None
    latest: float = math.inf  # time of the furthest anomaly taken; inf: not known, by a state of an older release
    confirmed: tuple[Edge, ...] = ()  # learnt, and taken into the topology by a person


class _State(msgspec.Struct, array_like=True):
    version: int
    jobs: dict[str, _JobState]
    spent: waking.Spent = {}


class Pager:
    """Decides for all jobs of a configuration; a job that is not configured has the default waits.

    >>> from streamgauge.pipelines.config.schema import JobConfig
    >>> pager = Pager(Config(jobs=(JobConfig(name="ctr"),)))
    >>> dead = Anomaly(kind="fact", job="ctr", worker="w1", domain="system", entity="", metric="missing",
    ...     severity="page", start=60.0, time=60.0, score=1e9, text="no record for 30 s", number=1)
    >>> out = pager.on_records([outputs.encode(dead), outputs.encode(Tick(job="ctr", time=60.0))])
    >>> told = [record for item in out if isinstance(record := outputs.decode(item.value, KINDS), Notification)]
    >>> print(told[0].text.splitlines()[0])
    PAGE [ctr] worker w1: no record for 30 s since 1 Jan 00:01
    """

    def __init__(self, config: Config) -> None:
        self._configs = {job.name: job for job in config.jobs}
        self._jobs: dict[str, _JobState] = {}
        self._waiting: dict[str, list[Any]] = {}  # what `waiting` of each job says, read
        self._parked: dict[str, _JobState] = {}  # of jobs that were taken out of the configuration: nobody is told
        self._ledgers: dict[str, Ledger] = {}
        self._budget = waking.Budget(config.page_budget)

    def on_records(self, records: Sequence[bytes]) -> list[Output]:
        """Take messages in their order, give the decisions and notifications that they lead to."""
        out: list[Output] = []
        for message in records:
            try:
                record = outputs.decode(message, KINDS)
                fault = _fault(record)
            except ValueError as error:
                record, fault = None, str(error)
            if fault:
                out.append(_dead_letter(message, fault))
            elif isinstance(record, Tick):
                out += self._tick(record)
            elif isinstance(record, _TAKEN):
                self._take(record, message)
        return out

    def snapshot(self) -> bytes:
        """The state as versioned bytes."""
        for name, ledger in self._ledgers.items():
            self._jobs[name].ledger = ledger.snapshot()
        kept = self._parked | self._jobs
        jobs = {name: kept[name] for name in sorted(kept)}
        return msgspec.msgpack.encode(_State(states.written("pager"), jobs, self._budget.spent))

    def restore(self, state: bytes) -> None:
        """Become what `snapshot` described."""
        restored = states.read("pager", state, _State)
        self._parked = {name: job for name, job in restored.jobs.items() if self._configs and name not in self._configs}
        self._budget.spent = dict(restored.spent)
        self._jobs, self._ledgers = {k: job for k, job in restored.jobs.items() if k not in self._parked}, {}
        self._waiting = {}
        for name in list(self._jobs):
            self._take_up(name)

    def topology(self, job: str) -> Topology:
        """The topology by which a job's alerts are decided now."""
        return self._ledger(job).graph.topology

    def _take(self, record: Any, message: bytes) -> None:
        job = self._taken_up(record.job)
        if isinstance(record, Anomaly) and record.number:
            if record.number <= job.number and record.time <= job.latest:
                return  # sent again after a crash
            is_known = math.isfinite(job.latest)
            job.number, job.latest = record.number, max(record.time, job.latest if is_known else record.time)
        job.waiting.append(message)
        self._waiting.setdefault(record.job, []).append(record)

    def _taken_up(self, name: str) -> _JobState:
        """The state of a job that something is said of; it was parked if its own operators still run elsewhere."""
        if name in self._parked:
            self._jobs[name] = self._parked.pop(name)
            self._take_up(name)
        return self._job(name)

    def _job(self, name: str) -> _JobState:
        job = self._jobs.get(name)
        if job is None:
            job = self._jobs[name] = _JobState()
        return job

    def _take_up(self, name: str) -> None:
        self._waiting[name] = [outputs.decode(message, KINDS) for message in self._jobs[name].waiting]
        snapshot = self._jobs[name].ledger
        if snapshot is not None:
            self._ledger(name).restore(snapshot)
            self._follow_config(name)

    def _follow_config(self, name: str) -> None:
        """Edges of another configuration, or of another release, hold from here on."""
        job, ledger = self._jobs[name], self._ledger(name)
        if job.is_declared:
            return
        wanted = self._rebuilt(name, job.confirmed, ledger.graph.revision + 1)
        if set(wanted.edges) != set(ledger.graph.topology.edges):
            ledger.use(wanted)
            requests.reconsider(ledger, job.clock)

    def _tick(self, tick: Tick) -> list[Output]:
        """Advance the job, or all; one that has said nothing yet too: a tick sent again must find its clock passed."""
        names = [tick.job] if tick.job else sorted({*self._configs, *self._jobs})
        return [output for name in names for output in self._advance(name, tick.time)]

    def _advance(self, name: str, now: float) -> list[Output]:
        job = self._job(name)
        if now <= job.clock:
            return []
        ledger = self._ledger(name)
        since = job.clock if math.isfinite(job.clock) else -math.inf
        waiting, job.waiting = self._waiting.pop(name, []), []
        config = self._config(name)
        arrivals = self._arrivals(name, waiting, since, now) if waiting else []
        lifecycle.advance(ledger, arrivals, now)
        job.clock = now
        decided, ledger.out = ledger.out, []
        if not decided:
            return []
        sound = _sound(ledger) if any(isinstance(record, Notification) for record in decided) else ()
        return [_output(record, config, ledger.workers, sound) for record in decided]

    def _arrivals(self, name: str, waiting: list[Any], since: float, now: float) -> list[Arrival]:
        """Do what was asked, and give what was found, since the last tick."""
        self._use_topology(name, waiting, now)
        ledger, config = self._ledger(name), self._config(name)
        for record in waiting:
            if isinstance(record, _ASKED):
                _ask(ledger, record, now)
        anomalies = [waking.judged(record, config) for record in waiting if isinstance(record, Anomaly)]
        rolled = [anomaly.time for anomaly in anomalies if anomaly.metric == waking.ROLLOUT]
        ledger.calm_until = max([ledger.calm_until, *(time + config.paging.calm for time in rolled)])
        return [_arrival(anomaly, since, now) for anomaly in anomalies]

    def _use_topology(self, name: str, waiting: list[Any], now: float) -> None:
        """A declared topology holds from now on; else the built-in one grows with what is seen of the job."""
        job, ledger = self._jobs[name], self._ledger(name)
        wanted: Topology | None = None
        for record in waiting:
            if isinstance(record, Topology) and not (job.is_declared and record.revision <= ledger.graph.revision):
                wanted, job.is_declared = record, True
                ledger.use(wanted)
        seen = [record for record in waiting if isinstance(record, Anomaly)]
        workers = _grown(job.workers, {anomaly.worker for anomaly in seen})
        features = _grown(job.features, {_feature(anomaly) for anomaly in seen})
        said = [record for record in waiting if isinstance(record, Confirm)]
        confirmed = lineage.confirmed(job.confirmed, said) if said else job.confirmed
        is_grown = not job.is_declared and (workers, features) != (job.workers, job.features)
        if is_grown or confirmed != job.confirmed or (wanted is not None and confirmed):
            job.workers, job.features = workers, features
            wanted = self._rebuilt(name, confirmed, ledger.graph.revision + (wanted is None))
            ledger.use(wanted)
        job.workers, job.features, job.confirmed = workers, features, confirmed
        if wanted is not None:
            requests.reconsider(ledger, now)

    def _rebuilt(self, name: str, confirmed: tuple[Edge, ...], revision: int) -> Topology:
        """The topology of a job with these learnt edges in it, at the job and at each worker where it is built in."""
        job, config = self._jobs[name], self._config(name)
        if not job.is_declared:
            with_learnt = msgspec.structs.replace(config, topology=(*config.topology, *confirmed))
            return lineage.topology(with_learnt, job.workers, features=job.features, revision=revision)
        known = self._ledger(name).graph.topology
        kept = [edge for edge in known.edges if edge not in job.confirmed]
        return msgspec.structs.replace(known, edges=(*kept, *confirmed), revision=revision)

    def _ledger(self, name: str) -> Ledger:
        if name not in self._ledgers:
            config, job = self._config(name), self._job(name)
            topology = lineage.topology(config, job.workers, features=job.features)
            waits = Waits(*(getattr(config.paging, field) for field in Waits._fields))
            ledger = self._ledgers[name] = Ledger(name, waits, topology, workers=config.workers)
            ledger.may_page = functools.partial(self._budget.spend, config.team, config.timezone)
        return self._ledgers[name]

    def _config(self, name: str) -> JobConfig:
        return self._configs.get(name) or JobConfig(name=name)


def _arrival(anomaly: Anomaly, since: float, now: float) -> Arrival:
    """An anomaly between two ticks: found when it says, within them."""
    return Arrival(max(since, min(anomaly.time, now)), lineage.node(anomaly), words.describe(anomaly), anomaly)


def _ask(ledger: Ledger, record: Silence | Ack | Unsuppress, now: float) -> None:
    if isinstance(record, Silence):
        requests.add_silence(ledger, record, now)
    elif isinstance(record, Ack):
        requests.acknowledge(ledger, record)
    else:
        requests.unsuppress(ledger, record, now)


def _output(record: Decision | Notification, job: JobConfig, workers: int, sound: Sequence[str]) -> Output:
    if isinstance(record, Notification):
        record = waking.addressed(record, job)
        text = messages.text(record, job, workers=workers, sound=sound)
        record = msgspec.structs.replace(record, text=text)
    return Output("alerts", job.name, outputs.encode(record))


def _sound(ledger: Ledger) -> tuple[str, ...]:
    """The kinds of places at which nothing is open."""
    open_ = ledger.tables.kinds()
    is_moved = "watermark" in open_ or "restart" in open_
    return tuple(kind for kind in lineage.SHOWN if kind not in open_ and not (kind == "heartbeat" and is_moved))


def _grown(known: tuple[str, ...], seen: set[str]) -> tuple[str, ...]:
    """Names in order with new ones among them; "" is none."""
    new = seen - {"", *known}
    return tuple(sorted({*known, *new})) if new else known


def _feature(anomaly: Anomaly) -> str:
    kind, _, name = anomaly.entity.partition(":")
    return name if kind == "feature" else ""


def _fault(record: Any) -> str:
    """What makes a decoded record unusable, `""` for a sound one."""
    read = _TIMES.get(type(record))
    for time in () if read is None else read(record):
        if not -1e11 < time < 1e11:
            return f"a {type(record).__name__.lower()} with the times {read(record)}"  # type: ignore[misc]
    for matcher in record.matchers if isinstance(record, Silence) else ():
        fault = fault_of_pattern(matcher.value) if matcher.is_regex else ""
        if fault:
            return f"silence {record.id}: the pattern {matcher.value[:100]!r} {fault}"
    return ""


def _dead_letter(message: bytes, text: str) -> Output:
    identity = identity_of(message)
    letter = DeadLetter(identity=identity, reason="pager", text=text, topic="anomalies", key="", data=message)
    return Output("dead-letters", identity, outputs.encode(letter))

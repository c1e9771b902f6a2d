"""Puts the real parts together: the log and store in the data folder, the operators, the pager, the notifiers."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from streamgauge.anomaly.types import Topology
from streamgauge.pipelines.adapters.http.security import Guard
from streamgauge.pipelines.adapters.notifiers.alertmanager import Alertmanager
from streamgauge.pipelines.adapters.notifiers.backed import Backed
from streamgauge.pipelines.adapters.notifiers.chat import Chat
from streamgauge.pipelines.adapters.notifiers.console import Console
from streamgauge.pipelines.adapters.notifiers.deeper import Deeper
from streamgauge.pipelines.adapters.notifiers.heartbeat import Heartbeat
from streamgauge.pipelines.adapters.notifiers.mail import Mail
from streamgauge.pipelines.adapters.notifiers.pagerduty import PagerDuty
from streamgauge.pipelines.adapters.notifiers.routed import Route, Routed
from streamgauge.pipelines.adapters.notifiers.webhook import Webhook
from streamgauge.pipelines.config.faults import ConfigError, Fault
from streamgauge.pipelines.config.schema import Config, Kafka, Receiver
from streamgauge.pipelines.engines.keyed import Keyed
from streamgauge.pipelines.engines.parts import combiner_of, operator_of
from streamgauge.pipelines.paging import lineage
from streamgauge.pipelines.paging.pager import Pager
from streamgauge.pipelines.ports import Bus, Notifier
from streamgauge.pipelines.service import stores, trimming
from streamgauge.pipelines.service.child_process import Command
from streamgauge.pipelines.service.run import Parts
from streamgauge.pipelines.wire.outputs import Output
from streamgauge.pipelines.wire.topics import GROUPS
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.steady import Steady
from streamgauge.tracer.transport import LogError, MemoryLog

if TYPE_CHECKING:
    from streamgauge.pipelines.adapters.kafka.bus import KafkaBuses

TOKEN: Final = "STREAMGAUGE_TOKEN"  # environment variable, used where no token_file is configured
MIN_TOKEN: Final = 16  # characters
MIN_DIFFERENT: Final = 8  # of them; `openssl rand -hex 16` has fewer once in a million times


def log_path(config: Config) -> Path:
    """The embedded log: what tracers on this machine write to."""
    return Path(config.data) / "log.db"


def state_path(config: Config) -> Path:
    """Where consumers keep offsets and states: the embedded log, or beside the brokers a file of their own."""
    return log_path(config) if config.kafka is None else Path(config.data) / "kafka.db"


def parts_of(config: Config, engine: tuple[str, ...] | None = None) -> Parts:
    """The parts of a `run` process. Its data folder must exist.

    `engine` is the command that starts the engine in a process of its own: () if it runs elsewhere, None if it is ours.
    """
    log = _log_of(config)
    paging = Paging(config, log.open())
    return Parts(
        open_bus=log.open,
        open_store=lambda: stores.open_store(config), open_query=stores.query_of(config),
        make_operator=operator_of, make_combiner=combiner_of, make_pager=paging.make, topology=paging.topology,
        notifiers=notifiers_of(config), trim=log.trim, purge=stores.Purge(), now=Steady(), close=log.close,
        held=log.held, engine=None if engine is None else _engine_of(config, engine),
    )  # fmt: skip


def bus_of(config: Config) -> Bus:
    """The bus as a command uses it that acts on a running pipeline. Raises LogError."""
    if config.kafka is None:
        return LocalLog(log_path(config))
    state = MemoryLog()  # a command commits nothing
    buses = _kafka(config.kafka, lambda: state)
    buses.check()
    return buses.open()


def notifiers_of(config: Config) -> tuple[Notifier, ...]:
    """Everybody who is told. Raises ConfigError for a secret that cannot be read."""
    for i, hook in enumerate(config.webhooks):
        if hook.secret_file:
            read_file(f"webhooks[{i}].secret_file", hook.secret_file)
    for i, one in enumerate(config.notifiers):
        if one.secret_file:
            read_file(f"notifiers[{i}].secret_file", one.secret_file)
    console: tuple[Notifier, ...] = (Console(),) if config.console else ()
    hooks = (
        Routed(Webhook(one, public_url=config.public_url), Route(severities=one.severities)) for one in config.webhooks
    )
    deeper = (Deeper(lambda: bus_of(config), config.deeper_traces),) if config.deeper_traces else ()
    return (*console, *hooks, *(_routed(one, config) for one in config.notifiers), *deeper)


def _routed(one: Receiver, config: Config) -> Notifier:
    """A receiver behind its route, with its backup behind it."""
    made = _receiver(one, config)
    backup = next((other for other in config.notifiers if other.name == one.backup), None)
    route = Route(
        severities=one.severities, jobs=one.jobs, domains=one.domains, owners=one.owners, hours=one.hours,
        timezone=one.timezone, takes_information=one.kind != "pagerduty",
    )  # fmt: skip
    if backup is not None:
        made = Backed(made, _receiver(backup, config), Path(config.data) / f"backed-{one.name}.json")
    return Routed(made, route, Path(config.data) / f"told-{one.name}.json" if one.owners else None)


def _receiver(one: Receiver, config: Config) -> Notifier:
    url = config.public_url
    made: Notifier
    if one.kind == "alertmanager":
        made = Alertmanager(one, Path(config.data), public_url=url)
    elif one.kind == "pagerduty":
        made = PagerDuty(one, public_url=url)
    elif one.kind == "heartbeat":
        made = Heartbeat(one)
    elif one.kind == "email":
        made = Mail(one, public_url=url)
    else:
        made = Chat(one, public_url=url)
    return made


def guard_of(config: Config, environment: Mapping[str, str] = os.environ) -> Guard:
    """Who may ask over HTTP. Raises ConfigError if the surface would be open to a network without a token."""
    if config.token_file:
        given = read_file("token_file", config.token_file).decode(errors="replace").strip()
        token = _strong(config.token_file, given)
    else:
        given = environment.get(TOKEN, "").strip()
        token = _strong(f"the environment variable {TOKEN}", given) if given else ""
    guard = Guard(config.host, token, frozenset(name.lower() for name in config.hosts), _names(), config.tokens)
    if not guard.is_loopback and not guard.token and not guard.tokens:
        remedy = f"set token_file, [[tokens]] or the environment variable {TOKEN}, or bind 127.0.0.1"
        text = f"{config.host!r} can be reached from other machines without a token; {remedy}"
        raise ConfigError([Fault("host", text)])
    return guard


class Paging:
    """Makes the pager and tells its topology, completed by the workers that report on the bus."""

    def __init__(self, config: Config, bus: Bus) -> None:
        self._config, self._bus, self._pager = config, bus, Locked(Pager(config))
        self._completed: dict[str, tuple[Topology, set[str], dict[str, Any]]] = {}  # by job: of what, and the answer

    def make(self) -> Keyed:
        """A new pager."""
        self._pager = Locked(Pager(self._config))
        return self._pager

    def topology(self, job: str) -> Any:
        """What the pager decides by, and the places of workers that it has not had to think of yet."""
        with self._pager.lock:
            known = self._pager.pager.topology(job)
        workers = {key.partition("/")[2] for key in self._bus.latest("status") if key.startswith(f"{job}/")}
        found = self._completed.get(job)
        if found is None or found[0] is not known or found[1] != workers:
            found = self._completed[job] = known, workers, self._complete(known, workers)
        return found[2]

    def _complete(self, known: Topology, workers: set[str]) -> dict[str, Any]:
        config = next(one for one in self._config.jobs if one.name == known.job)
        seen = lineage.topology(config, workers, revision=known.revision)
        edges = tuple(dict.fromkeys((*known.edges, *seen.edges)))
        nodes = sorted({*known.nodes, *seen.nodes})
        return {"job": known.job, "revision": known.revision, "edges": edges, "nodes": nodes}


class Locked:
    """A pager that one thread feeds while others ask for its topology."""

    def __init__(self, pager: Pager) -> None:
        self.pager, self.lock = pager, threading.Lock()

    def on_records(self, records: list[bytes]) -> list[Output]:
        """Take records in their order."""
        with self.lock:
            return self.pager.on_records(records)

    def snapshot(self) -> bytes:
        """The state as versioned bytes."""
        with self.lock:
            return self.pager.snapshot()

    def restore(self, state: bytes) -> None:
        """Become what `snapshot` described."""
        with self.lock:
            self.pager.restore(state)


class _Log(NamedTuple):
    """The log of a `run` process."""

    open: Callable[[], Bus]
    trim: Callable[[], None]
    close: Callable[[], None]
    held: Mapping[str, Callable[[], int]] = {}


def _log_of(config: Config) -> _Log:
    """The embedded log, or Kafka: waits for its brokers, and raises LogError if another process hosts them."""
    if config.kafka is None:
        path = log_path(config)
        trim = trimming.Trim(path, config.retention, {one.name for one in notifiers_of(config)})
        return _Log(lambda: LocalLog(path, heeds=False), trim, lambda: None)
    folder = Path(config.data)
    buses = _kafka(config.kafka, lambda: LocalLog(state_path(config), heeds=False))
    buses.claim(f"streamgauge on {socket.gethostname()}, process {os.getpid()}, folder {folder.absolute()}")
    trims = trim_of(config, config.kafka, buses) if config.retention.traces_bytes else lambda: None
    held = {"tables": lambda: buses.held_bytes}
    return _Log(buses.open, trims, buses.close, held)  # what is old there goes by the topics' retention


def trim_of(config: Config, kafka: Kafka, buses: KafkaBuses) -> Callable[[], None]:
    """What holds `traces` on the brokers to its bytes."""
    from streamgauge.pipelines.adapters.kafka.group import GroupOffsets
    from streamgauge.pipelines.adapters.kafka.topics import KafkaTopics

    topics = KafkaTopics(kafka)
    group = None if config.engine == "embedded" else GroupOffsets(kafka, GROUPS[config.engine])

    def stored(bus: Bus) -> Mapping[str, int]:
        if group is None:
            return bus.committed("engine")[0]
        logs, offsets = bus.logs("traces"), group()
        return {log: offsets.get(number, 0) for number, log in enumerate(logs)}

    def drop(bus: Bus, before: Mapping[str, int]) -> None:
        numbers = {log: number for number, log in enumerate(bus.logs("traces"))}
        topics.delete_before("traces", {numbers[log]: offset for log, offset in before.items() if log in numbers})

    return trimming.TrimTopic(buses.open, config.retention.traces_bytes, stored, drop)


def _kafka(kafka: Kafka, open_state: Callable[[], Bus]) -> KafkaBuses:
    try:
        from streamgauge.pipelines.adapters.kafka.bus import KafkaBuses
    except ImportError as missing:
        raise LogError(str(missing), retryable=False) from None
    return KafkaBuses(kafka, open_state)


def _engine_of(config: Config, command: tuple[str, ...]) -> Command:
    from streamgauge.pipelines.adapters.kafka.group import GroupOffsets

    assert config.kafka is not None
    return Command(config.engine, command, GroupOffsets(config.kafka, GROUPS[config.engine]))


def _strong(where: str, token: str) -> str:
    """The token, if nobody guesses it. Raises ConfigError."""
    if len(token) >= MIN_TOKEN and len(set(token)) >= MIN_DIFFERENT:
        return token
    text = f"{where} holds {len(token)} characters, {len(set(token))} of them different"
    remedy = f"write at least {MIN_TOKEN}, and {MIN_DIFFERENT} different ones (openssl rand -hex 16)"
    raise ConfigError([Fault("token_file", f"{text}; {remedy}")])


def _names() -> frozenset[str]:
    """What this machine calls itself."""
    return frozenset(name.lower() for name in (socket.gethostname(), socket.getfqdn()) if name)


def read_file(setting: str, path: str) -> bytes:
    """What a file that a setting names holds. Raises ConfigError if it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        text = f"cannot read {path}: {error.strerror or error}; name a readable file"
        raise ConfigError([Fault(setting, text)]) from None

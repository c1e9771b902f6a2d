"""What a data folder keeps of each job, looked at and changed while no pipeline runs on it.

A state is one of a consumer's: the engine's where that is the embedded one, the combiner's of sharded jobs, and what
feedback taught. Faust keeps its own in the topic `state`, Flink in its checkpoints; what those park, they log.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from streamgauge.pipelines.config.schema import Config
from streamgauge.pipelines.engines.combining import combining
from streamgauge.pipelines.engines.keyed import Keyed, KeyedConsumer, Route
from streamgauge.pipelines.engines.parking import Held
from streamgauge.pipelines.engines.parts import combiner_of, operator_of
from streamgauge.pipelines.engines.routing import Routing, unwanted
from streamgauge.pipelines.paging.feedback import CONSUMER as FEEDBACK
from streamgauge.pipelines.paging.feedback import FeedbackLoop
from streamgauge.pipelines.ports import Bus
from streamgauge.pipelines.wire.states import Unfit

_UNITS: Final = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (0.0, "s"))


class Left(NamedTuple):
    """A parked state: whose, under which name, and what it is."""

    consumer: str
    name: str
    held: Held

    @property
    def job(self) -> str:
        """The job that it was of."""
        return self.held.about.key.partition("/")[0]


def keepers(config: Config, bus: Bus) -> list[KeyedConsumer]:
    """The consumers that keep a state a job, with what they committed last."""
    routing, jobs = Routing(config), {job.name: job for job in config.jobs}

    def operator(key: str) -> Keyed:
        return operator_of(*routing.job_of(key))

    def feedback(key: str) -> Keyed:
        if key not in jobs:
            raise Unfit(unwanted(jobs, key))
        return FeedbackLoop(jobs[key])

    return [
        KeyedConsumer(bus, "engine", "traces", _nowhere, operator),
        combining(config, bus, combiner_of),
        KeyedConsumer(bus, FEEDBACK, "alerts", _nowhere, feedback),
    ]


def left(consumers: Iterable[KeyedConsumer]) -> list[Left]:
    """All parked states, by job."""
    found = [Left(one.name, name, held) for one in consumers for name, held in one.parking.kept.items()]
    return sorted(found, key=lambda one: (one.job, one.consumer, one.name))


def forget(consumers: Iterable[KeyedConsumer], job: str) -> int:
    """Let all parked states of a job go; how many."""
    return sum(_each(one, job, lambda consumer, name: consumer.forget(name)) for one in consumers)


def adopt(consumers: Iterable[KeyedConsumer], old: str, new: str) -> int:
    """Let a job begin with what was learnt of a parked one; how many states were taken over. Raises Unfit."""

    def take(state: Any, learnt: bytes) -> None:
        state.learn_from(learnt)

    def adopted(consumer: KeyedConsumer, name: str) -> None:
        _, slash, shard = consumer.parking.kept[name].about.key.partition("/")
        consumer.adopt(name, new + slash + shard, take)

    return sum(_each(one, old, adopted) for one in consumers)


def lines(parked: Iterable[Left], now: float | None = None) -> list[str]:
    """A line for each parked job: since when, how much, why."""
    by_job: dict[str, list[Left]] = {}
    for one in parked:
        by_job.setdefault(one.job, []).append(one)
    return [_line(job, found, time.time() if now is None else now) for job, found in sorted(by_job.items())]


def _line(job: str, found: list[Left], now: float) -> str:
    since = min(one.held.about.since for one in found)
    size = sum(len(one.held.state) for one in found)
    why = ", ".join(dict.fromkeys(one.held.about.why for one in found))
    return f"job {job}: {size / 1e3:.1f} kB of state parked for {_age(now - since)}: {why}"


def _age(seconds: float) -> str:
    """How long, in one unit.

    >>> _age(7.2), _age(7200.0)
    ('7 s', '2 h')
    """
    size, name = next((size, name) for size, name in _UNITS if seconds >= size or not size)
    return f"{max(0.0, seconds) / (size or 1.0):.0f} {name}"


def _each(consumer: KeyedConsumer, job: str, act: Callable[[KeyedConsumer, str], None]) -> int:
    names = [one.name for one in left([consumer]) if one.job == job]
    for name in names:
        act(consumer, name)
    if names:
        consumer.commit()
    return len(names)


def _nowhere(message: Any) -> Route:
    return Route(None)

"""Which key a record belongs to, and what its host says right behind it: the same for every engine.

The host of a key appends the `Open`s of a sharded job; with `clock = "log"` the ticks are in the log already, and go on
to the pager behind what they caused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress

from streamgauge.pipelines.config.schema import Config, JobConfig
from streamgauge.pipelines.engines.keyed import Route
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.dead_letters import dead_letter
from streamgauge.pipelines.wire.outputs import Output
from streamgauge.pipelines.wire.states import Unfit
from streamgauge.tracer import codec
from streamgauge.tracer.bounds import RecordError
from streamgauge.tracer.codec import Head
from streamgauge.tracer.records import Kind, Open, Record, Tick, TraceBatch, key_of
from streamgauge.tracer.transport import Message


class Routing:
    """The keys of all configured jobs, and the way of each message to one of them."""

    def __init__(self, config: Config) -> None:
        self.keys: Mapping[str, tuple[JobConfig, int]] = {
            key_of(job.name, shard, job.shards): (job, shard) for job in config.jobs for shard in range(job.shards)
        }
        self._jobs = {job.name: job for job in config.jobs}
        self._forwards_ticks = config.clock == "log"
        self._opened: set[str] = set()

    def job_of(self, key: str) -> tuple[JobConfig, int]:
        """The job and the shard behind a key. Raises Unfit for one that nothing configured has."""
        if key not in self.keys:
            raise Unfit(unwanted(self._jobs, key))
        return self.keys[key]

    def route(self, message: Message) -> Route:
        """The key of a message; what belongs to no configured job or came under a wrong key is a dead letter."""
        try:
            head = codec.peek(message.value)
        except RecordError as error:
            return Route(None, (dead_letter(message, error.reason, str(error)),))
        job = self._jobs.get(head.job)
        if job is None:
            return Route(None, (dead_letter(message, "unknown job", f"no job {head.job[:100]!r} is configured"),))
        key = key_of(head.job, head.shard, job.shards)
        if key != message.key or head.shard >= job.shards:
            text = f"a record of shard {head.shard} of {job.shards} came under the key {message.key[:100]!r}"
            return Route(None, (dead_letter(message, "wrong key", text),))
        return Route(message.key, self._after(message, head, job))

    def _after(self, message: Message, head: Head, job: JobConfig) -> tuple[Output, ...]:
        """What the host says right behind a record: the opening of all shards; the pager's tick."""
        if head.kind == Kind.TRACE and job.shards > 1 and job.name not in self._opened:
            return self._opening(message, job)
        if head.kind == Kind.TICK and self._forwards_ticks and job.shards == 1:
            times = [tick.time for tick in _readable(message) if isinstance(tick, Tick)]
            # A new one: which wire format the log's has is no news, and the combiner makes new ones, too.
            return tuple(Output("anomalies", job.name, outputs.encode(Tick(job=job.name, time=time))) for time in times)
        return ()

    def _opening(self, message: Message, job: JobConfig) -> tuple[Output, ...]:
        first = next(_readable(message), None)
        if not isinstance(first, TraceBatch):
            return ()
        self._opened.add(job.name)
        opens = [Open(job=job.name, shard=shard, shards=job.shards, start=first.pane) for shard in range(job.shards)]
        return tuple(Output("traces", key_of(job.name, o.shard, o.shards), codec.encode(o)) for o in opens)


def unwanted(jobs: Mapping[str, JobConfig], key: str) -> str:
    """Why nothing configured wants the state of a key.

    >>> unwanted({"ctr": JobConfig(name="ctr", shards=2)}, "ctr"), unwanted({}, "ctr/0")
    ('job ctr has 2 shards now', 'no job ctr is configured')
    """
    name = key.partition("/")[0]
    if name not in jobs:
        return f"no job {name} is configured"
    shards = jobs[name].shards
    return f"job {name} has {shards} shard{'s' if shards != 1 else ''} now"


def last_tick(job: JobConfig, now: float) -> float:
    """The last multiple of the job's `tick` that `now` has passed, seconds."""
    return math.floor(now / job.tick) * job.tick


def _readable(message: Message) -> Iterator[Record]:
    """The record, if it is one; its operator sends the others to the dead letters."""
    with suppress(RecordError):
        yield codec.decode(message.value)

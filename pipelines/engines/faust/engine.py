"""The Faust engine: the operators of the partitions that a consumer group gives this process, next to others like it.

Faust brings the group, its rebalancing and the records of `traces`, one by one. It keeps no Table: the rows of all keys
of a partition lie with its offset in the same partition of the compacted `state` topic (`state_log`), and are the
truth. Faust can only seek to what the group has committed; so that is set at each assignment and behind each commit of
state, never ahead of it. What Faust brings below the state's offset is dropped; what it leaves out (`watch`), or what
must be read again, is read directly. A host that cannot go on ends with an error, and whoever started it starts it
again. Rebalances are eager, as aiokafka knows no others: for a moment all partitions are given back, stored.
"""

from __future__ import annotations

import asyncio
import math
import signal
from collections.abc import Callable, Coroutine, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from streamgauge.pipelines.config.schema import Config, JobConfig, Kafka
from streamgauge.pipelines.engines.faust import watch
from streamgauge.pipelines.engines.faust.feeding import Feeding
from streamgauge.pipelines.engines.faust.group import Group
from streamgauge.pipelines.engines.faust.log import Log
from streamgauge.pipelines.engines.faust.state_log import StateLog
from streamgauge.pipelines.engines.faust.watch import Watch
from streamgauge.pipelines.engines.keyed import Keyed
from streamgauge.pipelines.engines.partition import Commit, Partition
from streamgauge.pipelines.engines.parts import operator_of
from streamgauge.pipelines.engines.routing import Routing
from streamgauge.pipelines.engines.ticking import Hosted, Ticks
from streamgauge.pipelines.wire.frames import StateDamagedError
from streamgauge.tracer.steady import Steady
from streamgauge.tracer.transport import LogError, Message

EVERY: Final = 5.0  # seconds between commits: what a restart reads again
_IDLE: Final = 0.1  # seconds between looks at the clock


def host(config: Config, make: Callable[[JobConfig, int], Hosted] = operator_of) -> None:
    """Host operators until SIGTERM or Ctrl-C. After an error the process must end: what was under way still is.

    Args:
        config: the jobs, and the brokers.
        make: a new operator for a shard of a job.

    Raises:
        LogError: the brokers, the topics or the state are not what they must be, or records do not come any more.
        SettingsError: settings that Faust cannot take.
    """
    if find_spec("cramjam") is None:
        raise LogError("no cramjam for the lz4 that tracers write: pip install 'streamgauge[faust]'", retryable=False)
    assert config.kafka is not None
    asyncio.new_event_loop().run_until_complete(_run(config, config.kafka, make))


async def _run(config: Config, kafka: Kafka, make: Callable[[JobConfig, int], Hosted]) -> None:
    running = _Host(config, kafka, make)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.stop)
    await running.run()


class _Host:
    def __init__(self, config: Config, kafka: Kafka, make: Callable[[JobConfig, int], Hosted]) -> None:
        self._make_hosted = make
        self._routing, self._ticks, self._now = Routing(config), Ticks(config), Steady()
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._log, self._states = Log(kafka, self._fail), StateLog(kafka)
        self._lock = asyncio.Lock()  # who feeds, sends or stores has it
        self._partitions: dict[int, Partition] = {}
        self._hosted: dict[str, Hosted] = {}
        self._watch = Watch()
        self._group = Group(
            kafka, Path(config.data) / "faust", take=lambda message: self._guarded(self._take(message)),
            take_over=lambda: self._guarded(self._take_over()),
            give_back=lambda numbers: self._guarded(self._give_back(numbers)),
        )  # fmt: skip
        self._feeding = Feeding(self._log, self._states, self._group)

    async def run(self) -> None:
        """From the first connection to the last commit."""
        work = [asyncio.create_task(self._guarded(one)) for one in (self._begin(), self._beat())]
        await self._ended
        await self._give_back(list(self._partitions))
        for task in work:
            task.cancel()
        await self._group.stop()
        await self._states.stop()
        await self._log.stop()

    def stop(self) -> None:
        """End orderly."""
        if not self._ended.done():
            self._ended.set_result(None)

    async def _begin(self) -> None:
        await self._log.start()
        await self._states.start(self._log.partitions)
        await self._group.start()
        await self._look()

    async def _take(self, message: Message) -> None:
        async with self._lock:
            self._watch.came(message.partition)
            mine = self._partitions.get(message.partition)
            if mine is None or message.offset < mine.wanted or self._ended.done():
                return  # given back meanwhile, or in the state already
            await self._feeding.take(mine, message)

    async def _take_over(self) -> None:
        """Restore the partitions that the group gave this process."""
        async with self._lock:
            await self._log.check(self._group.partitions())
            for number in sorted(self._group.partitions() - self._partitions.keys()):
                end = (await self._log.ends([number]))[number]
                stored = await self._states.take_over(number, end)
                if stored is None:
                    stored = Commit(await self._log.beginning(number), b"", {})
                self._partitions[number] = self._partition(number, stored)
            await self._feeding.tell(self._partitions.values())

    async def _give_back(self, numbers: Iterable[int]) -> None:
        """Store these partitions and forget them."""
        async with self._lock:
            for number in numbers:
                mine = self._partitions.pop(number, None)
                if mine is not None:
                    await self._feeding.leave(mine)
                    for key in mine.keyed.states:
                        del self._hosted[key]

    def _partition(self, number: int, stored: Commit) -> Partition:
        try:
            return Partition(number, stored, self._routing.route, self._make, every=EVERY)
        except StateDamagedError as error:
            raise LogError(f"{self._log.name('state')}/{number}: {error}", retryable=False) from None

    async def _beat(self) -> None:
        """What is due by the clock: states, ticks, and a look at whether Faust still lives."""
        while True:
            await asyncio.sleep(_IDLE)
            async with self._lock:
                self._group.check()
                for mine in self._partitions.values():
                    await self._feeding.feed(mine)
                if self._log.was_refused():
                    self._ticks.refused()
                hosted = {key: self._hosted[key] for mine in self._partitions.values() for key in mine.keyed.states}
                self._now.hear(max((one.said for one in hosted.values()), default=-math.inf))
                due = self._ticks.due(self._now(), self._routing.keys, hosted, self._now.leap)
                await self._log.send(due)

    async def _look(self) -> None:
        """Read what Faust left out."""
        while True:
            await asyncio.sleep(watch.EVERY)
            await self._log.check()
            ends = await self._log.ends_if_reachable(self._partitions, watch.PATIENCE)
            async with self._lock:
                wanted = {number: mine.wanted for number, mine in self._partitions.items()}
                for number, until in self._watch.left_out(ends, wanted).items():
                    await self._feeding.read_again(self._partitions[number], until)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if not self._ended.done():
            self._ended.set_exception(error)

    def _make(self, key: str) -> Keyed:
        self._hosted[key] = self._make_hosted(*self._routing.job_of(key))
        return self._hosted[key]

"""Records of a partition fed to its states, in order and without gaps; what they cause sent, and then stored.

Outputs are acknowledged before the state is stored, the state before the offset is told to the group.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from streamgauge.pipelines.engines.faust.group import Group
from streamgauge.pipelines.engines.faust.log import Log
from streamgauge.pipelines.engines.faust.state_log import StateLog, SupersededError
from streamgauge.pipelines.engines.partition import Partition
from streamgauge.pipelines.wire.dead_letters import fitting
from streamgauge.pipelines.wire.topics import LARGEST
from streamgauge.tracer.transport import Message

_log = logging.getLogger(__name__)


class Feeding:
    """Feeds the partitions that a host has; whoever calls it has the host's lock."""

    def __init__(self, log: Log, states: StateLog, group: Group) -> None:
        self._log, self._states, self._group = log, states, group

    async def take(self, mine: Partition, message: Message) -> None:
        """The record that Faust brought, and what it left out before."""
        if message.offset > mine.wanted:
            await self.read_again(mine, message.offset)
        await self.feed(mine, message)
        if mine.wanted <= message.offset:
            await self.read_again(mine, message.offset + 1)

    async def read_again(self, mine: Partition, until: int) -> None:
        """Feed what Faust left out; or, after an operator failed and its state went back, all since."""
        is_back = True
        while is_back and mine.wanted < until:
            is_back = False
            async for message in self._log.records(mine.number, mine.wanted, until):
                await self.feed(mine, message)
                is_back = mine.wanted <= message.offset
                if is_back:
                    break

    async def feed(self, mine: Partition, message: Message | None = None) -> None:
        """One record, or none; what is due is sent, and then stored."""
        mine.accept(message)
        unsent, mine.unsent = mine.unsent, []
        await self._log.send(fitting(output, LARGEST) for output in unsent)
        await self._store(mine)

    async def leave(self, mine: Partition) -> None:
        """Store a partition and let others have it."""
        mine.keyed.commit()
        try:
            await self._store(mine)
        except SupersededError as error:  # late: what is behind the other's state is in its hands now
            _log.warning("%s", error)
        await self._states.give_back([mine.number])

    async def tell(self, partitions: Iterable[Partition]) -> None:
        """The group is told how far these are stored."""
        await self._group.commit({mine.number: mine.wanted for mine in partitions})

    async def _store(self, mine: Partition) -> None:
        commit, mine.unstored = mine.unstored, None
        if commit is not None:
            await self._log.flush()  # never ahead of what was sent
            await self._states.store(mine.number, commit)
            await self.tell([mine])

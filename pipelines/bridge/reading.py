"""Feeds the blocks of all partitions that this process has: read, send, and only then commit where each goes on.

Guarantee: killed at any moment, the same records are sent again under the same sequences, and none is missing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from streamgauge.pipelines.bridge.blocks import Block, Blocks, Place, Sample, place_of
from streamgauge.tracer.transport import Transport

Outgoing = tuple[str, str, bytes]

_POLL: Final = 0.2  # seconds
_log = logging.getLogger(__name__)


class Samples(Protocol):
    """The job's topic: `streamgauge.pipelines.adapters.kafka.samples`."""

    def poll(self, limit: int, timeout: float) -> dict[int, list[Sample]]:
        """Messages by partition."""
        ...

    def is_at_end(self, partition: int, offset: int) -> bool:
        """Whether an offset has no message yet."""
        ...

    def commit(self, partition: int, offset: int, metadata: str) -> None:
        """Where a partition goes on."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class Reading:
    """All partitions of one bridge that are this process's. One thread calls `step`.

    Args:
        open_samples: opens the job's topic for this reader.
        transport: where the records go.
        make: the blocks of a partition from an offset (0 at a beginning) and a place on.
        interval: seconds of silence after which time passes all the same.
        now: the wall clock; None for a topic whose time is not the wall's: then silence is not time.
        limit: messages read at once.
    """

    def __init__(
        self, open_samples: Callable[[Reading], Samples], transport: Transport,
        make: Callable[[int, int, Place | None], Blocks], *, interval: float, now: Callable[[], float] | None,
        limit: int = 10_000,
    ) -> None:  # fmt: skip
        self.rows = self.records = self.dead = 0
        self._transport, self._make, self._interval, self._now, self._limit = transport, make, interval, now, limit
        self._blocks: dict[int, Blocks] = {}
        self._heard: dict[int, float] = {}
        self._unsent: dict[int, tuple[list[Outgoing], Block]] = {}
        self._samples = open_samples(self)

    def begin(self, partition: int, offset: int | None, metadata: str) -> None:
        """A partition is this process's now."""
        place = place_of(metadata) if offset is not None else None
        if metadata and place is None:
            _log.warning("partition %d: the group's offset is not the bridge's; it goes on from there anew", partition)
        self._blocks[partition] = self._make(partition, offset or 0, place)

    def end(self, partition: int) -> None:
        """It is another's, who goes on where this one has committed."""
        for kept in (self._blocks, self._heard, self._unsent):
            kept.pop(partition, None)

    def step(self) -> int:
        """One batch of messages, or of silence; how many messages. Raises LogError; what is unsent is kept."""
        self._send()
        found = self._samples.poll(self._limit, _POLL)
        for partition, samples in found.items():
            self.rows += len(samples)
            self._keep(partition, self._blocks[partition].add(samples))
        for partition, blocks in list(self._blocks.items()):
            if blocks.silence is not None:
                self._keep(partition, [blocks.pass_silence(blocks.silence)])
        self._send()
        for partition in list(self._blocks):
            self._listen(partition, is_new=partition in found)
        return sum(map(len, found.values()))

    def finish(self) -> None:
        """End the open blocks where they are: nothing more will come."""
        for partition, blocks in list(self._blocks.items()):
            if blocks.is_waiting and blocks.place is not None:
                self._silence(partition, blocks.place.clock)

    def is_at_end(self) -> bool:
        """Whether everything there is was read, of all partitions that are this process's."""
        ends = (self._samples.is_at_end(number, blocks.next) for number, blocks in self._blocks.items())
        return bool(self._blocks) and all(ends)

    def close(self) -> None:
        """Let go of the partitions; what is in open blocks is read again."""
        self._samples.close()
        self._transport.close()

    def _listen(self, partition: int, *, is_new: bool) -> None:
        """Let time pass where a partition has been silent for an interval."""
        if self._now is None:
            return
        now, blocks = self._now(), self._blocks[partition]
        heard = self._heard.setdefault(partition, now)
        if is_new:
            self._heard[partition] = now
        elif now - heard >= self._interval and self._samples.is_at_end(partition, blocks.next):
            self._silence(partition, now)
            self._heard[partition] = now

    def _silence(self, partition: int, until: float) -> None:
        blocks = self._blocks[partition]
        place = blocks.reserved(until)
        if place is not None:
            self._samples.commit(partition, blocks.offset, place.text())
            self._keep(partition, [blocks.pass_silence(until)])
            self._send()

    def _keep(self, partition: int, done: Sequence[Block]) -> None:
        if done:
            messages = self._unsent[partition][0] if partition in self._unsent else list[Outgoing]()
            messages += [(output.topic, output.key, output.value) for block in done for output in block.outputs]
            self._unsent[partition] = (messages, done[-1])

    def _send(self) -> None:
        for partition, (messages, last) in list(self._unsent.items()):
            self._transport.send(messages)
            self._samples.commit(partition, last.offset, last.place.text())
            del self._unsent[partition]
            self.records += sum(topic == "traces" for topic, _, _ in messages)
            self.dead += sum(topic == "dead-letters" for topic, _, _ in messages)

"""What must hold at the end: nothing lost, the store of an uninterrupted run, memory and disk that stay flat."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from scipy.stats import theilslopes

from streamgauge.pipelines.adapters.sqlite.canonical import canonical_dump
from streamgauge.pipelines.config.schema import Kafka
from streamgauge.pipelines.ports import Bus
from streamgauge.pipelines.wire.offsets import Offsets
from streamgauge.tracer import codec
from streamgauge.tracer.bounds import RecordError
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.records import TraceBatch
from tests.pipelines.adapters.kafka import world

_WARM: Final = 180.0  # seconds in which a process takes its memory: a day of stream time is learnt in 144
_FEWEST: Final = 180.0  # seconds of one process that a slope is told from


class Recorded(NamedTuple):
    """What lies on `traces`."""

    path: Path  # an embedded log that holds it
    sequences: Mapping[tuple[str, str], Counter[int]]  # by worker and incarnation
    unreadable: set[str]  # identities

    @property
    def batches(self) -> int:
        """Messages of workers, repeats among them."""
        return sum(counts.total() for counts in self.sequences.values())


def recorded(data: Path, kafka: Kafka | None, folder: Path) -> Recorded:
    """Read `traces`; what lies on brokers is written into an embedded log."""
    if kafka is None:
        bus: Bus = LocalLog(data / "log.db")
        found = _read(bus, data / "log.db", None)
        bus.close()
        return found
    copy = LocalLog(folder / "recorded.db")
    with world.bus(kafka, folder) as brokers:
        found = _read(brokers, folder / "recorded.db", copy)
    copy.close()
    return found


def _read(bus: Bus, path: Path, copy: LocalLog | None) -> Recorded:
    reading = Offsets(bus, ("traces",), {})
    sequences: defaultdict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    unreadable: set[str] = set()
    while read := reading.next(2000):
        messages = list(itertools.chain.from_iterable(read.values()))
        reading.advance(read)
        if copy is not None:
            copy.send([("traces", message.key, message.value) for message in messages])
        for message in messages:
            try:
                record = codec.decode(message.value)
            except RecordError:
                unreadable.add(codec.identity_of(message.value))
                continue
            if isinstance(record, TraceBatch):
                sequences[record.worker, record.incarnation][record.sequence] += 1
    return Recorded(path, sequences, unreadable)


def losses(
    found: Recorded, notes: Mapping[str, Path], health: Mapping[str, Any], dead: Mapping[str, int],
    poison: Sequence[bytes],
) -> list[str]:  # fmt: skip
    """What is not accounted for, in words; `health` is the job's, `dead` the letters by reason."""
    if not found.sequences or not health:
        return [f"{found.batches} batches on the log, the pipeline says {dict(health)} of the job"]
    told = []
    for worker, path in notes.items():
        for incarnation, furthest in _furthest(path).items():
            sent = found.sequences.get((worker, incarnation), Counter())
            missing = sorted(set(range(1, furthest + 1)) - set(sent))
            if missing:
                told.append(f"{worker}/{incarnation}: sent and not on the log: {missing[:10]} of {furthest}")
    for (worker, incarnation), sent in found.sequences.items():
        if gaps := sorted(set(range(1, max(sent) + 1)) - set(sent)):
            told.append(f"{worker}/{incarnation}: gaps in the log: {gaps[:10]} of {max(sent)}")
    if health["lost"]:
        told.append(f"the pipeline counts {health['lost']} lost records")
    taken = health["records"] + health["duplicate"] + health["superseded"]
    if taken != found.batches:
        told.append(f"{found.batches} batches on the log, the pipeline counts {taken} ({dict(health)})")
    if {codec.identity_of(value) for value in poison} != found.unreadable:
        told.append(f"{len(poison)} poisoned records sent, {len(found.unreadable)} on the log")
    if sum(dead.values()) != len(found.unreadable):
        told.append(f"{len(found.unreadable)} unreadable records, {sum(dead.values())} dead letters")
    return told


def _furthest(path: Path) -> dict[str, int]:
    furthest: dict[str, int] = {}
    lines = path.read_text().splitlines() if path.exists() else []
    for line in lines:
        with suppress(ValueError):  # cut by a kill
            incarnation, sequence = line.split(" ")
            furthest[incarnation] = max(int(sequence), furthest.get(incarnation, 0))
    return furthest


def replayed(found: Recorded, config: Path, folder: Path) -> bytes:
    """The store that an uninterrupted run makes of the recorded log, in canonical form."""
    text = config.read_text()
    plain = folder / "steady.toml"
    head, _, rest = text.partition("[retention]")
    kept = [line for line in head.split("[kafka]")[0].split("[flink]")[0].splitlines() if "engine" not in line]
    plain.write_text("\n".join(kept) + f"\n[retention]{rest}")
    command = ["replay", "--log", str(found.path), "--config", str(plain), "--data", str(folder / "steady")]
    subprocess.run([sys.executable, "-m", "pipelines", *command], stdout=subprocess.DEVNULL, check=True)
    return canonical_dump(folder / "steady" / "store.db")


def differences(one: bytes, other: bytes, most: int = 10) -> list[str]:
    """The first lines that only one of two stores has."""
    if one == other:
        return []
    mine, theirs = Counter(one.splitlines()), Counter(other.splitlines())
    found = [("only the run's", line) for line in mine - theirs]
    found += [("only the replay's", line) for line in theirs - mine]
    told = [f"{whose}: {line[:300].decode()}" for whose, line in found[:most]]
    return [f"{len(found)} lines differ of {mine.total()}", *told]


class Sample(NamedTuple):
    """Memory of the pipeline with all that it started."""

    time: float  # seconds since the soak began
    life: int  # how often it had been started
    megabytes: float
    disk: float = 0.0  # megabytes of its state and of what waits, beside store and log


def resident(pids: Sequence[int]) -> float:
    """Megabytes of memory of these processes; those that are gone have none.

    Pages of files are left out: readers map up to 256 MB of a store that grows, and the system takes these back.
    """
    total = 0
    for pid in pids:
        with suppress(OSError):
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith(("RssAnon", "RssShmem")))
    return total / 1024.0


def kept(data: Path) -> float:
    """Megabytes in the data folder beside the store and the embedded log."""
    total = 0
    for file in data.rglob("*"):
        with suppress(OSError):  # a checkpoint that is gone
            if file.is_file() and file.name.partition(".")[0] not in ("store", "log"):
                total += file.stat().st_size
    return total / 1e6


def disk_growth(samples: Sequence[Sample]) -> float | None:
    """Megabytes by which the largest of the last quarter is above the largest of the second; None for a short run."""
    if not samples or samples[-1].time < 2.0 * _WARM:
        return None
    quarter = samples[-1].time / 4.0
    second = [one.disk for one in samples if quarter <= one.time < 2.0 * quarter]
    last = [one.disk for one in samples if one.time >= 3.0 * quarter]
    return max(last) - max(second, default=0.0)


def slope(samples: Sequence[Sample]) -> float | None:
    """Megabytes a minute by which a warm pipeline grows, over its longest life; None when none was long enough.

    The first half of a life does not count: it fills the caches of a store that grows, 64 MB in nine minutes. The
    slope is Theil and Sen's, the median of those between any two samples: one step, where much had waited (the
    allocator keeps what a burst took), is no growth, and what every minute adds is.
    """
    lives = [list(group) for _, group in itertools.groupby(samples, key=lambda sample: sample.life)]
    warm = [_second_half(life) for life in lives]
    longest = max(warm, key=lambda life: life[-1].time - life[0].time if life else 0.0, default=[])
    if not longest or longest[-1].time - longest[0].time < _FEWEST:
        return None
    times, sizes = (np.array([one[at] for one in longest], float) for at in (0, 2))
    return float(theilslopes(sizes, times / 60.0).slope)


def _second_half(life: Sequence[Sample]) -> list[Sample]:
    begin, end = life[0].time, life[-1].time
    return [one for one in life if one.time > begin + max(_WARM, (end - begin) / 2)]


def kinds(dump: bytes) -> dict[str, int]:
    """Records of a canonical form by kind."""
    return dict(sorted(Counter(line.split(b'"')[1].decode() for line in dump.splitlines() if line).items()))

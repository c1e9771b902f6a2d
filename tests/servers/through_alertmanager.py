"""Notifications through a real Alertmanager that is restarted in their middle, and what its receiver is told of them.

They go through our outbox and notifier as they do live, but at the pace at which Alertmanager tells: what is said of
one episode waits until what was said of it before was told. In the middle Alertmanager is down when the next is
sent, and our own process is another one from there on. `python -m tests.servers.through_alertmanager SEED ...` sends
whole storms so (`benchmarks.storms`), with an Alertmanager that is killed besides, at three quarters, and exits with 1
where something was lost, told again for no reason, or over too early.
"""

from __future__ import annotations

import functools
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.storms import generator, playing
from streamgauge.anomaly.types import Notification
from streamgauge.pipelines.adapters.notifiers import alertmanager
from streamgauge.pipelines.adapters.notifiers.alertmanager import Alertmanager
from streamgauge.pipelines.config.schema import Config, JobConfig, Receiver
from streamgauge.pipelines.paging.outbox import Outbox
from streamgauge.pipelines.paging.pager import KINDS, Pager
from streamgauge.pipelines.wire import outputs
from streamgauge.tracer.transport import MemoryLog
from tests.servers.alertmanager import AlertmanagerServer
from tests.servers.http import Http, serving

PATIENCE: Final = 60.0
SETTLED: Final = 3.0  # seconds, of several group intervals, in which nothing more may come
WRITTEN: Final = 0.5  # seconds in which it notes what it told: stopped before, it tells that again
Told = Counter[tuple[str, str]]  # (firing or resolved, the episode)


def send(notifications: Sequence[Notification], folder: Path, *, is_killed: bool = False) -> Told:
    """Send them all; how often the receiver behind Alertmanager was told what.

    Args:
        notifications: in their order.
        folder: of Alertmanager, and of what our notifier keeps.
        is_killed: end it a second time, at three quarters, before it has written down what it told.
    """
    with serving() as http:
        server = AlertmanagerServer(folder / "root", http.url)
        server.start()
        try:
            all_waves = list(waves(notifications))
            ends = {len(all_waves) // 2: server.stop} | ({3 * len(all_waves) // 4: server.kill} if is_killed else {})
            _send(all_waves, server, lambda: told_by(http), folder, ends)
            time.sleep(SETTLED)
        finally:
            server.stop()
        return told_by(http)


def waves(notifications: Sequence[Notification]) -> Iterator[list[Notification]]:
    """In their order, cut before what is said of an episode of which something is said already."""
    wave: dict[str, Notification] = {}
    for one in notifications:
        if one.root.episode in wave:
            yield list(wave.values())
            wave = {}
        wave[one.root.episode] = one
    yield list(wave.values())


def wanted(notifications: Sequence[Notification]) -> Told:
    """What is to be told: of each episode that it fires, and that it is over, once."""
    return Counter({(one.status, one.root.episode) for one in notifications if one.status != "update"})


def told_by(http: Http) -> Told:
    """What a receiver of Alertmanager's was told."""
    return Counter(
        (alert["status"], alert["labels"]["episode"]) for _, body in list(http.got) for alert in body["alerts"]
    )


def _send(
    all_waves: Sequence[Sequence[Notification]], server: AlertmanagerServer, told: Callable[[], Told], folder: Path,
    ends: Mapping[int, Callable[[], None]],
) -> None:  # fmt: skip
    log = MemoryLog()

    def start(_: float) -> bool:
        server.start()
        return False

    def process() -> Outbox:
        receiver = Receiver(name="am", kind="alertmanager", url=server.url)
        return Outbox(log, Alertmanager(receiver, folder), pause=start)

    outbox = process()
    for at, wave in enumerate(all_waves):
        if at in ends:
            time.sleep(WRITTEN)
            ends[at]()
            outbox = process()
        log.send([("alerts", one.job, outputs.encode(one)) for one in wave])
        _wait(functools.partial(_is_told, outbox, wanted(wave), told))


def _is_told(outbox: Outbox, due: Told, told: Callable[[], Told]) -> bool:
    return outbox.step() == 0 and due <= told()


def _wait(is_there: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_there():
        if time.monotonic() > end:
            return  # what is lost is seen when all is counted
        time.sleep(0.05)


def storm(seed: int, **size: Any) -> list[Notification]:
    """What the pager tells of a storm, at its defaults."""
    made = generator.storm(seed, **size)
    pager = Pager(Config(jobs=(JobConfig(name=playing.JOB),)))
    said = [
        outputs.decode(output.value, KINDS)
        for message in playing.messages(made.edges, made.events, made.until)
        for output in pager.on_records((message,)) if output.topic == "alerts"
    ]  # fmt: skip
    return [one for one in said if isinstance(one, Notification)]


def main(seeds: Sequence[str]) -> int:
    """Send a quarter of each storm; 1 if what was told is not what was to be told."""
    alertmanager.EVERY = 2.0  # type: ignore[misc]  # seconds; Alertmanager's groups wait for one
    is_wrong = False
    for seed in seeds:
        notifications = storm(int(seed), alerts=2500, hours=1.5)
        with tempfile.TemporaryDirectory() as folder:
            told = send(notifications, Path(folder), is_killed=True)
        due = wanted(notifications)
        lost, twice = due - told, told - due
        untrue = [what for what, times in twice.items() if what[0] != "firing" or times > 1 or what not in due]
        print(
            f"storm {seed}: {due.total()} to be told, {lost.total()} lost, {twice.total()} that fired told again"
            f" by the killed one, {len(untrue)} told for no reason"
        )
        is_wrong |= bool(lost or untrue)
    return int(is_wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""How the process is: for people (`report`), its own job and `/metrics` (`process_metrics`), and probes (`unready`)."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final

from streamgauge.pipelines.config.schema import Config
from streamgauge.pipelines.paging.outbox import Outbox
from streamgauge.pipelines.process_metrics import Consumption, Delivery, Passage, ProcessMetrics, disk_bytes
from streamgauge.pipelines.service.consumers import Consumer
from streamgauge.tracer.transport import LogError

MOST_AHEAD: Final = 30.0  # seconds
MOST_UNTOLD: Final = 30.0  # seconds that a notifier may be tried in vain
_PATIENCE: Final = 2.0  # seconds: brokers that are away are waited for 10, and a probe does not wait so long


class Health:
    """What is known of the consumers of one process; its service fills the public parts in, upstream first.

    Args:
        config: the whole configuration.
        now: wall time.
    """

    def __init__(self, config: Config, now: Callable[[], float]) -> None:
        self.lags: dict[str, Callable[[], int]] = {}  # messages; all 0 in this order means that all is done
        self.states: dict[str, Callable[[], int]] = {}  # bytes committed, of those that keep one
        self.consumers: list[Consumer] = []
        self.outboxes: list[Outbox] = []
        self.store: Callable[[], dict[str, Any]] = dict  # what the store sends on, if it does
        self.dead: Callable[[], Mapping[str, int]] = dict
        self.clients: Callable[[], int] = int
        self.connections: Callable[[], Mapping[str, int]] = dict
        self.held: dict[str, Callable[[], int]] = {}  # bytes in caches and queues, by what they are
        self.ahead: Callable[[], float] = float  # seconds that the ticks of the log are ahead of the clock
        self.passage = Passage((job.name for job in config.jobs), now if config.clock == "wall" else None)
        self._most_waiting, self._folder, self._now = config.own.most_waiting, Path(config.data), now
        self._asking = threading.Lock()
        self._asked: Future[dict[str, int]] | None = None  # one look at the log at a time, for all who ask

    def is_ready(self) -> bool:
        """Whether every consumer runs, none is failing and none is too far behind."""
        return not self.unready()

    def unready(self) -> tuple[str, ...]:
        """Why the process is not ready; nothing if it is."""
        return self._looked()[1]

    def report(self) -> dict[str, Any]:
        """The state of each consumer and what waits for it, JSON-ready; `lags` is None while the log is silent."""
        lags, unready = self._looked()
        return {
            "ready": not unready,
            "unready": unready,
            "now": self._now(),
            "lags": lags,
            "dead": dict(self.dead()),
            "store": self.store(),
            "consumers": {
                one.name: {"alive": one.is_alive(), "failures": one.failures, "error": one.error}
                for one in self.consumers
            },
            "notifiers": {
                outbox.name: {
                    "sent": outbox.sent, "failed": outbox.failed, "attempts": outbox.attempts, "error": outbox.error,
                }
                for outbox in self.outboxes
            },
            "disk": disk_bytes(self._folder),
            "state": self._state(),
        }

    def process_metrics(self) -> ProcessMetrics:
        """The same for machines, with what passed the store writer; also while the log cannot be read."""
        lags, unready = self._looked()
        return ProcessMetrics(
            time=self._now(),
            unready=unready,
            lags={masked(name): lag for name, lag in (lags or {}).items()},
            consumers={masked(one.name): Consumption(one.is_alive(), one.failures) for one in self.consumers},
            notifiers={
                masked(one.name).partition("/")[2]: Delivery(one.sent, one.failed, one.attempts)
                for one in self.outboxes
            },
            dead=dict(self.dead()),
            jobs=dict(self.passage.jobs),
            state=self._state(),
            disk=disk_bytes(self._folder),
            clients=self.clients(),
            store={name: value for name, value in self.store().items() if isinstance(value, int)},
            held={name: size() for name, size in self.held.items()},
            connections=self.connections(),
        )

    def _looked(self) -> tuple[dict[str, int] | None, tuple[str, ...]]:
        """What waits for each consumer, and why the process is not ready."""
        try:
            lags = self._ask()
        except LogError:
            return None, (*self._stopped(), "the log cannot be read")
        return lags, (*self._stopped(), *self._behind(lags), *self._untold(), *self._ahead())

    def _ask(self) -> dict[str, int]:
        """What waits for each consumer. Raises LogError, also where the log takes longer than a probe waits."""
        with self._asking:
            if self._asked is None or self._asked.done():
                self._asked = Future()
                threading.Thread(target=_answer, args=(self._asked, self.lags), name="lags", daemon=True).start()
            asked = self._asked
        try:
            return asked.result(_PATIENCE)
        except TimeoutError:
            raise LogError(f"no answer within {_PATIENCE:g} s", retryable=True) from None

    def _state(self) -> dict[str, int]:
        sizes = {name: size() for name, size in self.states.items()}
        return {name: size for name, size in sizes.items() if size}

    def _stopped(self) -> tuple[str, ...]:
        stopped = [f"{masked(one.name)} does not run" for one in self.consumers if not one.is_alive()]
        failing = [
            f"{masked(one.name)} has failed {one.failures} times in a row; see /api/health"
            for one in self.consumers if one.is_alive() and one.failures
        ]
        return (*stopped, *failing)

    def _behind(self, lags: Mapping[str, int]) -> tuple[str, ...]:
        most = self._most_waiting
        return tuple(
            f"{lag} messages wait for {masked(name)}, at most {most} may" for name, lag in lags.items() if lag > most
        )

    def _untold(self) -> tuple[str, ...]:
        """Whom nothing reaches: tried in vain for a while, or the last thing they were to be told is a dead letter."""
        return tuple(
            f"{masked(one.name)} is not reached: {one.attempts or one.failed} failed attempts; see /api/health"
            for one in self.outboxes if one.waited > MOST_UNTOLD or (one.error and not one.attempts)
        )

    def _ahead(self) -> tuple[str, ...]:
        """While a clock was wrong its ticks went ahead: no window closes until the true time has caught up."""
        ahead = self.ahead()
        text = f"the jobs' time is {ahead:.0f} s ahead of this host's clock, which is wrong or was"
        return (f"{text}: no window closes before it has caught up",) if ahead > MOST_AHEAD else ()


def _answer(asked: Future[dict[str, int]], lags: Mapping[str, Callable[[], int]]) -> None:
    try:
        asked.set_result({name: lag() for name, lag in lags.items()})
    except Exception as error:
        asked.set_exception(error)


def masked(name: str) -> str:
    """The name of a consumer without the path of a webhook's address, which may be its secret.

    >>> masked("engine"), masked("notifier/webhook hooks.example:443")
    ('engine', 'notifier/webhook hooks.example:443')
    >>> masked("notifier/webhook hooks.example/services/T0/secret")
    'notifier/webhook hooks.example/39ed57bb'
    """
    kind, _, notifier = name.partition("/")
    place, slash, path = notifier.partition("/")
    return f"{kind}/{place}/{zlib.crc32(path.encode()):08x}" if slash else name

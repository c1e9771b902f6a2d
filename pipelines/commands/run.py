"""The commands `run` and `replay`: the pipeline as a process, live or over a recorded log."""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import math
import signal
import sys
import threading
import time
from pathlib import Path

import msgspec

from streamgauge.pipelines.adapters.data_folder import lock_folder
from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.commands import allocator
from streamgauge.pipelines.config.checks import faults_of
from streamgauge.pipelines.config.faults import ConfigError
from streamgauge.pipelines.config.loading import load
from streamgauge.pipelines.config.own_job import with_own_job
from streamgauge.pipelines.config.schema import Config
from streamgauge.pipelines.ports import StoreBusy
from streamgauge.pipelines.service import assembly, stores
from streamgauge.pipelines.service.kept import lines
from streamgauge.pipelines.service.replay import Progress
from streamgauge.pipelines.service.replay import replay as replayed
from streamgauge.pipelines.service.run import Service
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.printable import printable
from streamgauge.tracer.termination import apart
from streamgauge.tracer.transport import LogError

_SQLITE = b"SQLite format 3\0"
_BAR = 30  # characters
_AGAIN = 2.0  # seconds between attempts to begin
_SOON = 0.1  # seconds between looks at who has ended
_TELL = 60.0  # seconds between two tellings of why it waits


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or Ctrl-C; SIGHUP reads the configuration again."""
    allocator.use_few_arenas()
    config, asked = configured(args), Asked()
    asked.listen()
    with lock_folder(Path(config.data)):
        service = _begun(config, args, asked)
        while service is not None:
            asked.wake.wait()
            asked.wake.clear()
            if asked.over.is_set():
                service.stop()
                return 0
            new = _wanted(config, args)
            if new is not None:
                service.stop()
                if not _is_over(service, asked):
                    return 0
                service = None
                allocator.let_go()
                config, service = _anew(config, new, args, asked)
    return 0


class Asked:
    """What signals ask of the process."""

    def __init__(self) -> None:
        self.wake, self.over = threading.Event(), threading.Event()

    def listen(self) -> None:
        """Hear SIGTERM and SIGINT; SIGHUP where no terminal can hang up."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, apart(self._end))
        if not sys.stdin.isatty():
            signal.signal(signal.SIGHUP, apart(self.wake.set))

    def _end(self) -> None:
        self.over.set()
        self.wake.set()


def _begun(config: Config, args: argparse.Namespace, asked: Asked) -> Service | None:
    """A running service, once what it needs is there; None if it is told to end before. Raises UseError as `_started`.

    A full disk, a file that is held or brokers that are away are waited for here as they are later, when it runs.
    """
    due = -math.inf
    while not asked.over.is_set():
        try:
            return _started(config, args)
        except (LogError, StoreBusy) as error:
            if isinstance(error, LogError) and not error.retryable:
                raise
            if time.monotonic() >= due:
                print(f"streamgauge: waits to begin: {error}", file=sys.stderr, flush=True)
                due = time.monotonic() + _TELL
        asked.over.wait(_AGAIN)
    return None


def _started(config: Config, args: argparse.Namespace) -> Service:
    """A running service. Raises UseError if its port is taken, LogError and StoreBusy for what it cannot use now."""
    guard = assembly.guard_of(config)
    parts = assembly.parts_of(config, _engine_command(config, args))
    try:
        service = Service(config, parts)
    except BaseException:
        parts.close()
        raise
    try:
        address = service.start(guard, _page())
    except OSError as error:
        service.stop()
        why = f"{error.strerror or error}; stop what listens there, or give another --port"
        raise UseError(f"cannot listen on {config.host}:{config.port}: {why}") from None
    for line in lines(service.parked()):
        print(printable(f"streamgauge: {line}; see streamgauge jobs"), flush=True)
    print(f"streamgauge: {address}", flush=True)
    return service


def _wanted(config: Config, args: argparse.Namespace) -> Config | None:
    """The configuration as it is now; None where the old one holds, because the new one has a fault."""
    try:
        new = configured(args)
        assembly.guard_of(new), assembly.notifiers_of(new)
    except ConfigError as error:
        faults = "; ".join(map(str, error.faults))
        print(f"streamgauge: the configuration has faults, the old one holds: {faults}", file=sys.stderr, flush=True)
        return None
    if new.data != config.data:
        print("streamgauge: data cannot change while it runs, the old configuration holds", file=sys.stderr, flush=True)
        return None
    return new


def _is_over(service: Service, asked: Asked) -> bool:
    """Wait until all of a stopped service has ended, as long as that takes; False if the process is to end before.

    What still commits would write rows of state between those of the service that comes after it.
    """
    due = -math.inf
    while running := service.running():
        if time.monotonic() >= due:
            print(f"streamgauge: waits for {', '.join(running)} to end", file=sys.stderr, flush=True)
            due = time.monotonic() + _TELL
        if asked.over.wait(_SOON):
            return False
    return True


def _anew(old: Config, new: Config, args: argparse.Namespace, asked: Asked) -> tuple[Config, Service | None]:
    """A service with the new configuration, or with the old one where that cannot begin.

    All consumers go on from what they committed, as after a restart; only the process, its lock and its port stay.
    """
    try:
        return new, _begun(new, args, asked)
    except UseError as error:
        print(f"streamgauge: {error}; the old configuration holds", file=sys.stderr, flush=True)
        return old, _begun(old, args, asked)


def replay(args: argparse.Namespace) -> int:
    """Replay a recorded log into a fresh store."""
    config = configured(args)
    if not args.log.is_file():
        raise UseError(f"there is no log {args.log}; name the log.db of a data folder with --log")
    if not _is_log(args.log):
        raise UseError(f"{args.log} is no log, it begins as another kind of file; name the log.db of a data folder")
    folder = Path(config.data)
    if assembly.log_path(config).exists() or stores.store_path(config).exists():
        raise UseError(f"{folder} holds a log or a store already; name a fresh folder with --data")
    with lock_folder(folder):
        parts = assembly.parts_of(msgspec.structs.replace(config, kafka=None, console=False, webhooks=()))
        started, progress = time.monotonic(), Progress(0, 0, 0.0)
        for progress in replayed(config, LocalLog(args.log), parts):
            _draw(progress)
    seconds = time.monotonic() - started
    text = f"replayed {progress.done} records in {seconds:.1f} s; the store is {stores.place(config)}"
    value = {"records": progress.done, "seconds": seconds, "store": stores.place(config)}
    print(json.dumps(value) if args.json else text)
    return 0


def _is_log(path: Path) -> bool:
    """Whether a file is SQLite's, or empty, as one is that was just made."""
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) in (_SQLITE, b"")


def configured(args: argparse.Namespace) -> Config:
    """The configuration with what the command line puts over it."""
    config = load(args.config)
    given = {name: getattr(args, name, None) for name in ("data", "host", "port", "engine")}
    over = {name: value for name, value in given.items() if value is not None}
    changed = with_own_job(msgspec.structs.replace(config, **over))
    faults = faults_of(changed)
    if faults:
        raise ConfigError(faults, "command line")
    return changed


def _engine_command(config: Config, args: argparse.Namespace) -> tuple[str, ...] | None:
    """What starts the engine in a process of its own; () for one that runs elsewhere, None for the embedded one."""
    if args.elsewhere and config.engine == "embedded":
        raise UseError("the embedded engine runs in this process; give --engine faust or flink with --elsewhere")
    if config.engine == "embedded":
        return None
    if args.elsewhere:
        return ()
    places = ("--config", str(args.config), "--data", config.data)
    return (sys.executable, "-m", "streamgauge.pipelines", "engine", config.engine, *places, "--supervised")


def _page() -> Path | None:
    """The live page's files, if that package is installed."""
    try:
        web = importlib.import_module("streamgauge.dashboards.web")
    except ImportError:
        return None
    folder = Path(next(iter(web.__path__)))
    return folder if (folder / "index.html").is_file() else None


def _draw(progress: Progress) -> None:
    if not sys.stderr.isatty():
        return
    share = progress.done / max(1, progress.total)
    day = datetime.datetime.fromtimestamp(progress.time, datetime.UTC).strftime("%Y-%m-%d %H:%M")
    bar = "#" * int(_BAR * share)
    end = "\n" if progress.done >= progress.total else ""
    print(f"\r[{bar:<{_BAR}}] {share:4.0%}  {day}", end=end, file=sys.stderr, flush=True)

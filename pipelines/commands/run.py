"""The commands `run` and `replay`: the pipeline as a process, live or over a recorded log."""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

import msgspec

from streamgauge.pipelines.adapters.data_folder import lock_folder
from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.config.checks import faults_of
from streamgauge.pipelines.config.faults import ConfigError
from streamgauge.pipelines.config.loading import load
from streamgauge.pipelines.config.own_job import with_own_job
from streamgauge.pipelines.config.schema import Config
from streamgauge.pipelines.service import assembly, stores
from streamgauge.pipelines.service.kept import lines
from streamgauge.pipelines.service.replay import Progress
from streamgauge.pipelines.service.replay import replay as replayed
from streamgauge.pipelines.service.run import Service
from streamgauge.tracer.local.log import LocalLog

_SQLITE = b"SQLite format 3\0"
_BAR = 30  # characters


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or Ctrl-C; SIGHUP reads the configuration again."""
    config, asked = configured(args), Asked()
    asked.listen()
    with lock_folder(Path(config.data)):
        service = _begun(config, args)
        while True:
            asked.wake.wait()
            asked.wake.clear()
            if asked.is_over:
                service.stop()
                return 0
            config, service = _reloaded(config, service, args)


class Asked:
    """What signals ask of the process."""

    def __init__(self) -> None:
        self.wake, self.is_over = threading.Event(), False

    def listen(self) -> None:
        """Hear SIGTERM and SIGINT; SIGHUP where no terminal can hang up."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        if not sys.stdin.isatty():
            signal.signal(signal.SIGHUP, lambda number, frame: self.wake.set())

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.is_over = True
        self.wake.set()


def _begun(config: Config, args: argparse.Namespace) -> Service:
    """A running service. Raises UseError if its port is taken."""
    guard = assembly.guard_of(config)
    service = Service(config, assembly.parts_of(config, _engine_command(config, args)))
    try:
        address = service.start(guard, _page())
    except OSError as error:
        service.stop()
        why = f"{error.strerror or error}; stop what listens there, or give another --port"
        raise UseError(f"cannot listen on {config.host}:{config.port}: {why}") from None
    for line in lines(service.parked()):
        print(f"streamgauge: {line}; see streamgauge jobs", flush=True)
    print(f"streamgauge: {address}", flush=True)
    return service


def _reloaded(config: Config, service: Service, args: argparse.Namespace) -> tuple[Config, Service]:
    """The service with the configuration as it is now; the old one where that has a fault.

    All consumers go on from what they committed, as after a restart; only the process, its lock and its port stay.
    """
    try:
        new = configured(args)
        assembly.guard_of(new), assembly.notifiers_of(new)
    except ConfigError as error:
        faults = "; ".join(map(str, error.faults))
        print(f"streamgauge: the configuration has faults, the old one holds: {faults}", file=sys.stderr, flush=True)
        return config, service
    if new.data != config.data:
        print("streamgauge: data cannot change while it runs, the old configuration holds", file=sys.stderr, flush=True)
        return config, service
    service.stop()
    try:
        return new, _begun(new, args)
    except UseError as error:
        print(f"streamgauge: {error}; the old configuration holds", file=sys.stderr, flush=True)
        return config, _begun(config, args)


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

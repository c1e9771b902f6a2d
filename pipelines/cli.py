"""The command line: one subcommand a verb, each with an example in its help; faults are one line with their remedy.

Exit codes: 0 done, 1 done and something was found wrong (a rejected plan), 2 a fault of use, 130 Ctrl-C.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Callable, Sequence
from typing import Final

from streamgauge.pipelines.config.faults import ConfigError
from streamgauge.pipelines.grammar import parser
from streamgauge.tracer.printable import printable, printable_lines


class UseError(Exception):
    """A command that cannot do what was asked; the message names the value and the remedy."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["demo"]:
        return _guarded(lambda: _demo(arguments[1:]))
    args = parser().parse_args(arguments)
    shown = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Printable(shown))
    logging.basicConfig(level=args.log_level, handlers=[handler])
    command = importlib.import_module(f"streamgauge.pipelines.commands.{_MODULES[args.command]}")
    name = "import_runs" if args.command == "import" else args.command  # a word that no function can have
    return _guarded(lambda: int(getattr(command, name)(args)))


_MODULES: Final = {
    "run": "run", "engine": "engine", "replay": "run", "topics": "topics", "bridge": "bridge", "flink": "flink",
    "grafana": "grafana", "check": "files", "detect": "detecting", "profile": "files", "version": "files",
    "init": "init", "jobs": "jobs", "reference": "reference_given", "import": "importing",
    "verify": "verify", "select": "select",
    "trace": "tracing", "tensors": "tensors",
    "silence": "acting", "feedback": "acting", "ack": "acting", "change": "acting", "thresholds": "thresholds",
    "status": "watching", "incidents": "watching", "silences": "watching",
    "features": "features", "runs": "runs", "audit": "auditing", "token": "token", "topology": "topology",
    "backtest": "backtesting", "ab": "ab", "slices": "slices",
    "gate": "deciding", "rootcause": "deciding", "impact": "deciding",
}  # fmt: skip


def _demo(arguments: list[str]) -> int:
    try:
        demo = importlib.import_module("streamgauge.examples.flights.demo")
    except ImportError as error:
        remedy = "run `make demo` in a clone of the repository, or install streamgauge[demo] there"
        raise UseError(f"the demo needs {error.name}: {remedy}") from None
    return int(demo.main(arguments) or 0)


class _Printable(logging.Formatter):
    """Log lines in which the names of others are escaped: none of them ends a line or moves the cursor."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line; a traceback behind it stays as it is."""
        record.message = printable(record.message)
        return super().formatMessage(record)


def _guarded(command: Callable[[], int]) -> int:
    """Run a command; a fault of use is told in a line, without a traceback."""
    from streamgauge.pipelines.adapters.data_folder import FolderInUse
    from streamgauge.pipelines.engines.flink.connector import ConnectorError
    from streamgauge.pipelines.engines.flink.rest import FlinkError
    from streamgauge.pipelines.paging.actions import ActionError
    from streamgauge.pipelines.ports import StoreBusy
    from streamgauge.pipelines.wire.frames import StateDamagedError
    from streamgauge.pipelines.wire.states import StateVersionError
    from streamgauge.tracer.kafka.settings import SettingsError
    from streamgauge.tracer.local.sqlite_file import FileError
    from streamgauge.tracer.transport import LogError

    try:
        return command()
    except ConfigError as error:
        where = f"{error.source}: " if error.source else ""
        lines = [f"{where}{fault}" for fault in error.faults]
    except (
        UseError, ActionError, FolderInUse, FileError, LogError, StoreBusy, FlinkError, ConnectorError, SettingsError,
        StateVersionError, StateDamagedError,
    ) as error:  # fmt: skip
        lines = [str(error)]
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        return 130
    for line in lines:
        print(printable_lines(f"streamgauge: {line}"), file=sys.stderr)
    return 2

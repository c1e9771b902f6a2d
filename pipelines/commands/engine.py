"""The command `engine`: a process that hosts only the operators, beside a `run` that hosts all else."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys

from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.commands.flink import with_flink
from streamgauge.pipelines.commands.run import configured
from streamgauge.pipelines.engines.flink.connector import ConnectorError
from streamgauge.pipelines.engines.flink.rest import FlinkError
from streamgauge.pipelines.service.child_process import end_with_parent
from streamgauge.pipelines.wire.states import StateVersionError
from streamgauge.tracer.kafka.settings import SettingsError
from streamgauge.tracer.transport import LogError


def engine(args: argparse.Namespace) -> int:
    """Host the operators until SIGTERM or Ctrl-C; after a fault the process ends with what was under way."""
    config = with_flink(args, configured(args))
    if config.kafka is None:
        raise UseError(f'engine {args.engine} needs Kafka; add [kafka] with bootstrap = "HOST:PORT" to {args.config}')
    try:
        host = importlib.import_module(f"streamgauge.pipelines.engines.{args.engine}.engine").host
    except ModuleNotFoundError as error:
        extra = f"pip install 'streamgauge[{args.engine}]'"
        raise UseError(f"engine {args.engine} needs {error.name}: {extra}") from None
    if args.supervised:
        end_with_parent()
    try:
        host(config)
    except (LogError, SettingsError, FlinkError, ConnectorError, StateVersionError) as error:
        _end(f"streamgauge: engine {args.engine}: {error}", 2)
    except Exception:
        logging.getLogger(__name__).exception("engine %s ends", args.engine)
        _end("", 1)
    return 0


def _end(text: str, code: int) -> None:
    """End without the goodbyes of threads and clients: nothing more may be sent after a failure."""
    if text:
        print(text, file=sys.stderr)
    sys.stderr.flush()
    os._exit(code)

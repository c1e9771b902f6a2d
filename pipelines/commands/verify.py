"""The command `verify`: walks log, state and store, and says what is damaged, where, and what to do."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from streamgauge.pipelines.adapters.data_folder import lock_folder
from streamgauge.pipelines.adapters.sqlite.verify import forget_job, told, walk_log
from streamgauge.pipelines.adapters.sqlite.verify_store import drop_damaged, walk_store
from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.commands import acting
from streamgauge.pipelines.commands.run import configured
from streamgauge.pipelines.config.schema import Config
from streamgauge.pipelines.service.assembly import log_path, state_path
from streamgauge.pipelines.service.stores import store_path
from streamgauge.tracer.printable import printable


def verify(args: argparse.Namespace) -> int:
    """Walk what a data folder holds; 1 if something is damaged. Or, with no pipeline on it, take away what is."""
    config = configured(args)
    if args.forget:
        return _forget(config, args)
    if args.drop:
        return _drop(config, args)
    logs = [path for path in dict.fromkeys((log_path(config), state_path(config))) if path.exists()]
    stores = [path for path in (store_path(config),) if path.exists()]
    walks_topic = config.kafka is not None and config.engine == "faust"
    if not logs and not stores and not walks_topic:
        raise UseError(f"there is nothing in {config.data}; name the folder of a pipeline with --data")
    walked = [*map(walk_log, logs), *map(walk_store, stores)]
    if config.kafka is not None and walks_topic:
        from streamgauge.pipelines.adapters.kafka.verify import walk_state

        walked.append(walk_state(config.kafka))
    damaged = sum(len(one.findings) for one in walked)
    if args.json:
        print(json.dumps([
            {"file": str(one.file), "counts": one.counts, "findings": [found._asdict() for found in one.findings]}
            for one in walked
        ]))  # fmt: skip
        return 1 if damaged else 0
    print("\n".join(printable(line) for one in walked for line in told(one)))
    print(f"{damaged} damaged" if damaged else "all sound")
    return 1 if damaged else 0


def _forget(config: Config, args: argparse.Namespace) -> int:
    path, job = state_path(config), args.forget
    if not path.exists():
        raise UseError(f"there is no state in {path.parent}; name the folder of a pipeline with --data")
    with lock_folder(Path(config.data)):
        gone = forget_job(path, job)
    if not gone:
        raise UseError(f"no state is kept of job {job!r}")
    acting.say(args, f"job {job}: {gone} states are gone, it learns anew", {"job": job, "gone": gone})
    return 0


def _drop(config: Config, args: argparse.Namespace) -> int:
    path = store_path(config)
    if not path.exists():
        raise UseError(f"there is no store in {path.parent}; name the folder of a pipeline with --data")
    with lock_folder(Path(config.data)):
        gone = drop_damaged(path)
    acting.say(args, f"{path.name}: {gone:,} damaged rows are gone", {"gone": gone})
    return 0

"""The command `verify`: walks log, state and store, and says what is damaged, where, and what to do."""

from __future__ import annotations

import argparse
from pathlib import Path

from streamgauge.pipelines.adapters.data_folder import lock_folder
from streamgauge.pipelines.adapters.sqlite.verify import forget_job, told, walk_log, walk_store
from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.commands.run import configured
from streamgauge.pipelines.config.schema import Config
from streamgauge.pipelines.service.assembly import log_path, state_path
from streamgauge.pipelines.service.stores import store_path


def verify(args: argparse.Namespace) -> int:
    """Walk what a data folder holds; 1 if something is damaged. Or, with no pipeline on it, forget a job's state."""
    config = configured(args)
    if args.forget:
        return _forget(config, args.forget)
    logs = [path for path in dict.fromkeys((log_path(config), state_path(config))) if path.exists()]
    stores = [path for path in (store_path(config),) if path.exists()]
    if not logs and not stores:
        raise UseError(f"there is nothing in {config.data}; name the folder of a pipeline with --data")
    walked = [*map(walk_log, logs), *map(walk_store, stores)]
    for one in walked:
        print("\n".join(told(one)))
    damaged = sum(len(one.findings) for one in walked)
    print(f"{damaged} damaged" if damaged else "all sound")
    return 1 if damaged else 0


def _forget(config: Config, job: str) -> int:
    path = state_path(config)
    if not path.exists():
        raise UseError(f"there is no state in {path.parent}; name the folder of a pipeline with --data")
    with lock_folder(Path(config.data)):
        gone = forget_job(path, job)
    if not gone:
        raise UseError(f"no state is kept of job {job!r}")
    print(f"job {job}: {gone} states are gone, it learns anew")
    return 0

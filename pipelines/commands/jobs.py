"""The command `jobs`: which are configured, which left state behind; forget that, or begin another job with it."""

from __future__ import annotations

import argparse
from pathlib import Path

from streamgauge.pipelines.adapters.data_folder import lock_folder
from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.commands.run import configured
from streamgauge.pipelines.config.schema import Config
from streamgauge.pipelines.service import kept
from streamgauge.pipelines.service.assembly import state_path
from streamgauge.pipelines.wire.states import Unfit
from streamgauge.tracer.local.log import LocalLog


def jobs(args: argparse.Namespace) -> int:
    """List the jobs; or, with no pipeline running on the folder, forget or adopt what a job left behind."""
    config = configured(args)
    path = state_path(config)
    if not path.exists():
        raise UseError(f"there is no state in {path.parent}; name the folder of a pipeline with --data")
    if not (args.forget or args.adopt):
        _list(config, path)
        return 0
    with lock_folder(Path(config.data)):
        return _change(config, path, args)


def _list(config: Config, path: Path) -> None:
    log = LocalLog(path)
    lines = kept.lines(kept.left(kept.keepers(config, log)))
    log.close()
    for job in config.jobs:
        print(f"job {job.name}: configured")
    print("\n".join(lines) if lines else "nothing is parked")


def _change(config: Config, path: Path, args: argparse.Namespace) -> int:
    log = LocalLog(path)
    try:
        consumers = kept.keepers(config, log)
        names = sorted({one.job for one in kept.left(consumers)})
        old = args.forget or args.adopt[0]
        if old not in names:
            raise UseError(f"nothing is parked of job {old!r}; parked: {', '.join(names) or 'none'}")
        if args.forget:
            print(f"job {old}: {kept.forget(consumers, old)} states are gone")
            return 0
        new = args.adopt[1]
        if new not in {job.name for job in config.jobs}:
            raise UseError(f"no job {new!r} is configured; write it into {args.config} first")
        print(f"job {new} begins with what was learnt of {old}: {kept.adopt(consumers, old, new)} states")
        return 0
    except Unfit as unfit:
        raise UseError(f"what is parked of {old} does not fit {new}: {unfit}") from None
    finally:
        log.close()

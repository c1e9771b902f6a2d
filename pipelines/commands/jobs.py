"""The command `jobs`: which are configured, which left state behind; forget that, or begin another job with it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from streamgauge.pipelines.adapters.data_folder import lock_folder
from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.commands import acting
from streamgauge.pipelines.commands.run import configured
from streamgauge.pipelines.config.schema import Config
from streamgauge.pipelines.service import kept
from streamgauge.pipelines.service.assembly import state_path
from streamgauge.pipelines.wire.states import Unfit
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.printable import printable


def jobs(args: argparse.Namespace) -> int:
    """List the jobs; or, with no pipeline running on the folder, forget or adopt what a job left behind."""
    config = configured(args)
    path = state_path(config)
    if not path.exists():
        raise UseError(f"there is no state in {path.parent}; name the folder of a pipeline with --data")
    if not (args.forget or args.adopt):
        _list(config, path, args)
        return 0
    with lock_folder(Path(config.data)):
        return _change(config, path, args)


def _list(config: Config, path: Path, args: argparse.Namespace) -> None:
    log = LocalLog(path)
    parked = kept.left(kept.keepers(config, log))
    log.close()
    if args.json:
        shown = [{"job": one.job, "consumer": one.consumer, "since": one.held.about.since, "why": one.held.about.why,
                  "bytes": len(one.held.state)} for one in parked]  # fmt: skip
        print(json.dumps({"configured": [job.name for job in config.jobs], "parked": shown}))
        return
    lines = kept.lines(parked)
    for job in config.jobs:
        print(f"job {job.name}: configured")
    print("\n".join(map(printable, lines)) if lines else "nothing is parked")


def _change(config: Config, path: Path, args: argparse.Namespace) -> int:
    log = LocalLog(path)
    try:
        consumers = kept.keepers(config, log)
        names = sorted({one.job for one in kept.left(consumers)})
        old = args.forget or args.adopt[0]
        if old not in names:
            raise UseError(f"nothing is parked of job {old!r}; parked: {', '.join(names) or 'none'}")
        if args.forget:
            gone = kept.forget(consumers, old)
            acting.say(args, f"job {old}: {gone} states are gone", {"job": old, "gone": gone})
            return 0
        new = args.adopt[1]
        if new not in {job.name for job in config.jobs}:
            raise UseError(f"no job {new!r} is configured; write it into {args.config} first")
        taken = kept.adopt(consumers, old, new)
        told = {"job": new, "from": old, "states": taken}
        acting.say(args, f"job {new} begins with what was learnt of {old}: {taken} states", told)
        return 0
    except Unfit as unfit:
        raise UseError(f"what is parked of {old} does not fit {new}: {unfit}") from None
    finally:
        log.close()

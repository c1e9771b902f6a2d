"""The command `flink`: the connector fetched, the job on a cluster submitted, saved and stopped."""

from __future__ import annotations

import argparse

import msgspec

from streamgauge.pipelines.commands.run import configured
from streamgauge.pipelines.config.checks import faults_of
from streamgauge.pipelines.config.faults import ConfigError
from streamgauge.pipelines.config.schema import Config
from streamgauge.pipelines.engines.flink import cluster, connector
from streamgauge.pipelines.engines.flink.rest import JobManager, uri


def flink(args: argparse.Namespace) -> int:
    """Do one of them."""
    return {"fetch": _fetch, "submit": _submit, "savepoint": _savepoint, "stop": _stop}[args.action](args)


def with_flink(args: argparse.Namespace, config: Config) -> Config:
    """The configuration with the command line's `--parallelism` and `--connector-jar` over it."""
    over = {name: value for name in ("parallelism", "connector_jar") if (value := getattr(args, name)) is not None}
    changed = msgspec.structs.replace(config, flink=msgspec.structs.replace(config.flink, **over))
    faults = faults_of(changed)
    if faults:
        raise ConfigError(faults, "command line")
    return changed


def _fetch(args: argparse.Namespace) -> int:
    print(connector.fetch())
    return 0


def _submit(args: argparse.Namespace) -> int:
    job = cluster.submit(
        with_flink(args, configured(args)), JobManager(args.jobmanager),
        savepoint=args.savepoint, checkpoints=args.checkpoints, python=args.python,
    )  # fmt: skip
    print(f"streamgauge: job {job} runs on {args.jobmanager}")
    return 0


def _savepoint(args: argparse.Namespace) -> int:
    return _save(args, stop=False)


def _stop(args: argparse.Namespace) -> int:
    return _save(args, stop=True)


def _save(args: argparse.Namespace, *, stop: bool) -> int:
    manager = JobManager(args.jobmanager)
    job = manager.job(cluster.name_of(configured(args)), args.job)
    print(manager.savepoint(job, uri(args.to), stop=stop))
    return 0

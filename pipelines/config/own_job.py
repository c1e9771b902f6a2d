"""The job that the pipeline is itself: its configuration among those of the watched jobs."""

from __future__ import annotations

from typing import Final

import msgspec

from streamgauge.pipelines.config.schema import Config, JobConfig, WindowSpec

_WINDOWS: Final = (  # a score comes with each short window; what is measured is on the wall's clock
    WindowSpec(name="short", kind="short", length=60.0, slide=60.0),
    WindowSpec(name="wall", kind="wall", length=60.0, slide=60.0),
)


def with_own_job(config: Config) -> Config:
    """The configuration with the pipeline's own job in it, unless that is switched off or time comes from a driver.

    One pager has one clock. With `clock = "log"` that is the jobs' stream time, in which the process itself, living by
    the wall's, can neither be judged nor page; `/metrics` and the probes tell of it there. A job of the name that the
    file has is taken as it is.

    >>> [job.name for job in with_own_job(Config()).jobs]
    ['streamgauge']
    >>> with_own_job(Config(clock="log")).jobs
    ()
    """
    if own_job(config) is not None or not _is_wanted(config):
        return config
    return msgspec.structs.replace(config, jobs=(*config.jobs, JobConfig(name=config.own.name, windows=_WINDOWS)))


def own_job(config: Config) -> JobConfig | None:
    """The pipeline's own job, if it is among the watched ones."""
    if not _is_wanted(config):
        return None
    return next((job for job in config.jobs if job.name == config.own.name), None)


def _is_wanted(config: Config) -> bool:
    return config.own.enabled and config.clock == "wall"

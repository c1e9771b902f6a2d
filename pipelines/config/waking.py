"""What must hold of what wakes whom: `paged`, `owners`, the budget, hours and backups of notifiers; pure."""

from __future__ import annotations

import fnmatch
import itertools
import zoneinfo
from collections.abc import Iterator
from typing import Final

from streamgauge.pipelines.config import hours
from streamgauge.pipelines.config.faults import Fault, suggestion
from streamgauge.pipelines.config.schema import Config, JobConfig, Receiver
from streamgauge.pipelines.registry import METRICS

_MOST_REMINDERS: Final = 20


def faults_of(config: Config) -> Iterator[Fault]:
    """Every fault of who is woken by what."""
    if config.page_budget < 0:
        yield Fault("page_budget", f"must be >= 0, got {config.page_budget}")
    for job in config.jobs:
        yield from _job_faults(job, f"jobs.{job.name}")
    known = {owner for job in config.jobs for owner in job.owners.values()}
    by_name = {one.name: one for one in config.notifiers}
    for i, one in enumerate(config.notifiers):
        yield from _receiver_faults(one, f"notifiers[{i}]", known, by_name)


def _job_faults(job: JobConfig, at: str) -> Iterator[Fault]:
    for i, pattern in enumerate(job.paged):
        name = pattern.rpartition("/")[2]
        if not fnmatch.filter(METRICS, name):
            yield Fault(f"{at}.paged[{i}]", f"matches no metric, got {pattern!r}{suggestion(name, METRICS)}")
        elif name in job.unpaged:
            yield Fault(f"{at}.paged[{i}]", f"{name!r} is in unpaged too; take it out of one")
    for pattern, owner in job.owners.items():
        if not pattern or not owner.strip():
            yield Fault(f"{at}.owners", f'must read "PLACE" = "OWNER", got {pattern!r} = {owner!r}')
    reminders = job.paging.remind
    is_rising = all(one < other for one, other in itertools.pairwise((0.0, *reminders)))
    if len(reminders) > _MOST_REMINDERS or not is_rising:
        yield Fault(f"{at}.paging.remind", f"must be at most {_MOST_REMINDERS} rising times, got {list(reminders)}")


def _receiver_faults(one: Receiver, at: str, owners: set[str], by_name: dict[str, Receiver]) -> Iterator[Fault]:
    for name in sorted(set(one.owners) - owners):
        yield Fault(f"{at}.owners", f"no job has an owner {name!r}{suggestion(name, owners)}")
    for i, text in enumerate(one.hours):
        try:
            hours.parse(text)
        except ValueError as error:
            yield Fault(f"{at}.hours[{i}]", str(error))
    try:
        zoneinfo.ZoneInfo(one.timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        yield Fault(f"{at}.timezone", f"unknown time zone {one.timezone!r}; write UTC or Area/City")
    if one.backup and one.backup not in by_name:
        yield Fault(f"{at}.backup", f"no notifier {one.backup!r} is there{suggestion(one.backup, by_name)}")
    elif one.backup == one.name:
        yield Fault(f"{at}.backup", "names itself; name another notifier")
    elif one.backup and by_name[one.backup].kind == "heartbeat":
        yield Fault(f"{at}.backup", f"{one.backup!r} is a heartbeat, which tells nobody of anything")

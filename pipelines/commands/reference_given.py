"""The command `reference`: a file of rows, an earlier run or its last release ends the wait of a job's series."""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from streamgauge.anomaly.young import WINDOWS
from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.commands import acting
from streamgauge.pipelines.commands.rows import rows_of
from streamgauge.pipelines.config.faults import suggestion
from streamgauge.pipelines.config.schema import DAY, Config, JobConfig
from streamgauge.pipelines.ports import Query
from streamgauge.pipelines.profiling.columns import column_of
from streamgauge.pipelines.service import reference_file, reference_job, stores
from streamgauge.pipelines.wire.given import SETTING, History, SketchKey, parts
from streamgauge.tracer import codec, records
from streamgauge.tracer.records import Setting

_OF_JOBS: Final = ("from_data", "release", "since")
_OF_FILES: Final = ("time", "label", "salt_file")
_WEEK: Final = 7 * DAY


def reference(args: argparse.Namespace) -> int:
    """Put a reference into the job's log; it holds from the next window on, on every engine."""
    config, job = acting.job_of(args)
    if (args.file is None) == (not args.from_job):
        raise UseError("name a file of rows, or an earlier run with --from-job NAME")
    idle = [name for name in (_OF_JOBS if args.file else _OF_FILES) if getattr(args, name)]
    if idle:
        where = "a file" if args.file else "an earlier run"
        raise UseError(f"--{idle[0].replace('_', '-')} says nothing of {where}; leave it out")
    bus = acting.bus_of(config)
    now = acting.now_of(config, bus)
    if now <= 0.0:
        raise UseError(f'{args.config} has clock = "log", and no tick has come yet: start the stream first')
    text, days, histories, sketches = _of_file(args, job, now) if args.file else _of_job(args, config, job, now)
    series = sum(len(one.labels) for one in histories)
    told = {"job": job.name, "reference": text, "series": series, "days": round(days, 3)}
    if args.dry_run:
        acting.say(args, f"{job.name} would begin with {series} series of {text}", told)
        return 0
    bus.send(list(messages(job, parts(text, histories, sketches), now)))
    acting.say(args, f"{job.name} begins with {series} series of {text}, from the next window on", told)
    return 0


Found = tuple[str, float, list[History], dict[SketchKey, tuple[bytes, ...]]]


def messages(job: JobConfig, bodies: Iterator[bytes], now: float) -> Iterator[tuple[Any, str, bytes]]:
    """Settings for the shard that passes them on; their revisions rise with time, whoever sends them."""
    revision = round(now * 1000)
    key = records.key_of(job.name, 0, job.shards)
    for i, body in enumerate(bodies):
        one = Setting(job=job.name, shard=0, name=SETTING, revision=revision + i, effective=now, body=body)
        yield "traces", key, codec.encode(one)


def _of_file(args: argparse.Namespace, job: JobConfig, now: float) -> Found:
    frame = rows_of(args.file, args.time, args.label)
    known = [str(name) for name in frame.columns]
    declared = [feature.name for feature in job.features]
    if not declared:
        raise UseError(f"job {job.name} declares no features; `streamgauge init {args.file}` writes them for you")
    features = {name: _column(frame[name]) for name in declared if name in known}
    if not features or not len(frame):
        raise UseError(f"{args.file} has no rows of job {job.name}'s features ({', '.join(declared[:10])})")
    salt = Path(args.salt_file).read_bytes().strip() if args.salt_file else b""
    rows = reference_file.Rows(
        features, _column(frame[args.label]) if args.label else None,
        _seconds(frame[args.time], job.timezone) if args.time else None,
    )  # fmt: skip
    played = reference_file.play(rows, job, now, salt)
    absent = [name for name in declared if name not in known]
    without = f", without {', '.join(absent)}" if absent else ""
    apart = f", {played.told} told apart" if played.told else ", the same at any hour"
    of = f"{len(features)} features of {len(frame):,} rows{without}"
    counted = "" if args.time else " by how many rows there are (--time COLUMN names their times)"
    text = f"{args.file.name}: {of}; {_days(played.days)} of history{counted}{apart}"
    return text, played.days, played.histories, played.sketches


def _of_job(args: argparse.Namespace, config: Config, job: JobConfig, now: float) -> Found:
    place = msgspec.structs.replace(config, data=args.from_data) if args.from_data else config
    if stores.is_embedded(place) and not stores.store_path(place).is_file():
        raise UseError(f"there is no store in {place.data}; name the data folder of the earlier run with --from-data")
    query = stores.query_of(place)()
    try:
        names = [row["job"] for row in query.jobs()]
        if args.from_job not in names:
            raise UseError(f"the store knows no job {args.from_job!r}{suggestion(args.from_job, names)}")
        release = _release(args, query)
        start, end = (release.start, release.end) if release else (_time(args.since), now)
        found = reference_job.histories(query, args.from_job, job, start, end)
    finally:
        query.close()
    which = f" (release {release.version})" if release else ""
    known = max((len(one.starts) for one in found), default=0)
    if not known:
        raise UseError(
            f"nothing is kept of the windows of job {args.from_job}{which} in that time, or job {job.name} has none of "
            "the same lengths"
        )
    if known < WINDOWS:
        raise UseError(
            f"job {args.from_job}{which} has {known} windows in that time and {WINDOWS} are needed; wait for them, or "
            "name an earlier release (--release VERSION) or an earlier begin (--since)"
        )
    last = max(float(one.starts[-1]) for one in found if len(one.starts))
    if now - last > _WEEK:  # it would be too old to be normal
        found = reference_job.moved(found, float(np.floor((now - last) / _WEEK)) * _WEEK)
    days = reference_job.days(found, now)
    return f"job {args.from_job}{which}: {_days(days)} of history", days, found, {}


def _release(args: argparse.Namespace, query: Query) -> reference_job.Release | None:
    """The release that is meant, None for all of the run."""
    if not args.release:
        return None
    found = reference_job.releases(query.changes(args.from_job, 0.0, 4e9), 4e9)
    if not found:
        raise UseError(
            f'job {args.from_job} never told of a release that still holds: tracer.event("pushed", VERSION) does, and '
            f"`streamgauge change --job {args.from_job} pushed VERSION`; or say since when, with --since"
        )
    if args.release == "last":
        return found[-1]
    by_version = {one.version: one for one in found}
    if args.release not in by_version:
        raise UseError(f"no release {args.release!r} was pushed and kept{suggestion(args.release, by_version)}")
    return by_version[args.release]


def _column(series: Any) -> Any:
    """A pandas column as the tracer takes it, rows by number; missing ones are None or NaN."""
    column = column_of("", series)
    if column.vocabulary is None:
        return np.asarray(column.values)
    names = np.append(column.vocabulary, np.array([None], object))  # code -1 is a missing value
    return names[column.values]


def _seconds(series: Any, timezone: str) -> Any:
    """Times as seconds: dates of any library, ISO 8601, or numbers of s, ms or us; without a zone, the job's."""
    import pandas

    if pandas.api.types.is_numeric_dtype(series.dtype):
        values = series.to_numpy(np.float64, na_value=np.nan)
        size = np.nanmedian(values)
        return values / (1.0 if size < 1e11 else 1e3 if size < 1e14 else 1e6)
    times = pandas.to_datetime(series, errors="coerce")
    times = times.dt.tz_localize(timezone, ambiguous="NaT", nonexistent="NaT") if times.dt.tz is None else times
    nanoseconds = times.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[ns]")
    return np.where(np.isnat(nanoseconds), np.nan, nanoseconds.view(np.int64) / 1e9)


def _time(text: str) -> float:
    """A date or time, in UTC without a zone; seconds since the epoch. Raises UseError."""
    try:
        found = datetime.datetime.fromisoformat(text) if text else datetime.datetime.fromtimestamp(0, datetime.UTC)
    except ValueError:
        raise UseError(f"--since {text!r} is no time; write it as 2026-11-28 or 2026-11-28T14:00") from None
    return (found if found.tzinfo else found.replace(tzinfo=datetime.UTC)).timestamp()


def _days(days: float) -> str:
    """A length of time in the unit that a reader would use."""
    number, unit = round(days, 1), "day"
    if days < 1.0:
        number, unit = (round(days * 24.0), "hour") if days >= 1.0 / 12.0 else (round(days * 1440.0), "minute")
    return f"{number:g} {unit}{'' if number == 1 else 's'}"

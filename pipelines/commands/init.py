"""The command `init`: a first `streamgauge.toml` from rows, an EasyRec configuration or a running job; to be changed.

Kinds are guessed: numbers are numeric; text with many values, and numbers called ids that hardly repeat, are ids; other
text is categorical. What is guessed says so beside it.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from streamgauge.pipelines.cli import UseError
from streamgauge.pipelines.commands import acting
from streamgauge.pipelines.commands.rows import rows_of
from streamgauge.pipelines.config import easyrec
from streamgauge.pipelines.config.loading import load, parse
from streamgauge.tracer.printable import printable

MANY: Final = 1_000  # distinct values from which on a text column is ids
LABELS: Final = ("label", "clicked", "click", "is_click", "target", "y", "converted", "conversion")  # usual names
UNIQUE: Final = 0.5  # distinct values a row from which on a column of whole numbers or texts is ids
_MOST: Final = 100_000


class Guess(NamedTuple):
    """One feature, and why it is taken for what it is."""

    name: str
    kind: str
    why: str
    is_optional: bool = False
    default: str = ""  # what stands for a missing value


def init(args: argparse.Namespace) -> int:
    """Write the file; an existing one is kept unless `--force` is given."""
    if args.out.exists() and not args.force:
        raise UseError(f"{args.out} is there already; name another with --out, or overwrite it with --force")
    if sum(map(bool, (args.file, args.from_job, args.from_config))) != 1:
        raise UseError("name a file of rows, or a running job with --from-job NAME, or --from easyrec.config")
    groups: tuple[str, ...] = ()
    if args.from_config:
        pipeline = _of_easyrec(args.from_config)
        groups = pipeline.groups
        guesses = [Guess(one.name, one.kind, one.why, default=one.default) for one in pipeline.inputs]
        name = args.job or args.from_config.name.partition(".")[0]
    elif args.from_job:
        guesses, name = _of_job(args), args.job or args.from_job
    else:
        guesses, name = list(_of_file(args)), args.job or args.file.name.partition(".")[0]
    text = written(name, guesses, groups)
    parse(text)
    args.out.write_text(text, encoding="utf-8")
    told = {"file": str(args.out), "job": name, "features": len(guesses)}
    print(json.dumps(told) if args.json else _told(args, name, guesses))
    return 0


def written(job: str, guesses: Sequence[Guess], groups: Sequence[str] = ()) -> str:
    """The file, commented.

    >>> written("ctr", [Guess("age", "numeric", "numbers")]).splitlines()[-3:]
    ['[[jobs.features]]', 'name = "age"', 'kind = "numeric"  # numbers']
    """
    lines = [_HEAD.format(job=json.dumps(job))]
    by = [name for name in groups if name in {one.name for one in guesses}]
    if by:
        lines.append(f"[jobs.evaluation]\ngroups = {json.dumps(by)}  # GAUC and ranking within each")
    for one in guesses:
        lines.append(f'[[jobs.features]]\nname = {json.dumps(one.name)}\nkind = "{one.kind}"  # {printable(one.why)}')
        if one.default:
            lines[-1] += f"\ndefault = {_default(one)}  # what stands for a missing value"
        if one.is_optional:
            lines[-1] += "\noptional = true  # mostly missing: shown, never paged; take this out if it must be there"
    return "\n\n".join(lines) + "\n"


def _default(one: Guess) -> str:
    """A default as TOML: a number of a numeric feature, else text."""
    if one.kind == "numeric":
        try:
            number = float(one.default)
        except ValueError:
            number = math.nan
        if math.isfinite(number):
            return repr(number)
    return json.dumps(one.default)


def _of_easyrec(path: Path) -> easyrec.Pipeline:
    """What an EasyRec configuration says; what is left out is told."""
    try:
        pipeline = easyrec.read(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise UseError(f"cannot read {path}: {error}") from None
    except easyrec.EasyRecError as error:
        raise UseError(f"{path}: {error}; give the pipeline.config of an EasyRec job") from None
    for one in pipeline.skipped:
        known = ", ".join(easyrec.KINDS)
        print(f"streamgauge: left out: {printable(one)}, of an unknown type; known are {known}", file=sys.stderr)
    if not pipeline.inputs:
        raise UseError(f"{path}: it has no feature of a known type; known are {', '.join(easyrec.KINDS)}")
    return pipeline


def guess(column: Mapping[str, Any], rows: int) -> Guess | None:
    """What a profiled column is, None for one of times, which is no feature."""
    name, distinct, missing = column["name"], column["distinct"], column["missing_rate"] or 0.0
    is_optional = missing > 0.5
    share = distinct / max(rows, 1)
    if column["kind"] == "time":
        return None
    if column["kind"] == "numeric":
        is_id = name.lower().endswith("id") and share > UNIQUE
        seen = f"numbers, {column['min']:g} to {column['max']:g}" if distinct else "no value seen"
        kind, why = ("id", "hardly repeats, and is called so") if is_id else ("numeric", seen)
        return Guess(name, kind, why, is_optional)
    is_id = distinct > MANY or (share > UNIQUE and rows >= MANY)
    why = f"text with {distinct} values" if distinct else "no value seen: say what it is"
    return Guess(name, "id" if is_id else "categorical", why, is_optional)


def _of_file(args: argparse.Namespace) -> Iterable[Guess]:
    from streamgauge.pipelines.profiling import report

    left_out = {args.label, args.time, args.id}
    found = report.profile_frame(rows_of(args.file, *left_out, is_dated=True))
    for column in found["columns"]:
        name = printable(column["name"])
        one = None if column["name"] in left_out else guess(column, found["rows"])
        if one is not None:
            yield one
            if not args.label and column["name"].lower() in LABELS:
                print(f"is {name} the label? Then it is no feature: --force --label {name}", file=sys.stderr)
        elif column["kind"] == "time" and not args.time:
            print(f"{name} holds times and is left out", file=sys.stderr)


def _of_job(args: argparse.Namespace) -> list[Guess]:
    """The features that a running job sends: their kinds as they are declared, else by the metrics that they have."""
    config = load(args.config)
    declared = {one.name: one for job in config.jobs if job.name == args.from_job for one in job.features}
    with acting.store_of(config) as query:
        series = query.series(args.from_job, {"domain": "sample", "worker": ""}, _MOST)
    found: dict[str, dict[str, float | None]] = {}
    for one in series:
        if one["entity"].startswith("feature:"):
            found.setdefault(one["entity"].removeprefix("feature:"), {})[one["metric"]] = one["value"]
    if not found:
        raise UseError(f"no feature of job {args.from_job!r} is known yet; give Tracer.observe some, and wait a window")
    return [
        Guess(name, declared[name].kind, "declared", declared[name].optional) if name in declared
        else _of_metrics(name, last) for name, last in sorted(found.items())
    ]  # fmt: skip


def _of_metrics(name: str, last: Mapping[str, float | None]) -> Guess:
    """A feature by its metrics and their last values."""
    if last.keys() & {"mean", "std", "zero_rate"}:
        return Guess(name, "numeric", "has a mean")
    if "new_id_rate" in last:
        return Guess(name, "id", "its ids are kept")
    if last.get("missing_rate") == 1.0 and not last.keys() & {"distinct", "top_share"}:
        return Guess(name, "categorical", "no value seen: say what it is", is_optional=True)
    return Guess(name, "categorical", "has values that are no numbers")


def _told(args: argparse.Namespace, name: str, guesses: list[Guess]) -> str:
    return (
        f"{args.out}: job {name} with {len(guesses)} features, their kinds guessed; look through it, then\n"
        f"  streamgauge run --config {args.out}\n"
        f'and in the job: tracer = Tracer.from_config("{args.out}", "worker:0")'
    )


_HEAD: Final = """\
# Written by `streamgauge init`: look through it, above all the kinds of the features. Every key: docs/configuration.md.
data = "./streamgauge-data"   # the log, the state and the store

[[jobs]]
name = {job}
# workers = 8                 # how many there are; without it the most of the last hour
# missing_after = "10m"       # how long a restart may take before a silent worker pages

# [jobs.labels]               # how labels reach the job
# horizon = "1d"              # how old a sample is when its label counts as late for good
# margin = "3h"               # a label is overdue this long after it was due

# [[jobs.limits]]             # what pages from the first window on, whatever is normal
# metric = "missing_rate"
# entity = "feature:*"
# above = 0.2"""

"""States of releases that kept all of a key in one value, taken apart into rows; only for reading those.

Each function is the step of one form in `pipelines.wire.states`: the items of the whole state, its version first, to
version and rows by name. What it writes are rows of version 1, which later steps of theirs bring to today's form.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from streamgauge.anomaly.reference import Reference

_FIRST: Final = 1  # the version of every row that is written here
_MANY: Final = 256  # items in a row of many
_PARTIALS: Final = 11  # where a report has partials, presences and revisions
Rows = Iterator[tuple[str, list[Any]]]


def operator(old: list[Any]) -> list[Any]:
    """Version 3: the job, its workers and the windows that may be revised."""
    return [4, {**_encoded(_operator(old)), **({"stage2": old[20]} if old[20] else {})}]


def combiner(old: list[Any]) -> list[Any]:
    """Version 3: the shards' inboxes and the windows that may be revised."""
    return [4, {**_encoded(_combiner(old)), "stage2": old[6]}]


def second_stage(old: list[Any]) -> list[Any]:
    """Version 2: evaluator, watches, scorer and facts stay whole, each has steps of its own."""
    _, evaluator_, watches, score_watch, scorer, waiting, detection, facts, *config = old
    rows = {"evaluator": evaluator_, "watch/score": score_watch, "scorer": scorer}
    rows |= {f"watch/{i}": watch_ for i, watch_ in enumerate(watches)}
    rows |= {f"facts/{i}": one for i, one in enumerate(facts)}
    return [3, {"head": _row([waiting, detection, config[0] if config else b""]), **rows}]


def evaluator(old: list[Any]) -> list[Any]:
    """Version 1: the known series, the reference distributions and the memories."""
    return [2, _encoded(_evaluator(old))]


def watch(old: list[Any]) -> list[Any]:
    """Version 2: keys, arrays, reference, and what is open."""
    _, keys, arrays, reference, episodes, multipliers, *excused = old
    rows = {"keys": _row([keys]), "series": _row([arrays])}
    rows["open"] = _row([episodes, multipliers, excused[0] if excused else []])
    parts = {f"reference/{name}": _row([encode()]) for name, _, encode in Reference.restore(reference).parts()}
    return [3, {**rows, **parts}]


def _operator(old: list[Any]) -> Rows:
    config, shard, stream, wall, *head = old[1:10]
    workers, gone, rings = old[10:13]
    series, counts, reports, number, settings, recent, pending = old[13:20]
    yield "job", [config, shard, stream, wall, *head, series, counts, reports, number, settings, pending]
    yield "recent", [recent]
    yield from _many("gone", gone)
    for member, facts, stream_track, wall_track, frozen in workers:
        name = _name(member[0])
        yield f"worker/{name}", [member, facts, [[spec, end] for spec, end, _ in frozen]]
        for spec, end, partial in frozen:
            yield f"partial/{spec}/{end}/{name}", partial
        yield from _track(f"stream/{name}", "stream", name, stream_track)
        yield from _track(f"wall/{name}", "wall", name, wall_track)
    for window, revision, clock, partials, presences, dirty in rings:
        where = f"{window[0]}/{window[2]}"
        yield f"ring/{where}", [window, revision, clock, dirty]
        yield from _many(f"presences/{where}", presences)
        for partial in partials:
            yield f"partial/{where}/{_name(partial[0])}", partial


def _combiner(old: list[Any]) -> Rows:
    _, number, inboxes, waiting, counters, rings, _ = old
    heads = [[taken, forwarded, [], ends, []] for taken, forwarded, _, ends, _ in inboxes]
    yield "combiner", [number, heads, waiting, counters]
    for i, (_, _, reports, _, pieces) in enumerate(inboxes):
        for report in reports:
            yield from _report(f"inbox/{i}/{report[4]}", report)
        for at, piece in enumerate(pieces):
            yield f"piece/{i}/{at:06}", [piece]
    for spec, ring in rings.items():
        for report in ring:
            yield from _report(f"ring/{spec}/{report[7]!r}", report)


def _report(path: str, report: list[Any]) -> Rows:
    partials, presences, revisions = report[_PARTIALS : _PARTIALS + 3]
    yield f"{path}/report", [[*report[:_PARTIALS], [], [], [], *report[_PARTIALS + 3 :]]]
    yield from _many(f"{path}/presences", presences)
    for partial in partials:
        yield f"{path}/partial/{_name(partial[0])}", partial
    for i, revision in enumerate(revisions):
        yield from _report(f"{path}/revision/{i:06}", revision)


def _track(path: str, clock: str, name: str, track: list[Any]) -> Rows:
    names, seen, panes, slices = track
    if names:
        yield f"names/{path}", [names]
        yield f"seen/{path}", [b"".join(time.to_bytes(8, "little", signed=True) for time in seen)]
    for kind, tables in (("pane", panes), ("slice", slices)):
        for at, *table in tables:
            yield f"table/{clock}/{kind}/{at}/{name}", table


def _evaluator(old: list[Any]) -> Rows:
    _, known, (references, memories) = old
    for spec, keys, seen in known:
        yield f"keys/{spec}", [keys]
        yield f"seen/{spec}", [seen]
    for worker, opened, closed in references:
        if opened is not None:
            yield f"today/{_name(worker)}", opened
        for start, end, packed in closed:
            yield f"settled/{_name(worker)}/{start!r}", [start, end, packed]
    for (worker, name, entity), touched, memory in memories:
        path = f"{name}/{_name(worker)}/{_name(entity)}"
        if name in ("sample_id", "profile"):
            *memory, slices = memory
            for start, end, ids in slices:
                yield f"ids/{path}/{start!r}", [start, end, ids]
        yield f"memory/{path}", [worker, name, entity, touched, memory]


def _many(name: str, items: list[Any]) -> Rows:
    for at in range(0, len(items), _MANY):
        yield f"{name}/{at // _MANY:06}", [items[at : at + _MANY]]


def _name(part: str) -> str:
    return part.replace("%", "%25").replace("/", "%2F")


def _encoded(rows: Rows) -> dict[str, bytes]:
    return {name: _row(items) for name, items in rows}


def _row(items: list[Any]) -> bytes:
    return msgspec.msgpack.encode([_FIRST, *items])

"""Reports in rows: what a window says of itself, its members, and the share of each worker apart."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from streamgauge.pipelines.metrics import Partial, Presence, Report
from streamgauge.pipelines.stream.snapshots import MANY, put_partial, taken_partial
from streamgauge.pipelines.wire.rows import Rows, below, decoded, encoded, name_of


def put_report(rows: Rows, path: str, report: Report) -> None:
    """A report and the revisions that ride on it, under a path of their own."""
    bare = msgspec.structs.replace(report, partials=(), presences=(), revisions=())
    rows.put_value(f"{path}/report", encoded("report", bare))
    for at in range(0, len(report.presences), MANY):
        there = report.presences[at : at + MANY]
        rows.put_value(f"{path}/presences/{at // MANY:06}", encoded("presences", there))
    for share in report.partials:
        put_partial(rows, f"{path}/partial/{name_of(share.worker)}", share)
    for i, revision in enumerate(report.revisions):
        put_report(rows, f"{path}/revision/{i:06}", revision)


def taken_reports(rows: Mapping[str, bytes], kind: str) -> dict[str, Report]:
    """All reports that were put under `KIND/A/B`, by A/B."""
    found = below(rows, kind)
    paths = {"/".join(name.split("/")[:2]) for name in found}
    return {path: _taken(below(found, path)) for path in sorted(paths)}


def _taken(rows: Mapping[str, bytes]) -> Report:
    bare = msgspec.convert(decoded("report", rows["report"])[0], Report)
    members = [decoded("presences", value)[0] for _, value in sorted(below(rows, "presences").items())]
    revisions = sorted({name.split("/")[0] for name in below(rows, "revision")})
    return msgspec.structs.replace(
        bare,
        presences=tuple(one for some in members for one in msgspec.convert(some, list[Presence])),
        partials=tuple(_taken_partials(below(rows, "partial"))),
        revisions=tuple(_taken(below(rows, f"revision/{i}")) for i in revisions),
    )


def _taken_partials(rows: Mapping[str, bytes]) -> list[Partial]:
    return sorted(map(taken_partial, rows.values()), key=lambda share: share.worker)

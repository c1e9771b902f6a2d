"""The tables of a time-series store that speaks InfluxDB's line protocol, as literal data: tags, fields and meanings.

A row's identity is its table, its tags and its time in nanoseconds, and writing it again replaces it: so what can
change while a record is what it is (a revision, a severity, a text) is a field, never a tag. The set of tags of a table
is fixed; a tag that has nothing to say is NONE, because line protocol knows no empty ones, and `%`, backslash and
control characters are written as %XX. Nanoseconds tell any two distinct float64 times of this century apart and give
each back exactly. Where two records may share tags and time, the time is shifted by less than a millisecond, by the
hash of the record's identity, and the field `at` has the exact one.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

NONE: Final = "-"  # of `worker`: the job as a whole; of `entity`: the job or the worker itself; of `why`: a plain loss
MOST_PARTS: Final = 50  # rows of `breakdown` for one score, the largest losses; all of them are in the score's body
BODY_PIECE: Final = 60_000  # characters of one string field: the store's limit is 64 KiB
BODY_PIECES: Final = 64  # `body`, `body_1`, ... `body_63`
SHIFT_NS: Final = 1_000_000  # times of records that may share tags and time are shifted by less than this

Kind = Literal["float", "integer", "string", "boolean"]


class Field(NamedTuple):
    """A field of a row: its type, which is for ever, and its meaning."""

    kind: Kind
    what: str


class Table(NamedTuple):
    """A measurement: what one row is, what its time is, and the meaning of its tags and fields by name."""

    what: str
    time: str
    tags: dict[str, str]
    fields: dict[str, Field]


_JOB: Final = {"job": "name of the job"}
_SERIES: Final = _JOB | {
    "worker": "name of the worker, NONE for the job as a whole",
    "domain": "sample, train or system",
    "entity": "feature:NAME, tensor:NAME, ..., NONE for the job or the worker itself",
    "metric": "name in the catalogue of metrics",
}
_START: Final = {"start": Field("float", "begin of the window, seconds since the epoch")}
_REVISION: Final = {"revision": Field("integer", "0 at the first close, one more whenever a late joiner changed it")}
_BODY: Final = {
    "body": Field("string", "the whole record: MessagePack, zlib, base64; goes on in body_1, body_2, ..."),
    "bodies": Field("integer", "how many fields the body has"),
}

TABLES: Final[dict[str, Table]] = {
    "quality_score": Table(
        "the score of a job, or of one of its domains, over one closed window",
        "end of the window",
        _JOB | {"domain": "overall, sample, train or system"},
        {
            "score": Field("float", "0..100"),
            "micropoints": Field("integer", "the score in 1e-6 point, exactly"),
            "state": Field("string", "healthy (from 90), watch (from 75), degraded (from 60) or broken"),
            "coverage": Field("float", "0..1: weight of the known metrics in that of the expected ones"),
            "cap": Field("string", "the metric that capped the score, empty if none"),
        } | _START | _REVISION | _BODY,
    ),
    "breakdown": Table(
        f"points of 100 that one metric of one entity costs a score; the {MOST_PARTS} largest",
        "end of the score's window",
        {"part_of": "the score that loses them: overall, sample, train or system"} | _SERIES
        | {"why": "NONE for a plain loss, unknown (missing where one is expected) or cap"},
        {"points": Field("float", "0..100"), "micropoints": Field("integer", "1e-6 point, exactly")} | _REVISION,
    ),
    "metric": Table(
        "one value of one series over one closed window",
        "end of the window",
        _SERIES | {"window": "name of the kind of window"},
        {
            "value": Field("float", "in the metric's unit; missing where it is unknown"),
            "rows": Field("float", "the evidence behind the value"),
            "error": Field("float", "sampling standard error of the value"),
            "floor": Field("float", "the value that noise alone would give"),
            "reference": Field("float", "the normal value for this time; missing while none is learnt"),
            "low": Field("float", "lower end of the normal band; missing while none is learnt"),
            "high": Field("float", "upper end of the normal band; missing while none is learnt"),
            "known": Field("boolean", "whether this revision has a value (rows of an older one keep theirs)"),
            "band": Field("integer", "what this revision has: 1 reference + 2 low + 4 high"),
        } | _START | _REVISION,
    ),
    "window": Table(
        "one closed window of a job",
        "end of the window",
        _JOB | {"window": "name of the kind of window"},
        {
            "series": Field("integer", "series with a row"),
            "known": Field("integer", "of these, with a value"),
        } | _START | _REVISION,
    ),
    "counters": Table(
        "what became of a job's records and points so far; each only grows",
        "close of the shortest window",
        _JOB,
        {
            "records": Field("integer", "records taken in"),
            "points": Field("integer", "points taken in"),
            "late": Field("integer", "points that came after their window had closed"),
            "duplicate": Field("integer", "records that came again"),
            "superseded": Field("integer", "records of an incarnation that has been replaced"),
            "clamped": Field("integer", "times beyond the clock that were cut"),
            "overflow": Field("integer", "points of series beyond the limit"),
            "dead": Field("integer", "records that could not be used"),
            "lost": Field("integer", "records that never came, by the gaps in their sequences"),
        },
    ),
    "anomaly": Table(
        "an episode of one series; a later record of it replaces the row",
        "begin of the episode",
        _SERIES | {"kind": "anomaly (a detector's) or fact (a hard one)"},
        {
            "severity": Field("string", "info, ticket, page or page-now"),
            "state": Field("string", "open, over, or moment (a fact without an end)"),
            "until": Field("float", "seconds: the end; while open the begin; of a moment when it was found"),
            "until_ms": Field("integer", "the same in milliseconds, as annotations want it"),
            "found": Field("float", "seconds: when it was found"),
            "value": Field("float", "what was measured; missing if there is none"),
            "expected": Field("float", "what would have been normal; missing if there is none"),
            "score": Field("float", "sigmas, 1e9 for a hard fact"),
            "detector": Field("string", "which detector, or limit"),
            "text": Field("string", "the episode in words"),
            "number": Field("integer", "the job's output number"),
        } | _BODY,
    ),
    "alert": Table(
        "one decision of the pager about one alert, with its reason: the audit trail",
        "of the decision, shifted; exactly in `at`",
        _SERIES | {
            "state": "pending, sent, suppressed, silenced or cleared",
            "decision": "root, inhibited, silenced, grouped, waiting, repeat, resolved, ...: why",
        },
        {
            "at": Field("float", "seconds: when it was decided"),
            "start": Field("float", "seconds: begin of the alert's episode"),
            "node": Field("string", "the place in the topology"),
            "severity": Field("string", "info, ticket, page or page-now"),
            "score": Field("float", "sigmas of the alert, 1e9 for a hard fact"),
            "text": Field("string", "the alert in words"),
            "reason": Field("string", "the decision in words"),
            "episode": Field("string", "identity of the alert's episode"),
            "cause": Field("string", "episode of the direct cause, empty if none"),
            "root": Field("string", "episode of the root, empty if none"),
            "gap": Field("float", "seconds from the root's onset to this one's"),
            "notification": Field("string", "id of the notification, empty if none"),
        } | _BODY,
    ),
    "notification": Table(
        "what one person was told; the series is that of the root",
        "of the telling, shifted; exactly in `at`",
        _SERIES | {"status": "firing, update or resolved"},
        {
            "at": Field("float", "seconds: when it was told"),
            "id": Field("string", "identity of the notification; re-sent under the same after a crash"),
            "episode": Field("string", "episode of the root: the incident"),
            "node": Field("string", "the root's place in the topology"),
            "severity": Field("string", "info, ticket, page or page-now"),
            "decision": Field("string", "root, repeat, resolved, ...: why it was told"),
            "reason": Field("string", "the same in words"),
            "text": Field("string", "what was told"),
            "suppressed": Field("integer", "alerts folded under the root"),
            "grouped": Field("integer", "further alerts in the same notification"),
        } | _BODY,
    ),
    "change": Table(
        "something to mark on a time axis that is no anomaly",
        "of the change, shifted; exactly in `at`",
        _JOB | {
            "worker": "name of the worker, NONE for the job as a whole",
            "name": "begin, end, gap, setting, threshold, feedback, ack, silence, unsuppress or an event's own",
        },
        {"at": Field("float", "seconds"), "text": Field("string", "the change in words")} | _BODY,
    ),
    "dead_letter": Table(
        "a record that could not be used; one that is sent again after a crash may have two rows of one `identity`",
        "of its arrival at this store (it has no time of its own)",
        {"topic": "where it came from", "reason": "truncated, oversized, version, kind, type, ..."},
        {
            "identity": Field("string", "hash of its bytes"),
            "key": Field("string", "its key on the topic"),
            "text": Field("string", "the reason in words"),
            "bytes": Field("integer", "its length"),
        } | _BODY,
    ),
    "profile": Table(
        "the merged summaries of one closed window of one scope, for the page's pictures",
        "end of the window",
        _JOB | {"worker": "name of the worker, NONE for the job as a whole", "window": "name of the kind of window"},
        {"sketches": Field("integer", "how many summaries the body holds")} | _START | _REVISION | _BODY,
    ),
}

"""Who did what and what was decided: the lines of the audit, and how an action of a person is kept among the changes.

An action is a change named `acted` whose text reads `WHO WHAT ABOUT: TEXT`; the first three are percent-encoded, so
that no name can pass for another.
"""

from __future__ import annotations

import csv
import io
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from streamgauge.pipelines.spreadsheets import cell
from streamgauge.pipelines.wire.outputs import Change

ACTED: Final = "acted"
PAGER: Final = "pager"  # who decides
COLUMNS: Final = (
    "time", "job", "who", "what", "about", "place", "text", "notification", "cause", "root", "path", "topology",
)  # fmt: skip
_SAFE: Final = "/@._~+=*[]"
_NOBODY: Final = "-"
_SHOWN_ELSEWHERE: Final = ("ack", "silence", "unsuppress", "feedback", "gate_override")  # each is an action, too


def acted(job: str, now: float, who: str, what: str, about: str, text: str = "") -> Change:
    """An action of a person as a change.

    >>> acted("ctr", 60.0, "Ada L", "ack", "41b42c8a", "on it").text
    'Ada%20L ack 41b42c8a: on it'
    """
    return Change(job=job, name=ACTED, time=now, text=f"{_coded(who)} {_coded(what)} {_coded(about)}: {text}")


def lines(decided: Iterable[Mapping[str, Any]], changes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The lines of an audit in order of time.

    Args:
        decided: what the pager decided and told, as `Query.decided` answers it.
        changes: of the same range, as `Query.changes` answers them.
    """
    found = [{**_empty(), **row, "who": PAGER} for row in decided]
    acts = [action(change) for change in changes if change["name"] == ACTED]
    known = {(act["time"], act["what"]) for act in acts}
    others = (change for change in changes if change["name"] not in (ACTED, *_SHOWN_ELSEWHERE))
    said = [
        _empty() | {"time": one["time"], "job": one["job"], "who": one["worker"] and f"worker {one['worker']}",
                    "what": one["name"], "text": one["text"]}
        for one in others if (one["time"], one["name"]) not in known
    ]  # fmt: skip
    return sorted(
        [*found, *acts, *said], key=lambda line: (line["time"], str(line["about"]), line["what"], line["text"])
    )


def action(change: Mapping[str, Any]) -> dict[str, Any]:
    """A line of the audit from a change named `ACTED`."""
    coded, _, text = change["text"].partition(": ")
    who, what, about = (_plain(part) for part in (*coded.split(" "), "", "", "")[:3])
    own = {"time": change["time"], "job": change["job"], "who": who, "what": what, "about": about, "text": text}
    return _empty() | own


def as_csv(rows: Iterable[Mapping[str, Any]], *, has_head: bool = True) -> Iterator[str]:
    """The lines as CSV, one at a time."""
    if has_head:
        yield ",".join(COLUMNS) + "\n"
    for row in rows:
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerow([cell(row[name]) for name in COLUMNS])
        yield out.getvalue()


def _empty() -> dict[str, Any]:
    return dict.fromkeys(COLUMNS, "") | {"topology": None}


def _coded(text: str) -> str:
    return urllib.parse.quote(text, safe=_SAFE) if text and text != _NOBODY else "%2D" if text else _NOBODY


def _plain(coded: str) -> str:
    return "" if coded == _NOBODY else urllib.parse.unquote(coded)

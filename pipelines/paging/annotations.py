"""What people asked of the pager, as changes on the job's time axis; pure.

The text of each begins with what it is about: the notification, the silence's id and end, the episode.
"""

from __future__ import annotations

import datetime

from streamgauge.anomaly.types import Ack, Matcher, Silence, Unsuppress
from streamgauge.pipelines.wire.outputs import Change


def change_of(asked: Ack | Silence | Unsuppress) -> Change:
    """An acknowledgement, silence or un-suppression as a change named after its kind.

    >>> change_of(Ack(job="ctr", notification="41b42c8a", author="Ada", comment="on it", time=60.0)).text
    '41b42c8a by Ada: on it'
    >>> lga = (Matcher("worker", "LGA"), Matcher("metric", "missing.*", is_regex=True))
    >>> change_of(Silence(id="5f", job="ctr", matchers=lga, start=0.0, end=3600.0)).text
    '5f until 1970-01-01T01:00:00Z: worker=LGA, metric=~missing.*'
    """
    name = type(asked).__name__.lower()
    if isinstance(asked, Silence):
        return Change(job=asked.job, name=name, time=asked.start, text=_silence(asked) + _said(asked))
    about = asked.notification if isinstance(asked, Ack) else asked.episode
    return Change(job=asked.job, name=name, time=asked.time, text=about + _said(asked))


def matcher_text(matcher: Matcher) -> str:
    """A matcher as people write it.

    >>> matcher_text(Matcher("entity", "feature:.*", is_regex=True))
    'entity=~feature:.*'
    """
    return f"{matcher.label}={'~' if matcher.is_regex else ''}{matcher.value}"


def _silence(silence: Silence) -> str:
    until = datetime.datetime.fromtimestamp(silence.end, datetime.UTC)
    matched = ", ".join(matcher_text(matcher) for matcher in silence.matchers)
    return f"{silence.id} until {until:%Y-%m-%dT%H:%M:%SZ}: {matched}"


def _said(asked: Ack | Silence | Unsuppress) -> str:
    author = f" by {asked.author}" if asked.author else ""
    comment = getattr(asked, "comment", "")
    return author + (f": {comment}" if comment else "")

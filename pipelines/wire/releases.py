"""How a job tells of the models that it releases: the names of the events, and the version in their text; pure."""

from __future__ import annotations

import re
from typing import Final

PUSHED: Final = frozenset({"pushed", "deployed", "released"})  # the events that tell of a release
TAKEN_BACK: Final = "rolled_back"  # its text is the version that no longer serves
_COMMENT: Final = re.compile(r"\s*\([^()]*\)\s*$")


def version_of(text: str) -> str:
    """The version in what was told of a push: without who told it, and without a comment.

    >>> version_of("v7"), version_of("ada: ranker 41 (canary)")
    ('v7', 'ranker 41')
    """
    return _COMMENT.sub("", text.rpartition(": ")[2]).strip()

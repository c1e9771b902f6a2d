"""Who may use the page and the API: `[[tokens]]`, and what must hold of them; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from streamgauge.pipelines.config.faults import Fault
from streamgauge.pipelines.config.values import repeated

Role = Literal["viewer", "operator", "admin"]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,59}")
_HASH = re.compile(r"[0-9a-f]{64}")


class Token(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may use the page and the API from elsewhere; `streamgauge token` makes one."""

    name: str  # whose it is: what is done with it is kept under this name
    role: Role  # a viewer reads, an operator acts too, an admin acts in others' names too
    sha256: str  # of the token, in hexadecimal digits


def faults_of(tokens: Sequence[Token]) -> Iterator[Fault]:
    """Every fault of who may ask."""
    yield from repeated("tokens", "name", [one.name for one in tokens])
    yield from repeated("tokens", "sha256", [one.sha256 for one in tokens])
    for i, one in enumerate(tokens):
        if not _NAME.fullmatch(one.name):
            text = f"must be 1-60 letters, digits, '.', '_', '@', '-', got {one.name[:100]!r}"
            yield Fault(f"tokens[{i}].name", text)
        if not _HASH.fullmatch(one.sha256):
            text = f"must be 64 hexadecimal digits in small letters, got {len(one.sha256)} characters"
            yield Fault(f"tokens[{i}].sha256", f"{text}; `streamgauge token` makes both, the token itself is not kept")

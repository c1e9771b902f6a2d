"""Who asks: the holders of tokens, what their roles allow, and under whose name an action is kept.

    viewer     reads
    operator   acts, too: silences, acknowledges, labels, traces, notes changes, overrides the gate; in its own name
    admin      acts in the name of others, too, and both names are kept

Tokens are compared by their SHA-256 hashes in constant time, and with every known one, whichever fits: neither a
token nor whose it is can be told from how long an answer takes. A random token of 32 bytes needs no slower hash.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Final, NamedTuple

from aiohttp import web

from streamgauge.pipelines.adapters.http.json import Refusal
from streamgauge.pipelines.config.people import Role, Token

_RANK: Final[dict[Role, int]] = {"viewer": 0, "operator": 1, "admin": 2}
_HARMLESS: Final = ("/trace/cost",)  # ends of paths that are posted to and change nothing
_TEXT: Final = 200  # characters of a name that are kept


class Person(NamedTuple):
    """Who asks; without a name it is whoever holds the one token of the page, or is at this machine."""

    name: str = ""
    role: Role = "admin"


_asking: ContextVar[Person] = ContextVar("asking", default=Person())  # noqa: B039 - it cannot be changed


def known(token: str, tokens: Sequence[Token]) -> tuple[tuple[bytes, Person], ...]:
    """The hashes of all tokens that open anything, each with whose it is; `token` is that of `token_file`."""
    own = ((hashlib.sha256(token.encode()).digest(), Person()),) if token else ()
    return own + tuple((bytes.fromhex(one.sha256), Person(one.name, one.role)) for one in tokens)


def person_of(given: str, holders: Sequence[tuple[bytes, Person]]) -> Person | None:
    """Whose token this is, None for nobody's.

    >>> person_of("a-long-enough-token", known("a-long-enough-token", ()))
    Person(name='', role='admin')
    """
    digest = hashlib.sha256(given.encode(errors="replace")).digest()
    found = [person for own, person in holders if hmac.compare_digest(digest, own)]
    return found[0] if found else None


def admit(request: web.Request, person: Person) -> None:
    """Remember who asks. Raises Refusal where the role does not allow it."""
    needed: Role = "viewer" if request.method in ("GET", "HEAD") or request.path.endswith(_HARMLESS) else "operator"
    if _RANK[person.role] < _RANK[needed]:
        raise Refusal(
            403, f"{person.name} has the role {person.role} and may not do this",
            f"ask for a token of role {needed}: `streamgauge token --name {person.name} --role {needed}`",
        )  # fmt: skip
    _asking.set(person)


def asking() -> Person:
    """Who asks, within the task that answers."""
    return _asking.get()


def author(asked: str) -> str:
    """The name that an action is kept under: that of the token; an admin may act for somebody else.

    Without named tokens it is what was asked for, as nobody can tell.
    """
    person, wanted = asking(), asked.strip()[:_TEXT]
    if not person.name:
        return wanted
    if person.role == "admin" and wanted not in ("", person.name):
        return f"{wanted} (through {person.name})"
    return person.name

"""Who may ask: Host, Origin and token are checked on every request before anything else; what is answered is sealed.

A Host is an address of numbers (no page of another site can have its name), a name of this machine, or one of `hosts`.
Wrong tokens make an address wait, longer with each, and are logged. The right one is let in meanwhile, since behind a
proxy all the world has one address; what makes guessing hopeless is how long a token is, not the wait.

On loopback no token is needed to read (where any is set, one is needed to write); off loopback every request but the
probes needs one, as `Authorization: Bearer TOKEN` or as the cookie that opening the page once with `?token=TOKEN` sets.
What its holder may do says `people`.
"""

from __future__ import annotations

import errno
import ipaddress
import math
import re
import urllib.parse
from typing import Final, NamedTuple

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from streamgauge.pipelines.adapters.http import people
from streamgauge.pipelines.adapters.http.guesses import Guesses
from streamgauge.pipelines.adapters.http.json import Refusal, refused
from streamgauge.pipelines.config.people import Token
from streamgauge.pipelines.ports import StoreBusy
from streamgauge.tracer.transport import LogError

MAX_PATH: Final = 1024  # characters
MAX_PART: Final = 255  # bytes between two slashes, as file systems have it
_NO_FILE: Final = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EINVAL, errno.ENOENT, errno.ELOOP)
COOKIE: Final = "streamgauge_token"
PROBES: Final = frozenset({"/healthz", "/readyz"})
_HOST: Final = re.compile(
    r"(?:([A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?)|\[([0-9A-Fa-f:.]{2,45})\])(?::[0-9]{1,5})?"
)
_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard(NamedTuple):
    """What a request must fulfil. `host` is where the server is bound; an empty `token` means none is set."""

    host: str
    token: str = ""  # of an admin without a name
    hosts: frozenset[str] = frozenset()  # names, in small letters, that the surface is reached by
    names: frozenset[str] = frozenset()  # of this machine
    tokens: tuple[Token, ...] = ()  # of people and programs, with their roles

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return is_loopback(self.host)

    def check(self, request: web.Request, guesses: Guesses) -> None:
        """Raises Refusal unless Host, Origin and token are right."""
        self._check_host(request)
        self._check_origin(request)
        if request.path not in PROBES:
            self._check_token(request, guesses)

    def _check_host(self, request: web.Request) -> None:
        given = request.headers.getall("Host", [])
        name = host_of(given[0]) if len(given) == 1 else None
        if name is None or not self._answers_for(name):
            shown = ", ".join(given)[:100]
            remedy = f"open http://{self.host}:PORT/" + ("" if self.is_loopback else ", or add the name to hosts")
            raise Refusal(421, f"this server does not answer for host {shown!r}", remedy)

    def _answers_for(self, name: str) -> bool:
        if name in _LOOPBACK_NAMES or name == self.host.lower() or name in self.hosts:
            return True
        return not self.is_loopback and (_is_address(name) or name in self.names)

    def _check_origin(self, request: web.Request) -> None:
        origin = request.headers.get("Origin")
        is_foreign = request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin")
        if is_foreign and request.path.startswith(("/api/", "/metrics")):
            raise Refusal(403, "requests from other sites are refused", "open the page itself")
        if origin is None:
            return
        if urllib.parse.urlsplit(origin).netloc != request.headers.get("Host"):
            raise Refusal(403, f"origin {origin[:100]!r} is refused", "send the request from the page itself")

    def _check_token(self, request: web.Request, guesses: Guesses) -> None:
        is_set = bool(self.token or self.tokens)
        needed = not self.is_loopback or (is_set and request.method not in ("GET", "HEAD"))
        if not needed:
            people.admit(request, people.Person(role="viewer" if is_set else "admin"))
            return
        given, address = _given_token(request), request.remote or ""
        person = people.person_of(given, people.known(self.token, self.tokens))
        if person is not None:
            people.admit(request, person)
            return
        if given and (wait := guesses.wait(address)) > 0:
            text = f"too many wrong tokens came from {address}, and this is one"
            remedy = "send the token that the server was given: it is let in at once"
            raise Refusal(429, text, f"{remedy}; for another, try again in {math.ceil(wait)} s")
        if given:
            guesses.failed(address)
        raise Refusal(401, "a token is needed", "send Authorization: Bearer TOKEN, or open /?token=TOKEN")


def middleware(guard: Guard, guesses: Guesses) -> Middleware:
    """Checks each request, seals each answer, and turns what goes wrong into `{error, remedy}`."""

    @web.middleware
    async def checked(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            guard.check(request, guesses)
            _check_path(request)
            response = _signed_in(request, guard) or await handler(request)
        except Refusal as refusal:
            response = refused(refusal)
        except StoreBusy as busy:
            response = refused(Refusal(503, str(busy), "ask again; nothing is lost meanwhile"))
        except LogError as fault:
            response = refused(Refusal(503, str(fault), "try again when the log answers"))
        except web.HTTPException as error:
            response = refused(_explained(error))
        except OSError as error:
            if error.errno not in _NO_FILE:
                raise
            response = refused(_explained(web.HTTPNotFound()))
        if response.status == 429:
            response.force_close()  # the next guess needs a connection of its own
        if not response.prepared:
            seal(response)
        return response

    return checked


def _check_path(request: web.Request) -> None:
    """A path that no file can have is not found, whatever the system says of it; routes look at theirs themselves."""
    if request.path.startswith("/api"):
        return
    longest = max(len(part.encode(errors="replace")) for part in request.path.split("/"))
    if len(request.path) > MAX_PATH or longest > MAX_PART or not request.path.isprintable():
        raise Refusal(404, f"no such path: {request.path[:60]!r}", "see /api for what there is")


def seal(response: web.StreamResponse) -> None:
    """Add the security headers."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)


def is_loopback(host: str) -> bool:
    """Whether an address or name means this machine only.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _signed_in(request: web.Request, guard: Guard) -> web.StreamResponse | None:
    """Opening the page with `?token=` moves the token from the address into a cookie that scripts cannot read."""
    is_sign_in = request.method == "GET" and request.path == "/" and "token" in request.query
    if not is_sign_in or not (guard.token or guard.tokens):
        return None
    response = web.Response(status=303, headers={"Location": "/"})
    response.set_cookie(COOKIE, request.query["token"], httponly=True, samesite="Strict", path="/")
    return response


def _given_token(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    in_address = request.query.get("token", "") if request.path == "/" else ""
    return request.cookies.get(COOKIE, "") or in_address


def host_of(header: str) -> str | None:
    """The name in a Host header, in small letters; None for what is no name, or an address, with a port at most.

    >>> host_of("LocalHost:8470"), host_of("[::1]:80"), host_of("evil@localhost"), host_of("localhost:x")
    ('localhost', '::1', None, None)
    """
    match = _HOST.fullmatch(header)
    return None if match is None else (match[1] or match[3]).lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _explained(error: web.HTTPException) -> Refusal:
    remedies = {
        404: "see /api for what there is",
        405: "reads are GET, actions are POST",
        413: "send a smaller body",
    }
    return Refusal(error.status, error.reason.lower(), remedies.get(error.status, "see /api for what there is"))

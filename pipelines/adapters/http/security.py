"""Who may ask: Host, Origin and token are checked on every request before anything else; what is answered is sealed.

On loopback no token is needed to read (one that is set is needed to write); off loopback every request but the probes
needs it, as `Authorization: Bearer TOKEN` or as the cookie that opening the page once with `?token=TOKEN` sets.
"""

from __future__ import annotations

import hmac
import ipaddress
import urllib.parse
from typing import Final, NamedTuple

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from streamgauge.pipelines.adapters.http.json import Refusal, refused
from streamgauge.pipelines.ports import StoreBusy
from streamgauge.tracer.transport import LogError

COOKIE: Final = "streamgauge_token"
PROBES: Final = frozenset({"/healthz", "/readyz"})
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
    token: str = ""

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return is_loopback(self.host)

    def check(self, request: web.Request) -> None:
        """Raises Refusal unless Host, Origin and token are right."""
        self._check_host(request)
        self._check_origin(request)
        if request.path not in PROBES:
            self._check_token(request)

    def _check_host(self, request: web.Request) -> None:
        name = _hostname(f"//{request.headers.get('Host', '')}")
        if name is None or (self.is_loopback and name not in _LOOPBACK_NAMES | {self.host}):
            shown = request.headers.get("Host", "")[:100]
            raise Refusal(421, f"this server does not answer for host {shown!r}", f"open http://{self.host}:PORT/")

    def _check_origin(self, request: web.Request) -> None:
        origin = request.headers.get("Origin")
        is_foreign = request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin")
        if is_foreign and request.path.startswith(("/api/", "/metrics")):
            raise Refusal(403, "requests from other sites are refused", "open the page itself")
        if origin is None:
            return
        if urllib.parse.urlsplit(origin).netloc != request.headers.get("Host"):
            raise Refusal(403, f"origin {origin[:100]!r} is refused", "send the request from the page itself")

    def _check_token(self, request: web.Request) -> None:
        needed = not self.is_loopback or (bool(self.token) and request.method not in ("GET", "HEAD"))
        given = _given_token(request).encode()
        if needed and not (self.token and hmac.compare_digest(given, self.token.encode())):
            raise Refusal(401, "a token is needed", "send Authorization: Bearer TOKEN, or open /?token=TOKEN")


def middleware(guard: Guard) -> Middleware:
    """Checks each request, seals each answer, and turns what goes wrong into `{error, remedy}`."""

    @web.middleware
    async def checked(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            guard.check(request)
            response = _signed_in(request, guard) or await handler(request)
        except Refusal as refusal:
            response = refused(refusal)
        except StoreBusy as busy:
            response = refused(Refusal(503, str(busy), "ask again; nothing is lost meanwhile"))
        except LogError as fault:
            response = refused(Refusal(503, str(fault), "try again when the log answers"))
        except web.HTTPException as error:
            response = refused(_explained(error))
        if not response.prepared:
            seal(response)
        return response

    return checked


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
    if request.method != "GET" or request.path != "/" or "token" not in request.query or not guard.token:
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


def _hostname(netloc: str) -> str | None:
    try:
        return urllib.parse.urlsplit(netloc).hostname
    except ValueError:
        return None


def _explained(error: web.HTTPException) -> Refusal:
    remedies = {
        404: "see /api for what there is",
        405: "reads are GET, actions are POST",
        413: "send a smaller body",
    }
    return Refusal(error.status, error.reason.lower(), remedies.get(error.status, "see /api for what there is"))

"""JSON in and out of the HTTP surface: records as objects, parameters within bounds, refusals as `{error, remedy}`.

What is not answered is raised:

    Refusal    a request that is not answered: its status, the error and the remedy
"""

from __future__ import annotations

import asyncio
import math
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

MAX_BODY: Final = 64 * 1024
BODY_TIMEOUT: Final = 10.0  # seconds that a body may take to come
MAX_TEXT: Final = 4096  # the longest name or pattern that is read
FOREVER: Final = 4e9  # a time no stream reaches, in the year 2096
_encoder = msgspec.json.Encoder()
T = TypeVar("T")


class Refusal(Exception):
    """A request that is not answered."""

    def __init__(self, status: int, error: str, remedy: str) -> None:
        super().__init__(error)
        self.status, self.error, self.remedy = status, error, remedy


def answer(value: Any, status: int = 200) -> web.Response:
    """A value as a JSON response; NaN becomes null."""
    return web.Response(status=status, body=_encoder.encode(value), content_type="application/json")


def refused(refusal: Refusal) -> web.Response:
    """A refusal as a JSON response."""
    return answer({"error": refusal.error, "remedy": refusal.remedy}, refusal.status)


def as_object(value: Any) -> Any:
    """A record as JSON-ready objects, the names of its fields as keys (on the wire records are arrays).

    >>> from streamgauge.anomaly.types import Edge
    >>> as_object([Edge("a", "b")])[0]["effect"]
    'b'
    """
    if isinstance(value, msgspec.Struct):
        return {name: as_object(getattr(value, name)) for name in value.__struct_fields__ if name != "version"}
    if isinstance(value, (list, tuple)):
        return [as_object(item) for item in value]
    if isinstance(value, dict):
        return {key: as_object(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return None
    return value


def number(request: web.Request, name: str, default: float) -> float:
    """A finite number from the query string."""
    text = request.query.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or abs(value) > FOREVER:
        raise Refusal(400, f"{name} must be a number, got {text[:100]!r}", f"write {name} in seconds since 1970")
    return value


def whole(request: web.Request, name: str, default: int, most: int, least: int = 1) -> int:
    """A whole number from the query string, within its bounds."""
    text = request.query.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > len(str(most)) or not least <= int(text) <= most:
        error = f"{name} must be in {least}..{most}, got {text[:100]!r}"
        raise Refusal(400, error, f"ask for at most {most} and page by time")
    return int(text)


def span(request: web.Request) -> tuple[float, float]:
    """The range [start, end) from the query string; all of time where it is left out."""
    start, end = number(request, "start", 0.0), number(request, "end", FOREVER)
    if not start < end:
        raise Refusal(400, f"start must be before end, got {start:g} and {end:g}", "swap them, or leave one out")
    return start, end


async def body(request: web.Request, kind: type[T]) -> T:
    """The request's JSON body as a record, checked against its type."""
    if request.content_type != "application/json":
        raise Refusal(415, f"the body is {request.content_type[:100]!r}", "send Content-Type: application/json")
    data = await _read(request)
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise Refusal(400, f"the body does not fit: {error}", "see docs/operating.md for what it holds") from None


async def _read(request: web.Request) -> bytes:
    if (request.content_length or 0) > MAX_BODY:  # before a client sends it all, or waits to
        raise Refusal(413, f"a body of {request.content_length} bytes", f"send at most {MAX_BODY} bytes")
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            return await request.read()
    except TimeoutError:
        raise Refusal(408, f"the body did not come within {BODY_TIMEOUT:g} s", "send it at once") from None

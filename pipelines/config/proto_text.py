"""Protobuf's text format as data: fields by name, each with all its values in order; no schema, nothing is evaluated.

What is read: messages in braces or angle brackets, lists, strings in either quotes (adjacent ones are one), numbers,
identifiers, comments. https://protobuf.dev/reference/protobuf/textformat-spec/
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

MOST: Final = 4_000_000  # characters that are read
DEEPEST: Final = 64  # messages within each other
_TOKEN: Final = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)|(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
    r"""|(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?[fFuU]?(?![A-Za-z_]))"""
    r"""|(?P<name>-?[A-Za-z_][\w./-]*)|(?P<sign>[{}<>\[\]:,;])""",
    re.VERBOSE,
)
_CLOSES: Final = {"{": "}", "<": ">"}
Message = dict[str, list[Any]]  # a value is a number, a text, an identifier (`Word`) or a message


class ProtoError(ValueError):
    """The text does not fit the format; the message names the line."""


class Word(str):
    """A value without quotes: an enum's name, `true`, `inf`."""

    __slots__ = ()


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


def parse(text: str) -> Message:
    """The fields of a message.

    >>> parse('batch_size: 8 features { input_names: ["a", "b"] feature_type: IdFeature }')["features"]
    [{'input_names': ['a', 'b'], 'feature_type': ['IdFeature']}]

    Raises:
        ProtoError: it is too long, too deep, or does not fit.
    """
    if len(text) > MOST:
        raise ProtoError(f"the text has {len(text)} characters, at most {MOST} are read")
    tokens = _Tokens(text)
    found = _message(tokens, "", 0)
    return found


class _Tokens:
    """The tokens of a text, one ahead."""

    def __init__(self, text: str) -> None:
        self._all = _tokens(text)
        self.next = next(self._all)

    def take(self) -> _Token:
        taken = self.next
        self.next = next(self._all, taken)
        return taken


def _tokens(text: str) -> Iterator[_Token]:
    at, line = 0, 1
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ProtoError(f"line {line}: {text[at:at + 20]!r} does not belong here")
        if found.lastgroup != "space":
            yield _Token(str(found.lastgroup), found[0], line)
        at, line = found.end(), line + found[0].count("\n")
    yield _Token("end", "", line)


def _message(tokens: _Tokens, close: str, depth: int) -> Message:
    if depth > DEEPEST:
        raise ProtoError(f"line {tokens.next.line}: more than {DEEPEST} messages within each other")
    fields: Message = {}
    while True:
        token = tokens.take()
        if token.kind == "end" if not close else token.text == close and token.kind == "sign":
            return fields
        if token.kind != "name":
            raise ProtoError(f"line {token.line}: a field's name was expected, got {token.text or 'the end'!r}")
        has_colon = tokens.next.text == ":" and tokens.take() is not None
        is_message = tokens.next.text in _CLOSES
        if not has_colon and not is_message:
            raise ProtoError(f"line {token.line}: {token.text} has no value; write {token.text}: VALUE")
        fields.setdefault(token.text, []).extend(_values(tokens, depth))
        while tokens.next.text in (",", ";") and tokens.next.kind == "sign":
            tokens.take()


def _values(tokens: _Tokens, depth: int) -> list[Any]:
    if tokens.next.text != "[" or tokens.next.kind != "sign":
        return [_value(tokens, depth)]
    tokens.take()
    found: list[Any] = []
    while tokens.next.text != "]" or tokens.next.kind != "sign":
        found.append(_value(tokens, depth))
        if tokens.next.text == "," and tokens.next.kind == "sign":
            tokens.take()
        elif tokens.next.text != "]":
            raise ProtoError(f"line {tokens.next.line}: a list goes on with a comma or ends with ]")
    tokens.take()
    return found


def _value(tokens: _Tokens, depth: int) -> Any:
    token = tokens.take()
    if token.kind == "sign" and token.text in _CLOSES:
        return _message(tokens, _CLOSES[token.text], depth + 1)
    if token.kind == "text":
        parts = [token.text]
        while tokens.next.kind == "text":
            parts.append(tokens.take().text)
        return "".join(_unquoted(part, token.line) for part in parts)
    if token.kind == "number":
        plain = token.text.rstrip("fFuU")
        return float(plain) if re.search(r"[.eE]", plain) else int(plain)
    if token.kind == "name":
        return Word(token.text)
    raise ProtoError(f"line {token.line}: a value was expected, got {token.text or 'the end'!r}")


def _unquoted(text: str, line: int) -> str:
    try:
        found: str = ast.literal_eval(text)  # a literal string, by the token's pattern
    except (ValueError, SyntaxError):
        raise ProtoError(f"line {line}: the string {text[:40]} has an escape that is none") from None
    return found

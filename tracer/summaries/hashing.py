"""Salted 64-bit hashes of categorical values and ids, and their tallies; deterministic across processes and machines.

Integers (and floats that are integers) go through SplitMix64 (Steele, Lea and Flood 2014), about 3 ns a value; strings
through BLAKE2b, and from then on through a bounded table of the values seen last: 150 ns and 30 ns in the compiled
core, 600 ns and 40 ns without it, and the same hashes. Equal ids hash alike whatever array type carries them: 5, 5.0
and np.int32(5). A *code* is a hash, or 0 where the value is missing.
"""

from __future__ import annotations

import functools
import hashlib
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.compiled import fast
from streamgauge.tracer.summaries.columns import Hashes, Integers

_GAMMA: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX1: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX2: Final = np.uint64(0x94D049BB133111EB)
_BIG: Final = 2.0**63
_TEXT: Final = {str, type(None)}
_LONG: Final = 256  # characters: a longer value is hashed each time, so that the table stays small


class Tally(NamedTuple):
    """Distinct hashes, sorted, and how often each occurs: computed once, read by Distinct, Heavy and Ids."""

    hashes: Hashes
    counts: Integers


class Table(dict[Any, int]):
    """Codes of the values seen last, for one salt: at most two generations of `half` values, some 20 MB in all.

    With a `half` of 0 it remembers nothing.

    >>> table = Table(b"")
    >>> table["a"] == table["a"], table[None], table[float("nan")]
    (True, 0, 0)
    """

    def __init__(self, salt: bytes, half: int = 65_536) -> None:
        super().__init__()
        self._salt, self._half, self._begin = salt, half, _root(salt).copy
        self._older: dict[Any, int] = {}

    def __missing__(self, value: Any) -> int:
        code = self._older.get(value)
        if code is None:
            code = self._text(value) if type(value) is str else self._other(value)
        if not self._half:
            return code
        if len(self) >= self._half:
            self._turn()
        if len(value) <= _LONG if type(value) is str else _is_kept(value, code):
            self[value] = code
        return code

    def fill(self, values: list[Any], codes: Hashes) -> int:
        """The codes of values by the compiled core, as far as they are text or None; how many these were."""
        core = fast()
        if core is None:
            return 0
        done = core.text_codes(values, codes, 0, self, self._half, _LONG, self._salt)
        while done < len(values) and len(self) >= self._half > 0 and type(values[done]) is str:
            self._turn()
            done = core.text_codes(values, codes, done, self, self._half, _LONG, self._salt)
        return done

    def _turn(self) -> None:
        """A new generation begins; the one before stays."""
        self._older = dict(self)
        self.clear()

    def _text(self, value: str) -> int:
        if not value:
            return 0
        state = self._begin()
        state.update(value.encode("utf-8", "surrogatepass"))
        return int.from_bytes(state.digest(), "little")

    def _other(self, value: Any) -> int:
        return 0 if _is_absent(value) else _hash_one(value, self._salt)


def codes_of(values: NDArray[Any], salt: bytes = b"", table: Table | None = None) -> Hashes:
    """One code a value, of shape [n]; `table` is one of the same salt, which is kept between calls.

    >>> codes_of(np.array(["a", None, "", "a"], object)).tolist()[1:3]
    [0, 0]
    """
    values = np.asarray(values).ravel()
    if values.dtype.kind in "iub":
        return hash_values(values, salt)
    if values.dtype.kind in "fmM":
        return np.where(is_missing(values), np.uint64(0), hash_values(values, salt))
    return _look_up(values.tolist(), Table(salt) if table is None else table)


def code_of(value: Any, salt: bytes = b"") -> int:
    """The code of one value.

    >>> code_of(None)
    0
    """
    return Table(salt)[value]


def hash_values(values: NDArray[Any], salt: bytes = b"") -> Hashes:
    """One hash a value, of shape [n].

    Missing values (None, NaN, "") hash too: drop them first where they do not count.

    >>> bool((hash_values(np.array([5, 7])) == hash_values(np.array([5.0, 7.0]))).all())
    True
    """
    values = np.asarray(values).ravel()
    kind = values.dtype.kind
    if kind in "iub":
        return _mix(values.astype(np.int64 if kind != "u" else np.uint64).view(np.uint64), _key(salt))
    if kind == "f":
        return _hash_floats(values.astype(np.float64), salt)
    if kind in "mM":
        return _mix(values.view(np.int64).view(np.uint64), _key(salt))
    absent = is_missing(values)
    found = codes_of(values, salt)
    if absent.any():
        found[absent] = [_hash_one(value, salt) for value in values[absent].tolist()]
    return found


def combine(first: Hashes, second: NDArray[Any]) -> Hashes:
    """Hashes of pairs, such as (sample id, label); `second` holds integers, floats or booleans."""
    # mixed once more, so that (hash of a, b) and (hash of b, a) differ
    return _mix(_mix(first, np.uint64(1)) ^ hash_values(second), np.uint64(2))


def is_power(modulus: int) -> bool:
    """Whether a modulus is a power of two, as `is_sampled` needs it.

    >>> is_power(1), is_power(8), is_power(6), is_power(0)
    (True, True, False, False)
    """
    return modulus > 0 and modulus & (modulus - 1) == 0


def is_sampled(hashes: Hashes, modulus: int) -> NDArray[np.bool_]:
    """Which hashes are in the sample of one in `modulus`, a power of two: the same at every worker, for ever.

    >>> is_sampled(np.array([3, 4, 8], np.uint64), 4).tolist()
    [False, True, True]
    """
    sampled: NDArray[np.bool_] = (hashes & np.uint64(modulus - 1)) == 0
    return sampled


def tally(hashes: Hashes) -> Tally:
    """Distinct hashes, sorted, with their counts.

    >>> tally(np.array([7, 3, 7], np.uint64)).counts.tolist()
    [1, 2]
    """
    ordered = np.sort(hashes)
    if len(ordered) == 0:
        return Tally(ordered, np.zeros(0, np.int64))
    first = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    return Tally(ordered[first], np.diff(first, append=len(ordered)))


def is_missing(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which values are missing: None, NaN, NaT or the empty string.

    >>> is_missing(np.array(["a", "", None], object)).tolist()
    [False, True, True]
    """
    kind = values.dtype.kind
    if kind in "iub":
        return np.zeros(values.shape, bool)
    if kind == "f":
        return np.asarray(np.isnan(values), bool)
    if kind in "mM":
        return np.asarray(np.isnat(values), bool)
    if kind in "US":
        return np.asarray(values == values.dtype.type(), bool)
    found = values.tolist()
    if set(map(type, found)) <= _TEXT:  # most columns: no look at each value's type
        return np.array([not value for value in found], bool)
    return np.array([_is_absent(value) for value in found], bool)


def _is_absent(value: Any) -> bool:
    if value is None or isinstance(value, (str, bytes)):
        return not value
    try:
        return bool(value != value)
    except (TypeError, ValueError):  # pandas.NA has no truth value; neither has an array, which is a value
        return type(value).__name__ == "NAType"


def _is_kept(value: Any, code: int) -> bool:
    """Whether a value that is no text stands in a table: not what is long, and no NaN, as each would stand apart."""
    return len(value) <= _LONG if isinstance(value, bytes) else bool(code) or value is None


def _key(salt: bytes) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.blake2b(salt, digest_size=8).digest(), "little"))


def _mix(values: Hashes, key: np.uint64) -> Hashes:
    """SplitMix64's finaliser of value xor key; wraps modulo 2^64 by design."""
    z = values ^ key
    z += _GAMMA
    z ^= z >> np.uint64(30)
    z *= _MIX1
    z ^= z >> np.uint64(27)
    z *= _MIX2
    z ^= z >> np.uint64(31)
    return z


def _hash_floats(values: NDArray[np.float64], salt: bytes) -> Hashes:
    whole = (np.abs(values) < _BIG) & (np.trunc(values) == values)
    integers = np.where(whole, values, 0.0).astype(np.int64).view(np.uint64)
    return _mix(np.where(whole, integers, values.view(np.uint64)), _key(salt))


def _look_up(values: list[Any], table: Table) -> Hashes:
    codes = np.empty(len(values), np.uint64)
    done = table.fill(values, codes)
    codes[done:] = _one_by_one(values[done:] if done else values, table)
    return codes


def _one_by_one(values: list[Any], table: Table) -> Hashes:
    try:
        return np.fromiter(map(table.__getitem__, values), np.uint64, len(values))
    except TypeError:  # lists and other unhashable values
        texts = [value if _is_hashable(value) else repr(value) for value in values]
        return np.fromiter(map(table.__getitem__, texts), np.uint64, len(values))


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _hash_one(value: Any, salt: bytes) -> int:
    if isinstance(value, (bool, int, float, np.integer, np.floating, np.bool_)):
        number = np.array([value]) if not isinstance(value, int) or -(2**63) <= value < 2**64 else None
        if number is not None and number.dtype.kind in "iubf":
            return int(hash_values(number, salt)[0])
    return _hash_bytes(value, salt) if isinstance(value, bytes) else _hash_text(str(value), salt)


def _hash_text(value: str, salt: bytes) -> int:
    return _hash_bytes(value.encode("utf-8", "surrogatepass"), salt)


def _hash_bytes(value: bytes, salt: bytes) -> int:
    state = _root(salt).copy()
    state.update(value)
    return int.from_bytes(state.digest(), "little")


@functools.lru_cache(maxsize=16)
def _root(salt: bytes) -> Any:
    return hashlib.blake2b(digest_size=8, key=salt[:64])

"""Wrong tokens: who sends some is told to wait before the next, twice as long each time, up to a minute.

A right one does not make them forgotten: who holds a token may be guessing another's. Addresses are told apart by their
IPv4, or by the first 64 bits of their IPv6; a bounded number of them is remembered.
"""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Callable
from typing import Final, NamedTuple

FREE: Final = 5  # wrong tokens that cost no wait: people mistype
LONGEST: Final = 60.0  # seconds
_ADDRESS_BYTES: Final = 250
_KEPT: Final = 1024  # addresses
_FORGET: Final = 900.0  # seconds after which an address is as one that never came
_QUIET: Final = 60.0
_log = logging.getLogger(__name__)


class _Failures(NamedTuple):
    times: int
    last: float


class Guesses:
    """The wrong tokens of each address. `clock`: monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: dict[str, _Failures] = {}  # the last to fail at the end
        self._quiet_until, self._unsaid = float("-inf"), 0

    @property
    def held_bytes(self) -> int:
        """Of the addresses that are remembered, about. Any thread may ask."""
        return _ADDRESS_BYTES * len(self._failures)

    def wait(self, address: str) -> float:
        """How many seconds until another wrong token of this address counts as the next; 0 for at once."""
        failures = self._of(address)
        if failures.times <= FREE:
            return 0.0
        return max(0.0, failures.last + min(LONGEST, 2.0 ** (failures.times - FREE - 1)) - self._clock())

    def failed(self, address: str) -> None:
        """A wrong token came from this address."""
        count = self._of(address).times + 1
        self._failures.pop(_network(address), None)
        self._failures[_network(address)] = _Failures(count, self._clock())
        if len(self._failures) > _KEPT:
            del self._failures[next(iter(self._failures))]
        self._unsaid += 1
        if count >= FREE and self._clock() >= self._quiet_until:
            _log.warning("%d wrong tokens came, the last from %s, its number %d", self._unsaid, address, count)
            self._quiet_until, self._unsaid = self._clock() + _QUIET, 0

    def _of(self, address: str) -> _Failures:
        failures = self._failures.get(_network(address), _Failures(0, 0.0))
        return failures if self._clock() - failures.last < _FORGET else _Failures(0, 0.0)


def _network(address: str) -> str:
    """What is counted as one address.

    >>> _network("2001:db8::1:2:3"), _network("10.0.0.7")
    ('2001:db8::/64', '10.0.0.7')
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address

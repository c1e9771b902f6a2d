"""Which ids are kept to find duplicates: one in `modulus`, as it was given or as the pipeline chose it.

The pipeline puts its choice on the `control` topic under the job's own name (plans lie under job/plan), from a pane on
that is still to come, so that it is the same at every worker. Every sketch carries the modulus that it was made with,
and mixed ones count at the larger.
"""

from __future__ import annotations

from typing import Final

import msgspec

VERSION: Final = 1
MOST: Final = 1 << 20
_KEPT: Final = 4


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What the pipeline chose for a job."""

    version: int = VERSION
    modulus: int  # a power of two
    start: float  # of the first pane that it holds for, seconds


_choice = msgspec.json.Decoder(Choice)


class IdSampling:
    """The modulus of the open pane; one thread enters panes, another may tell choices.

    >>> sampling = IdSampling()
    >>> sampling.choose(msgspec.json.encode(Choice(modulus=8, start=20.0)))
    >>> [sampling.enter(pane) for pane in (10.0, 20.0, 30.0)]
    [1, 8, 8]

    Args:
        given: by the job itself, which then holds for good; 0: the pipeline chooses, 1 until it does.
    """

    def __init__(self, given: int = 0) -> None:
        self.modulus = max(1, given)
        self._is_given = given > 0
        self._told = b""
        self._choices: tuple[Choice, ...] = ()

    def choose(self, data: bytes) -> None:
        """What lies on the control topic, empty for nothing; what cannot be used changes nothing."""
        if self._is_given or data == self._told:
            return
        self._told = data
        try:
            choice = _choice.decode(data)
        except msgspec.DecodeError:
            return
        if choice.version == VERSION and 0 < choice.modulus <= MOST and not choice.modulus & (choice.modulus - 1):
            self._choices = (*self._choices[1 - _KEPT :], choice)

    def enter(self, pane: float) -> int:
        """A pane begins; the modulus of its ids."""
        for choice in self._choices:
            if choice.start <= pane:
                self.modulus = choice.modulus
        return self.modulus

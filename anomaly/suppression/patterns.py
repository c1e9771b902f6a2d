"""Which metrics an edge is about: beginnings of their names, `!` before those that it is not about; pure."""

from __future__ import annotations

from collections.abc import Sequence


def admits(patterns: Sequence[str], metric: str) -> bool:
    """Whether a metric is among those that patterns stand for.

    >>> admits(("loss", "auc"), "loss"), admits(("!volume",), "loss"), admits(("!volume",), "volume"), admits((), "auc")
    (True, True, False, True)
    """
    without = tuple(pattern[1:] for pattern in patterns if pattern.startswith("!"))
    wanted = tuple(pattern for pattern in patterns if not pattern.startswith("!"))
    return not metric.startswith(without) and (not wanted or metric.startswith(wanted))


def overlap(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether some metric may be among both.

    >>> overlap(("loss",), ("!volume",)), overlap(("volume",), ("!volume",)), overlap(("loss",), ("auc",))
    (True, False, False)
    """
    wanted = [pattern for pattern in (*one, *other) if not pattern.startswith("!")]
    return not wanted or any(_may_admit(one, name) and _may_admit(other, name) for name in wanted)


def _may_admit(patterns: Sequence[str], prefix: str) -> bool:
    """Whether a metric that begins so may be among those that patterns stand for."""
    without = tuple(pattern[1:] for pattern in patterns if pattern.startswith("!"))
    wanted = [pattern for pattern in patterns if not pattern.startswith("!")]
    is_wanted = not wanted or any(prefix.startswith(name) or name.startswith(prefix) for name in wanted)
    return is_wanted and not prefix.startswith(without)

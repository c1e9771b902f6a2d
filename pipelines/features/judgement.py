"""Whether to keep a feature, ask its owner, or drop it: rules in order, the first that holds gives the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

Decision = Literal["keep", "contact", "drop"]
Row = Mapping[str, Any]

WEAK: Final = 0.02  # nats; Siddiqi 2006: below it a feature alone does not predict
GONE: Final = 0.95  # missing in this share of the rows: nothing is learnt from the rest
OFTEN: Final = 0.30  # missing in this share: a person should know
SHIFTED: Final = 0.25  # nats of PSI, mean over the range: another distribution
UNQUIET: Final = 3  # anomalies in the range
FALLEN: Final = 0.5  # of its utility in the first half of the range


def judged(row: Row) -> tuple[Decision, str]:
    """The decision and its reason in words.

    >>> judged({"missing": 0.99})
    ('drop', 'missing in 99 % of the rows')
    """
    for decision, rule in RULES:
        reason = rule(row)
        if reason:
            return decision, reason
    return "keep", _worth(row)


def _gone(row: Row) -> str:
    missing = row.get("missing")
    return f"missing in {missing:.0%} of the rows".replace("%", " %") if missing is not None and missing >= GONE else ""


def _is_constant(row: Row) -> str:
    dispersion, distinct = row.get("dispersion"), row.get("distinct")
    is_one = distinct is not None and distinct < 1.5
    return "has one value" if is_one and dispersion in (None, 0.0) else ""


def _says_nothing(row: Row) -> str:
    value, floor = row.get("utility"), row.get("utility_floor")
    if value is None or floor is None or value > floor or floor > WEAK:
        return ""
    return f"says nothing of the label: IV {value:.4f}, chance alone gives {floor:.4f}"


def _is_optional(rule: Callable[[Row], str]) -> Callable[[Row], str]:
    return lambda row: f"{reason}, and is declared optional" if row.get("optional") and (reason := rule(row)) else ""


def _not(rule: Callable[[Row], str]) -> Callable[[Row], str]:
    return lambda row: "" if row.get("optional") else rule(row)


def _never_came(row: Row) -> str:
    return "declared, and never seen in the range" if row.get("declared") and row.get("missing") is None else ""


def _is_often_missing(row: Row) -> str:
    missing = row.get("missing")
    return f"missing in {100 * missing:.0f} % of the rows" if missing is not None and missing >= OFTEN else ""


def _has_shifted(row: Row) -> str:
    change = row.get("change")
    return f"its distribution moves: PSI {change:.2f}" if change is not None and change >= SHIFTED else ""


def _is_unquiet(row: Row) -> str:
    episodes = row.get("episodes") or 0
    return f"{episodes} anomalies in the range" if episodes >= UNQUIET else ""


def _is_weak(row: Row) -> str:
    value, floor = row.get("utility"), row.get("utility_floor")
    if value is None or floor is None or not floor < value < WEAK:
        return ""
    return f"weak alone: IV {value:.4f} is above chance ({floor:.4f}), and below {WEAK}"


def _has_fallen(row: Row) -> str:
    history = [value for value in row.get("history", {}).get("utility", ()) if value is not None]
    half = len(history) // 2
    if half < 3:
        return ""
    before, after = sum(history[:half]) / half, sum(history[half:]) / (len(history) - half)
    is_real = before > WEAK and (row.get("utility_excess") or 0.0) > 0.0
    return f"its utility fell from {before:.3f} to {after:.3f}" if is_real and after < FALLEN * before else ""


def _worth(row: Row) -> str:
    value, floor = row.get("utility"), row.get("utility_floor")
    if value is None or floor is None:
        return "too few labels to say what it is worth"
    if value <= floor:
        return f"too few labels to say: IV {value:.3f}, chance alone gives {floor:.3f}"
    return f"IV {value:.3f}, chance alone gives {floor:.4f}"


RULES: Final[tuple[tuple[Decision, Callable[[Row], str]], ...]] = (
    ("contact", _never_came),
    ("contact", _is_optional(_gone)),
    ("drop", _not(_gone)),
    ("drop", _is_constant),
    ("drop", _says_nothing),
    ("contact", _is_often_missing),
    ("contact", _has_shifted),
    ("contact", _is_unquiet),
    ("contact", _has_fallen),
    ("contact", _is_weak),
)

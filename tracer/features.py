"""What is declared of an input feature."""

from __future__ import annotations

from typing import Any, Literal, Protocol

import msgspec

FeatureKind = Literal["numeric", "categorical", "id"]


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    """What is declared of an input feature."""

    name: str
    kind: FeatureKind
    default: float | str | None = None
    separator: str = ""  # between the values of a row that comes as text: "a,b"
    weight: str = ""  # before the weight of a value that comes as text: "tag|0.5"
    low: float | None = None  # valid range of a numeric one
    high: float | None = None
    vocabulary: tuple[Any, ...] | None = None  # valid values of a categorical one


class Declared(Protocol):
    """Anything that declares a feature; `Feature`, or the pipelines' configuration."""

    @property
    def name(self) -> str:
        """Name of the feature."""
        ...

    @property
    def kind(self) -> FeatureKind:
        """What its values are."""
        ...


def feature_of(declared: Declared) -> Feature:
    """The declaration with all its options, whatever declares it."""
    if isinstance(declared, Feature):
        return declared
    options: dict[str, Any] = {name: getattr(declared, name, None) for name in ("default", "low", "high", "vocabulary")}
    texts: dict[str, Any] = {name: getattr(declared, name, "") for name in ("separator", "weight")}
    return Feature(name=declared.name, kind=declared.kind, **options, **texts)

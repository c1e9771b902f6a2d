"""What features bring: rows for their profiles, and codes of them for the label counts; off the step."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from streamgauge.tracer import profiles
from streamgauge.tracer.hints import Hints
from streamgauge.tracer.inputs import Array, Column, Ragged
from streamgauge.tracer.panes import Pane
from streamgauge.tracer.profiles import Profiles


class FeatureFold:
    """Features of one incarnation, into its panes; `refused` is told which of them cannot be used, and why."""

    def __init__(self, panes: Pane, features: Profiles, hints: Hints, refused: Callable[[str, str], None]) -> None:
        self._panes, self._profiles, self._hints, self._refused = panes, features, hints, refused

    def profiled(self, features: Mapping[str, Column], rows: int, *, keep: bool) -> dict[str, Array]:
        """Gather features for their profiles; what is kept of them for the label counts."""
        codes: dict[str, Array] = {}
        for name, given in features.items():
            try:
                column = self._profiles.split(name, given)
                found = self._gather(name, column)
                if keep and len(column) == rows:
                    codes[name] = self._profiles.codes(name, column) if found is None else found
            except Exception as error:
                self._refused(f"feature:{name}", f"{type(error).__name__}: {error}")
        return codes

    def codes(self, features: Mapping[str, Column], rows: int, some: Array | None = None) -> dict[str, Array]:
        """What is kept for label counts, or told of `some` rows, of the features that have a value for each row."""
        columns = {name: self._profiles.split(name, column) for name, column in features.items()}
        found = {name: self._profiles.codes(name, column) for name, column in columns.items() if len(column) == rows}
        return found if some is None else {name: codes[some] for name, codes in found.items()}

    def _gather(self, name: str, column: Column) -> Array | None:
        """A feature's column on its way to the profile; its codes, where they are there."""
        entity, panes = f"feature:{name}", self._panes
        self._hints.feature(name, column)
        waiting, codes = self._profiles.gathered(name, column)
        panes.gather("sample", "profile", entity, self._profiles.build(name), waiting)
        if isinstance(column, Ragged):
            panes.gather("sample", "seq_length", entity, profiles.lengths, column.sizes)
            if column.weights is not None:
                weights = Ragged(column.weights, column.lengths)
                self._gather(f"{name}.weight", weights)
        return codes

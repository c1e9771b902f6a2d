"""The flights as each worker meets them: samples at their scheduled departure, labels when the flight lands.

Times are seconds since the UTC epoch. Cancelled and diverted flights have no label.
"""

from __future__ import annotations

import pathlib
from typing import Final

import numpy as np

from streamgauge.examples.flights.columns import Flights

_VERSION: Final = 2

def load(airport: str, cache: pathlib.Path | None = None) -> Flights:
    """One airport's flights; prepared once and kept in `cache` if that is given."""
    if cache is None:
        return _prepared()[airport]
    path = cache / f"flights-{airport}-{_VERSION}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        for name, prepared in _prepared().items():
            _save(prepared, cache / f"flights-{name}-{_VERSION}.npz")
    return _load(path)


def _prepared() -> dict[str, Flights]:
    from streamgauge.examples.flights import tables  # pandas takes seconds to import; most starts find all prepared

    return tables.flights()


def _save(flights: Flights, path: pathlib.Path) -> None:
    arrays = {name: getattr(flights, name) for name in Flights._fields if name != "features"}
    draft = path.with_name(f".{path.name}.draft.npz")  # renamed when whole: three workers may prepare at once
    np.savez(draft, **arrays, **{f"feature.{name}": column for name, column in flights.features.items()})
    draft.replace(path)


def _load(path: pathlib.Path) -> Flights:
    with np.load(path, allow_pickle=False) as data:
        features = {name.removeprefix("feature."): data[name] for name in data.files if name.startswith("feature.")}
        return Flights(data["ids"], data["time"], data["due"], data["landed"], data["late"], features)

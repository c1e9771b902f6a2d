"""The flights as each worker meets them: samples at their scheduled departure, labels when the flight lands.

Times are seconds since the UTC epoch. Cancelled and diverted flights have no label.
"""

from __future__ import annotations

import pathlib
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

AIRPORTS: Final = ("EWR", "JFK", "LGA")
ZONE: Final = "America/New_York"
WEATHER: Final = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
PLANE: Final = ("plane_age", "seats")
NUMERIC: Final = (*WEATHER, *PLANE, "distance")
CATEGORICAL: Final = ("carrier", "tailnum", "dest", "carrier_dest", "hour", "weekday")
HOUR: Final = 3600.0  # seconds: the step of the replay
_VERSION: Final = 2

Floats = NDArray[np.float64]


class Flights(NamedTuple):
    """One airport's samples in order of scheduled departure; every array has shape [n]."""

    ids: NDArray[np.str_]
    time: Floats  # scheduled departure
    due: Floats  # scheduled arrival
    landed: Floats  # when the label becomes known; NaN for flights that never get one
    late: Floats  # the label, 1.0 = arrives more than 15 minutes late; NaN without one
    features: dict[str, NDArray[np.generic]]


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
    from streamgauge.examples.flights import (
        tables,  # pandas takes seconds to import, and most starts find everything prepared
    )

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

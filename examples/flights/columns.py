"""What a flight is to the job: its airports, its features, its times."""

from __future__ import annotations

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

Floats = NDArray[np.float64]


class Flights(NamedTuple):
    """One airport's samples in order of scheduled departure; every array has shape [n]."""

    ids: NDArray[np.str_]
    time: Floats  # scheduled departure
    due: Floats  # scheduled arrival
    landed: Floats  # when the label becomes known; NaN for flights that never get one
    late: Floats  # the label, 1.0 = arrives more than 15 minutes late; NaN without one
    features: dict[str, NDArray[np.generic]]

